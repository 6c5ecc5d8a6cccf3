"""What the daemon remembers between its starts, in the private `state/`: when each group and each job last ran."""

import json
from collections.abc import Collection, Iterable
from datetime import datetime

from msgspec import Struct, field

from mirrord.errors import HostError
from mirrord.events import get_logger
from mirrord.service.agenda import Past, settled
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.state import read_note, write_state
from mirrord.store.store import Store

FILE = "daemon.json"

_log = get_logger()


class Pasts(Struct):
    """Of groups and of jobs, as they are known now."""

    by_name: dict[str, Past] = field(default_factory=dict)

    @classmethod
    async def load(cls, store: Store) -> "Pasts":
        """Those that were kept; anything unreadable counts as never: all of it then runs at once."""
        return cls(await store.run(lambda: _read(store.layout)))

    async def save(self, store: Store) -> None:
        """Keep them for the next start. A failure is told in the log: the next start runs all at once."""
        pasts = dict(self.by_name)
        try:
            await store.run(lambda: _write(store.layout, pasts))
        except HostError as error:
            _log.warning("notes.not_saved", owner=str(error.owner), error=str(error))

    def of(self, name: str) -> Past:
        """What is known of a group or a job."""
        return self.by_name.get(name, Past())

    def begin(self, jobs: Iterable[str], now: datetime) -> None:
        """Let the first time of jobs that never ran come by their schedule, counted from ``now``."""
        for job in jobs:
            self.by_name.setdefault(job, Past(begun=now))

    def settle(self, now: datetime) -> None:
        """Take note of what time it is: it may be earlier than what is known says."""
        self.by_name = {name: settled(past, now) for name, past in self.by_name.items()}

    def keep(self, names: Collection[str]) -> None:
        """Forget all but ``names``."""
        self.by_name = {name: past for name, past in self.by_name.items() if name in names}


def _read(layout: Layout) -> dict[str, Past]:
    try:
        document = read_note(layout, FILE) or {}
        with parsing(layout.state / FILE):
            return {str(name): Past.read(past) for name, past in document.items()}
    except HostError as error:
        _log.warning("notes.not_read", owner=str(error.owner), error=str(error))
        return {}


def _write(layout: Layout, pasts: dict[str, Past]) -> None:
    write_state(layout, FILE, json.dumps({name: past.document() for name, past in pasts.items()}).encode())

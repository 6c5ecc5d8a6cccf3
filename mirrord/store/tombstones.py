"""Since when a manifest is named by no generation: its grace begins then. Losing the list begins the grace anew."""

import json
from collections.abc import Iterable

from msgspec import Struct, field

from mirrord.errors import HostError
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.state import read_note, write_state

_FILE = "tombstones.json"


class Tombstones(Struct):
    """By repository and manifest file name, the time (seconds since the epoch) it was first found unnamed."""

    since: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def load(cls, layout: Layout) -> "Tombstones":
        """Read what the last collection wrote; anything unreadable begins anew."""
        try:
            document = read_note(layout, _FILE) or {}
            with parsing(layout.state / _FILE):
                return cls({str(r): {str(n): float(at) for n, at in names.items()} for r, names in document.items()})
        except HostError:
            return cls()

    def save(self, layout: Layout) -> None:
        """Write it. Raises HostError."""
        write_state(layout, _FILE, json.dumps({r: names for r, names in self.since.items() if names}).encode())

    def note(self, repository: str, unnamed: Iterable[str], now: float) -> None:
        """Take note of what is unnamed now: what was already keeps its time, what is named again loses it.

        A time in the future (the clock was set back) begins anew.
        """
        before = self.since.get(repository, {})
        self.since[repository] = {name: min(before.get(name, now), now) for name in unnamed}

    def is_due(self, repository: str, name: str, now: float, patience: float) -> bool:
        """Whether a manifest has been unnamed longer than the grace."""
        return now - self.since.get(repository, {}).get(name, now) > patience

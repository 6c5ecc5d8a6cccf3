"""What the daemon remembers between its starts, in the private `state/`: when each group and each job last ran."""

import json
from collections.abc import Mapping

import structlog

from mirrord.errors import HostError
from mirrord.service.agenda import Past
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.state import read_note, write_state

FILE = "daemon.json"

_log = structlog.get_logger()


def load_pasts(layout: Layout) -> dict[str, Past]:
    """By group or job; anything unreadable counts as never: all of it then runs at once."""
    try:
        document = read_note(layout, FILE) or {}
        with parsing(layout.state / FILE):
            return {str(name): Past.read(past) for name, past in document.items()}
    except HostError as error:
        _log.warning("notes.not_read", owner=str(error.owner), error=str(error))
        return {}


def save_pasts(layout: Layout, pasts: Mapping[str, Past]) -> None:
    """Keep them for the next start. Raises HostError."""
    write_state(layout, FILE, json.dumps({name: past.document() for name, past in pasts.items()}).encode())

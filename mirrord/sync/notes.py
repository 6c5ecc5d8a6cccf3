"""What runs remember between them, in the root's private `state/`: when a repository's followers were looked for."""

import json
import time

from mirrord.errors import HostError
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.state import read_note, write_state

FILE = "followers.json"
RECHECK = 24 * 3600.0
"""Seconds after which signatures and the like of an unchanged digest are looked for again."""


class Notes:
    """When each repository's followers were last looked for. Losing it costs one list a repository."""

    def __init__(self, looked: dict[str, float]) -> None:
        self._looked = looked
        self._is_changed = False

    @classmethod
    def load(cls, layout: Layout) -> "Notes":
        """Read what the last run wrote; anything unreadable counts as never."""
        try:
            document = read_note(layout, FILE) or {}
            with parsing(layout.state / FILE):
                return cls({str(name): float(at) for name, at in document.items()})
        except HostError:
            return cls({})

    def save(self, layout: Layout) -> None:
        """Write it, where anything was looked for. Raises HostError."""
        if self._is_changed:
            write_state(layout, FILE, json.dumps(self._looked, sort_keys=True).encode())

    def is_due(self, repository: str) -> bool:
        """Whether a repository's followers are to be looked for though nothing moved."""
        age = time.time() - self._looked.get(repository, 0.0)
        return not 0 <= age < RECHECK  # a clock that was set back must not put it off

    def looked(self, repository: str) -> None:
        """Take note that all of a repository's followers were looked for now."""
        self._looked[repository] = time.time()
        self._is_changed = True

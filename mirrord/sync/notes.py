"""What runs remember between them, in the root's private `state/`: when a repository's followers were looked for."""

import time

from mirrord.errors import HostError
from mirrord.registry.abilities import Abilities
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.state import read_note, update_note

FILE = "followers.json"
UPSTREAMS_FILE = "upstreams.json"
"""Which upstreams have the referrers API, and how many pulls are left at those that count them."""
RECHECK = 24 * 3600.0
"""Seconds after which signatures and the like of an unchanged digest are looked for again."""


class Notes:
    """When each repository's followers were last looked for. Losing it costs one list a repository."""

    def __init__(self, looked: dict[str, float]) -> None:
        self._looked = looked
        self._changed: set[str] = set()

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
        """Write it, where anything was looked for, beside what other runs wrote. Raises HostError."""
        if self._changed:
            changed = {name: self._looked[name] for name in self._changed}
            update_note(layout, FILE, changed, lambda: Notes.load(layout)._looked)  # noqa: SLF001 - this class's own

    def is_due(self, repository: str, recheck: float = RECHECK) -> bool:
        """Whether a repository's followers are to be looked for though nothing moved for ``recheck`` seconds."""
        age = time.time() - self._looked.get(repository, 0.0)
        return not 0 <= age < recheck  # a clock that was set back must not put it off

    def looked(self, repository: str) -> None:
        """Take note that all of a repository's followers were looked for now."""
        self._looked[repository] = time.time()
        self._changed.add(repository)


def load_abilities(layout: Layout) -> Abilities:
    """What earlier runs found out about the upstreams; anything unreadable counts as nothing."""
    try:
        document = read_note(layout, UPSTREAMS_FILE)
        with parsing(layout.state / UPSTREAMS_FILE):
            return Abilities.read(document) if document else Abilities()
    except HostError:
        return Abilities()


def save_abilities(layout: Layout, abilities: Abilities) -> None:
    """Write it, where anything was found out, beside what other runs did. Raises HostError."""
    if abilities.is_changed:
        update_note(layout, UPSTREAMS_FILE, {}, lambda: load_abilities(layout).with_newest(abilities).document())

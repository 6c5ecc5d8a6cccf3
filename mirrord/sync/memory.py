"""What runs remember of tags between them, in the root's private `state/`: since when something is as it is.

Since when a new digest waits for its cooldown, since when the upstream lacks a held tag, and which parts of indexes it
lacks. Losing a note costs time and nothing else: what it was about begins anew.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Self

from msgspec import Struct, field

from mirrord.config.model import Config
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.state import read_note, update_note

COOLDOWN_FILE = "cooldown.json"
MISSING_FILE = "missing.json"
LACKING_FILE = "lacking.json"
RECHECK = 24 * 3600.0
"""Seconds after which the upstream is asked again for a part of an index that it lacked."""


class Sightings(Struct):
    """By repository and name: what it was seen as, and since when (seconds since the epoch) without a break."""

    seen: dict[str, dict[str, tuple[str, float]]] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    """Repositories of which anything is another."""

    @classmethod
    def load(cls, layout: Layout, file: str) -> Self:
        """Read what earlier runs wrote; anything unreadable counts as never seen."""
        try:
            document = read_note(layout, file) or {}
            with parsing(layout.state / file):
                return cls(
                    {
                        str(repository): {str(name): (str(value), float(at)) for name, (value, at) in names.items()}
                        for repository, names in document.items()
                    }
                )
        except HostError:
            return cls()

    def save(self, layout: Layout, file: str) -> None:
        """Write them, where anything changed, beside what other runs wrote. Raises HostError."""
        if self._changed:
            changed = {repository: self.seen.get(repository) or None for repository in self._changed}
            update_note(layout, file, changed, lambda: self.load(layout, file).seen)

    def since(self, repository: str, name: str, value: str = "") -> float:
        """Since when ``name`` is ``value``: from now on, where it was not. A time in the future begins anew."""
        now = time.time()
        value_before, at = self.seen.get(repository, {}).get(name, ("", now))
        if value_before != value or at > now:
            at = now
        if self.seen.setdefault(repository, {}).get(name) != (value, at):
            self.seen[repository][name] = (value, at)
            self._changed.add(repository)
        return at

    def is_another(self, repository: str, name: str, value: str) -> bool:
        """Whether ``name`` was last seen as something else than ``value``."""
        seen = self.seen.get(repository, {}).get(name)
        return seen is not None and seen[0] != value

    def forget(self, repository: str, name: str) -> None:
        """It is no longer so."""
        if self.seen.get(repository, {}).pop(name, None) is not None:
            self._changed.add(repository)

    def keep(self, repository: str, names: Collection[str]) -> None:
        """Forget all of a repository but ``names``."""
        for name in [name for name in self.seen.get(repository, {}) if name not in names]:
            self.forget(repository, name)

    def younger(self, repository: str, seconds: float) -> Iterator[str]:
        """The names of a repository that were first seen less than ``seconds`` ago."""
        now = time.time()
        return (name for name, (_, at) in self.seen.get(repository, {}).items() if 0 <= now - at < seconds)


class Memory(Struct, frozen=True):
    """All three, as one run has them."""

    cooling: Sightings
    """By tag: the new digest that waits."""
    missing: Sightings
    """By tag: held here, and gone upstream."""
    _lacking: Sightings
    """By digest: parts of indexes that the upstream itself lacks."""
    patience: float | None
    """Seconds after which a tag goes that its upstream deleted; None keeps it."""

    @classmethod
    def load(cls, layout: Layout, config: Config) -> Self:
        """Read them all."""
        patience = config.retention.grace if config.delete.upstream == "remove" else None
        return cls(
            Sightings.load(layout, COOLDOWN_FILE),
            Sightings.load(layout, MISSING_FILE),
            Sightings.load(layout, LACKING_FILE),
            patience,
        )

    def save(self, layout: Layout) -> None:
        """Write what changed. Raises HostError."""
        self.cooling.save(layout, COOLDOWN_FILE)
        self.missing.save(layout, MISSING_FILE)
        self._lacking.save(layout, LACKING_FILE)

    def lacking(self, repository: str) -> frozenset[Digest]:
        """The parts of indexes that the upstream was found to lack so recently that it need not be asked again."""
        return frozenset(map(Digest.parse, self._lacking.younger(repository, RECHECK)))

    def note_lacking(self, repository: str, found: Mapping[Digest, bool]) -> None:
        """Take note of which parts the upstream lacks (True) of those it was asked for just now."""
        for digest, is_lacking in found.items():
            self._lacking.forget(repository, str(digest))
            if is_lacking:
                self._lacking.since(repository, str(digest))


class Waiting(Struct, frozen=True):
    """A new digest of a tag that waits for its cooldown: what a status shows."""

    repository: str
    tag: str
    digest: str
    since: float


def waiting(layout: Layout) -> tuple[Waiting, ...]:
    """All that wait, as the last run left them."""
    seen = Sightings.load(layout, COOLDOWN_FILE).seen
    return tuple(
        Waiting(repository, tag, digest, since)
        for repository, tags in sorted(seen.items())
        for tag, (digest, since) in sorted(tags.items())
    )

"""What an operator decided about snapshots: a rollback that holds until it is released, and pins.

Kept in ``state/`` and written durably *before* the swap they belong to: a crash in between leaves a hold without its
rollback, which the next run reports, never a rollback that the next run undoes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mirrord.errors import HostError
from mirrord.store import durable
from mirrord.store.change import Change
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.state import read_state, write_state

_HOLD = "hold.json"
_PINS = "pins.json"


@dataclass(frozen=True, slots=True)
class Hold:
    """A rollback in force."""

    snapshot: str
    """What was rolled back to."""
    repositories: tuple[str, ...] | None
    """Those that are held; None is all."""
    since: str

    def holds(self, repository: str) -> bool:
        """Whether publications leave ``repository`` alone."""
        return self.repositories is None or repository in self.repositories

    def divide(self, changes: Sequence[Change]) -> tuple[list[Change], tuple[str, ...]]:
        """The changes that may be published, and the names of the repositories that are held."""
        free = [change for change in changes if not self.holds(change.name)]
        return free, tuple(change.name for change in changes if self.holds(change.name))

    def __str__(self) -> str:
        what = "everything" if self.repositories is None else ", ".join(self.repositories)
        return f"{what} is held at snapshot {self.snapshot} since {self.since}; to go on: mirrord snapshots release"


def read_hold(layout: Layout) -> Hold | None:
    """The rollback in force. Raises HostError where it can't be read: then nothing may be published."""
    try:
        content = read_state(layout, _HOLD)
        if content is None:
            return None
        with parsing(layout.state / _HOLD):
            document = json.loads(content)
            repositories = document["repositories"]
            if not isinstance(repositories, list | None):
                raise TypeError("its repositories are no list")
            held = None if repositories is None else tuple(map(str, repositories))
            return Hold(str(document["snapshot"]), held, str(document["since"]))
    except HostError as error:
        raise HostError(f"{error}; mirrord snapshots release removes it") from error


def write_hold(layout: Layout, snapshot: str, repository: str | None) -> Hold:
    """Hold ``repository`` (None: everything) at ``snapshot``, with what is held already; durable on return.

    While everything is held, a repository that goes back further changes nothing about that.
    """
    before = read_hold(layout)
    repositories: tuple[str, ...] | None = None
    if repository is not None and before is not None and before.repositories is None:
        snapshot = before.snapshot
    elif repository is not None:
        repositories = tuple(sorted({*((before and before.repositories) or ()), repository}))
    hold = Hold(snapshot, repositories, datetime.now(UTC).isoformat(timespec="seconds"))
    document = {"snapshot": hold.snapshot, "repositories": hold.repositories, "since": hold.since}
    write_state(layout, _HOLD, json.dumps(document).encode())
    return hold


def release_hold(layout: Layout) -> bool:
    """End the rollback in force; False where there is none."""
    if not (layout.state / _HOLD).exists():
        return False
    durable.unlink(layout.state / _HOLD)
    durable.sync_directory(layout.state)
    return True


def read_pins(layout: Layout) -> frozenset[str]:
    """The names of the snapshots that stay. Raises HostError where they can't be read: then nothing may be deleted."""
    content = read_state(layout, _PINS)
    if content is None:
        return frozenset()
    with parsing(layout.state / _PINS):
        pins = json.loads(content)
        if not isinstance(pins, list):
            raise TypeError("it is no list of snapshots")
        return frozenset(map(str, pins))


def write_pins(layout: Layout, pins: frozenset[str]) -> None:
    """Let these snapshots stay; durable on return."""
    write_state(layout, _PINS, json.dumps(sorted(pins)).encode())

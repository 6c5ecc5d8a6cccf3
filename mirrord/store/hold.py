"""What an operator decided about snapshots: a rollback that holds until it is released, and pins.

Kept in ``state/`` and written durably *before* the swap they belong to: a crash in between leaves a hold without its
rollback, which the next run reports, never a rollback that the next run undoes.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from mirrord.errors import HostError
from mirrord.store import durable
from mirrord.store.change import Change, PackedChange
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.remembered import Identity, identity_of
from mirrord.store.state import read_state, write_state

_HOLD = "hold.json"
_PINS = "pins.json"


class Hold(Struct, frozen=True):
    """The rollbacks in force: of everything, of single repositories, or of these and then of everything."""

    snapshot: str | None
    """What everything was rolled back to; None where only ``repositories`` are held."""
    repositories: Mapping[str, str]
    """The repositories that went back on their own, and the snapshot that each went back to."""
    since: str

    @property
    def snapshots(self) -> frozenset[str]:
        """Every snapshot that a rollback went back to."""
        return frozenset({*self.repositories.values(), *((self.snapshot,) if self.snapshot else ())})

    def holds(self, repository: str) -> bool:
        """Whether publications leave ``repository`` alone."""
        return self.snapshot is not None or repository in self.repositories

    def divide(self, changes: Sequence[Change | PackedChange]) -> tuple[list[Change | PackedChange], tuple[str, ...]]:
        """The changes that may be published, and the names of the repositories that are held."""
        free = [change for change in changes if not self.holds(change.name)]
        return free, tuple(change.name for change in changes if self.holds(change.name))

    def adding(self, snapshot: str, repository: str | None) -> Self:
        """This hold, and a rollback of ``repository`` to ``snapshot``; of everything (None), it is the only one."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        if repository is None:
            return replace(self, snapshot=snapshot, repositories={}, since=since)
        return replace(self, repositories={**self.repositories, repository: snapshot}, since=since)

    def __str__(self) -> str:
        held = [f"everything is held at snapshot {self.snapshot}"] if self.snapshot else []
        held += [f"{name} is held at snapshot {at}" for name, at in sorted(self.repositories.items())]
        return f"{', '.join(held)}, since {self.since}; to go on: mirrord snapshots release"


def read_hold(layout: Layout) -> Hold | None:
    """The rollbacks in force. Raises HostError where they can't be read: then nothing may be published."""
    try:
        content = read_state(layout, _HOLD)
        if content is None:
            return None
        with parsing(layout.state / _HOLD):
            document = json.loads(content)
            snapshot, repositories = document["snapshot"], document["repositories"]
            if not isinstance(snapshot, str | None) or not isinstance(repositories, dict):
                raise TypeError("it is no hold")
            return Hold(snapshot, {name: str(at) for name, at in repositories.items()}, str(document["since"]))
    except HostError as error:
        raise HostError(f"{error}; mirrord snapshots release removes it") from error


def write_hold(layout: Layout, hold: Hold) -> None:
    """Put ``hold`` in force; durable on return. Raises HostError."""
    document = {"snapshot": hold.snapshot, "repositories": dict(hold.repositories), "since": hold.since}
    write_state(layout, _HOLD, json.dumps(document).encode())


NO_HOLD = Hold(None, {}, "")
"""What a first rollback is added to."""


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


def decided(layout: Layout) -> tuple[Identity | None, Identity | None]:
    """What tells a hold and pins from those of any other time."""
    return identity_of(layout.state / _HOLD), identity_of(layout.state / _PINS)


def write_pins(layout: Layout, pins: frozenset[str]) -> None:
    """Let these snapshots stay; durable on return."""
    write_state(layout, _PINS, json.dumps(sorted(pins)).encode())

"""Going back to an earlier snapshot, going on again, and keeping snapshots whatever the retention says."""

from typing import ClassVar

from mirrord.service.operation import Look, Operation, Reply, Workshop
from mirrord.store.history import find_snapshot, one_before
from mirrord.store.hold import read_hold, read_pins, release_hold, write_pins
from mirrord.store.layout import Layout
from mirrord.store.rollback import Rollback, plan_rollback
from mirrord.store.tell import tell_published


class ListKept(Look, frozen=True, kw_only=True):
    """Say which snapshots are held and pinned: it stands in notes that are the mirror's user's alone."""

    name: ClassVar[str] = "snapshots.kept"

    def look(self, layout: Layout) -> Reply:
        """Read them; blocks. Raises HostError."""
        hold = read_hold(layout)
        return Reply({"hold": str(hold) if hold else None, "pins": sorted(read_pins(layout))})


class PlanRollback(Look, frozen=True, kw_only=True):
    """Say what a rollback would change, and change nothing."""

    name: ClassVar[str] = "snapshots.rollback.plan"

    target: str | None = None
    """A snapshot's number or name; None is the one before the served."""
    repository: str | None = None
    """None is everything."""

    def look(self, layout: Layout) -> Reply:
        """Compare what is served with the target; blocks. Raises ConfigError, HostError."""
        plan = self.plan(layout)
        return Reply({"target": plan.target.name, "changes": [each.document() for each in plan.changes]})

    def plan(self, layout: Layout) -> Rollback:
        """The rollback that is meant; blocks. Raises ConfigError, HostError."""
        target = one_before(layout) if self.target is None else find_snapshot(layout, self.target)
        return plan_rollback(layout, target, self.repository)


class RollBack(PlanRollback, frozen=True, kw_only=True):
    """Serve an earlier snapshot again, wholly or for one repository, and hold it."""

    name: ClassVar[str] = "snapshots.rollback"

    async def perform(self, workshop: Workshop) -> Reply:
        """Publish it. Raises ConfigError, HostError."""
        store = workshop.store
        plan = await store.run(lambda: self.plan(store.layout))
        done = await store.roll_back(plan.target.name, plan.repository)
        await tell_published(store)
        changes = [each.document() for each in plan.changes]
        name = done.snapshot if done else None
        return Reply({"target": plan.target.name, "snapshot": name, "changes": changes})


class Release(Operation, frozen=True, kw_only=True):
    """End a rollback."""

    name: ClassVar[str] = "snapshots.release"

    async def perform(self, workshop: Workshop) -> Reply:
        """Forget the hold. Raises HostError."""
        layout = workshop.store.layout
        was_held = await workshop.store.decide(lambda: release_hold(layout))
        await tell_published(workshop.store)
        return Reply({"released": was_held})


class Pin(Operation, frozen=True, kw_only=True):
    """Keep a snapshot, or (not ``wanted``) leave it to the retention again."""

    name: ClassVar[str] = "snapshots.pin"

    snapshot: str
    wanted: bool = True

    async def perform(self, workshop: Workshop) -> Reply:
        """Write it down: a collection must not come between looking and writing. Raises ConfigError, HostError."""
        layout = workshop.store.layout
        reply = await workshop.store.decide(lambda: self._pin(layout))
        await tell_published(workshop.store)
        return reply

    def _pin(self, layout: Layout) -> Reply:
        name = find_snapshot(layout, self.snapshot).name
        before = read_pins(layout)
        pins = before | {name} if self.wanted else before - {name}
        write_pins(layout, pins)
        return Reply({"snapshot": name, "pinned": sorted(pins)})

"""Publishing in a run: what is complete, now and then and at its end; a group that is published together, whole."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field

from mirrord.config.groups import Group
from mirrord.errors import MirrordError
from mirrord.events import get_logger
from mirrord.store.change import Brake
from mirrord.store.hold import Hold
from mirrord.store.snapshot import Reason, UndurableError
from mirrord.store.store import Store
from mirrord.store.tell import tell_published
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.outcome import Outcome
from mirrord.sync.ready import Ready

_log = get_logger()


class Together:
    """Which groups are published whole or not at all, and which of them may be by now."""

    def __init__(
        self, groups: Iterable[Group], plans: Iterable[RepositoryPlan], failed: Iterable[tuple[str, Outcome]] = ()
    ) -> None:
        names = {group.name for group in groups if group.together}
        self._open = Counter(plan.group for plan in plans if plan.group in names)
        """Repositories not yet done."""
        self.withheld: dict[str, Outcome] = {}
        """The image that holds each group back."""
        for group, outcome in failed:
            if group in names:
                self._withhold(group, outcome)

    def lets(self, plan: RepositoryPlan) -> bool:
        """Whether what is complete of a repository may be published now."""
        return not self._open[plan.group] and plan.group not in self.withheld

    def done(self, plan: RepositoryPlan, outcomes: Iterable[Outcome]) -> None:
        """Take note of what became of a repository."""
        if not self._open[plan.group]:
            return
        self._open[plan.group] -= 1
        for outcome in outcomes:
            if outcome.error is not None:
                self._withhold(plan.group, outcome)

    def _withhold(self, group: str, outcome: Outcome) -> None:
        if group not in self.withheld:
            self.withheld[group] = outcome
            _log.warning("group.withheld", group=group, image=outcome.name, error=str(outcome.error))


class Publisher(Struct):
    """Publishes what is complete of all repositories together, one publication at a time."""

    store: Store
    run_id: str
    text: str
    brake: Brake | None
    together: "Together"
    held: Hold | None = None
    """The rollback that kept changes from being published, the last time they were asked for."""
    doubt: UndurableError | None = None
    """What is served and may be undone by a power cut: nothing that follows makes that sure again."""
    ready: list[Ready] = field(default_factory=list)
    """Of each repository that was begun."""
    snapshots: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """Spent publishing."""
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def publish(self) -> None:
        """Publish what is ready now, if that changes anything. Raises HostError."""
        async with self._one:
            changes = [(ready, ready.change()) for ready in self.ready if self.together.lets(ready.plan)]
            changes = [(ready, change) for ready, change in changes if not change.is_empty]
            if not changes:
                return
            begun = time.monotonic()
            reason = Reason(self.run_id, self.text)
            try:
                done = await self.store.publish([change for _, change in changes], reason, self.brake)
            except UndurableError as error:
                self.doubt = error
                raise
            self.held = done.hold if done.held else None
            for ready, change in changes:
                if change.name not in done.held:
                    ready.published(change)
            publication = done.publication
            seconds = time.monotonic() - begun
            self.seconds += seconds
            if publication is None:
                return
            self.snapshots.append(publication.snapshot)
            _log.info(
                "snapshot.published",
                snapshot=publication.snapshot,
                repositories=publication.repositories,
                tags=publication.tags,
                changed=len(publication.changed),
                removed=len(publication.removed),
                seconds=round(seconds, 3),
            )

    async def publish_every(self, seconds: float) -> None:
        """Publish now and then, until cancelled; a failure is told, and the end of the run tries again."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.publish()
                await tell_published(self.store)
            except MirrordError as error:  # the brake, too
                _log.error("publication.failed", owner=str(error.owner), error=str(error))

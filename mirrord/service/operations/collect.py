"""Garbage collection: what nothing needs any more goes."""

from typing import ClassVar

from mirrord.service.operation import DONE, FOUND, Operation, Reply, Workshop
from mirrord.service.setting import retention_of
from mirrord.store.collect import Collected
from mirrord.store.tell import tell_published


class Collect(Operation, frozen=True, kw_only=True):
    """Delete what nothing needs any more, or (``dry_run``) say what would go."""

    name: ClassVar[str] = "gc"
    ends_with_its_client: ClassVar[bool] = True

    dry_run: bool = False

    async def perform(self, workshop: Workshop) -> Reply:
        """Collect. Raises HostError."""
        config = workshop.config
        retention = retention_of(config)
        found = await workshop.store.collect(retention, is_dry=self.dry_run)
        if not self.dry_run:
            await tell_published(workshop.store)
        return Reply(_collected(found, dry_run=self.dry_run), FOUND if found.doubts else DONE)


def _collected(found: Collected, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "counts": {str(level): number for level, number in found.counts.items()},
        "bytes_freed": found.freed,
        "within_grace": found.waiting,
        "victims": [
            {"level": str(victim.level), "name": victim.name, "why": victim.why, "bytes": victim.freed}
            for victim in found.victims
        ],
        "doubts": found.doubts,
        "skipped": found.skipped,
    }

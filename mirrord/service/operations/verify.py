"""A verification that mends what it finds, and what is said of any verification."""

from typing import ClassVar

from mirrord.config.model import Config
from mirrord.config.scalars import RATE
from mirrord.errors import ConfigError, Owner
from mirrord.service.operation import DONE, FOUND, HOST, Operation, Reply, Workshop
from mirrord.store.tell import tell_published
from mirrord.store.verify_pace import Pacer
from mirrord.sync.repair import Repair, verify_and_repair


class VerifyAndRepair(Operation, frozen=True, kw_only=True):
    """Hash everything again, and mend what is wrong."""

    name: ClassVar[str] = "verify"
    is_alone: ClassVar[bool] = True
    ends_with_its_client: ClassVar[bool] = True

    rate: str | None = None
    """At most this, e.g. ``50MB/s``, or ``none``; None is what the config says."""

    async def perform(self, workshop: Workshop) -> Reply:
        """Verify and repair. Raises ConfigError, HostError."""
        config = workshop.config or Config()
        pacer = pacer_of(self.rate, config)
        done = await verify_and_repair(workshop.store, config, pacer, workshop.meters.verification)
        await tell_published(workshop.store)
        return repaired(done, repair=True)


def pacer_of(rate: str | None, config: Config) -> Pacer:
    """How fast a verification reads: ``rate`` as it was typed, else what ``config`` says. Raises ConfigError."""
    try:
        return Pacer(config.verify.rate if rate is None else RATE(rate))
    except ValueError as error:
        raise ConfigError(f"--rate: {error}") from error


def repaired(done: Repair, *, repair: bool) -> Reply:
    """What came of a verification, with or without a ``repair``."""
    found = done.found
    document: dict[str, object] = {
        "repair": repair,
        "files": found.files,
        "bytes": found.bytes,
        "seconds": round(found.seconds, 3),
        "unlinked": {"files": found.unlinked, "bytes": found.unlinked_bytes},
        "damages": [finding.document() for finding in done.left],
        "mended": [finding.document() for finding in (done.mended if repair else ())],
        "more": found.more,
        "problems": [problem.document() for problem in done.problems],
    }
    if any(problem.error.owner is Owner.HOST for problem in done.problems):
        return Reply(document, HOST)
    return Reply(document, FOUND if done.left or found.more else DONE)

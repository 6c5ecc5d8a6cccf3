"""One run: every planned repository side by side, publications while it goes and at its end, and the report."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import structlog

from mirrord.config.model import Config
from mirrord.errors import HostError, MirrordError
from mirrord.registry.client import Registries
from mirrord.store.blocks import read_blocks
from mirrord.store.change import Brake
from mirrord.store.hold import Hold
from mirrord.store.reader import Reader
from mirrord.store.snapshot import Reason, UndurableError
from mirrord.store.store import Store
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.notes import Notes
from mirrord.sync.outcome import Outcome, Progress, Report, Status
from mirrord.sync.repository import RepositoryRun, Tools
from mirrord.sync.resolve import look_at_digest, look_at_tag, resolve
from mirrord.sync.transfer import Transfer

_log = structlog.get_logger()

_IMAGES_PER_REQUEST = 2
"""Images in work for each request allowed at once: some wait for the disk while others ask."""
_REPOSITORIES = 64
"""Repositories in work at once."""


@dataclass(slots=True)
class _Publisher:
    """Publishes what is complete of all repositories together, one publication at a time."""

    store: Store
    run_id: str
    text: str
    brake: Brake | None
    held: Hold | None = None
    """The rollback that kept changes from being published, the last time they were asked for."""
    doubt: UndurableError | None = None
    """What is served and may be undone by a power cut: nothing that follows makes that sure again."""
    runs: list[RepositoryRun] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def publish(self) -> None:
        """Publish what is ready now, if that changes anything. Raises HostError."""
        async with self._one:
            changes = [(run, run.pending()) for run in self.runs]
            changes = [(run, change) for run, change in changes if not change.is_empty]
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
            for run, change in changes:
                if change.name not in done.held:
                    run.published(change)
            publication = done.publication
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
                seconds=round(time.monotonic() - begun, 3),
            )

    async def publish_every(self, seconds: float) -> None:
        """Publish now and then, until cancelled; a failure is told, and the end of the run tries again."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.publish()
            except MirrordError as error:  # the brake, too
                _log.error("publication.failed", owner=str(error.owner), error=str(error))


async def run_sync(
    config: Config,
    plans: Sequence[RepositoryPlan],
    store: Store,
    progress: Progress,
    reason: str,
    brake: Brake | None = None,
) -> Report:
    """Carry out ``plans``: complete, publish (unless ``brake`` stops it), report. Failures are in the report."""
    begun = time.monotonic()
    run_id = secrets.token_hex(4)
    with structlog.contextvars.bound_contextvars(run_id=run_id):
        _log.info("run.started", repositories=len(plans), reason=reason)
        publisher = _Publisher(store, run_id, reason, brake)
        async with Registries(config.registries, config.limits) as registries:
            tools = Tools(
                registries,
                store,
                Transfer(registries, store, progress),
                progress,
                await store.run(lambda: Notes.load(store.layout)),
                await store.run(lambda: read_blocks(store.layout)),
                asyncio.Semaphore(config.limits.concurrency * _IMAGES_PER_REQUEST),
            )
            async with _ticking(publisher, config.publish_every), contextlib.AsyncExitStack() as locks:
                failed = await _work_on_all(tools, plans, publisher, locks)
                problem = await _finish(publisher, tools)
            requests = registries.counters.requests
        outcomes = [*failed, *(outcome for run in publisher.runs for outcome in run.outcomes)]
        is_whole = all(plan.may_drop for plan in plans) and not any(outcome.error for outcome in outcomes)
        await _tidy(tools, only_expired=not is_whole)
        report = Report(
            run_id,
            tuple(sorted(outcomes, key=lambda outcome: outcome.name)),
            tuple(publisher.snapshots),
            time.monotonic() - begun,
            requests,
            progress,
            problem=problem,
            held=str(publisher.held) if publisher.held else "",
        )
        _tell(report)
        return report


async def dry_run(config: Config, plans: Sequence[RepositoryPlan], reader: Reader, progress: Progress) -> Report:
    """Say what `run_sync` would do, by asking the upstreams and changing nothing."""
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    slots = asyncio.Semaphore(config.limits.concurrency)
    async with Registries(config.registries, config.limits) as registries:

        async def look(plan: RepositoryPlan) -> None:
            async with slots:
                outcomes.extend(await _foresee(plan, registries, reader, progress))

        async with asyncio.TaskGroup() as tasks:
            for plan in plans:
                tasks.create_task(look(plan))
        requests = registries.counters.requests
    ordered = tuple(sorted(outcomes, key=lambda outcome: outcome.name))
    return Report("", ordered, (), time.monotonic() - begun, requests, progress, dry=True)


async def _foresee(plan: RepositoryPlan, registries: Registries, reader: Reader, progress: Progress) -> list[Outcome]:
    try:
        found = await resolve(plan, registries, reader)
    except MirrordError as error:
        return [Outcome.of_error(plan.name, error)]
    decision = found.decision
    outcomes = [Outcome.of_error(f"{plan.name} ({image.where})", error) for image, error in decision.problems]
    outcomes += [Outcome(f"{plan.name}:{tag}", Status.KEPT) for tag in decision.gone]
    outcomes += [Outcome(f"{plan.name}:{tag}", Status.REMOVED) for tag in decision.dropped_tags]
    outcomes += [Outcome(f"{plan.name}@{digest}", Status.REMOVED) for digest in decision.dropped_digests]
    for tag, image in decision.tags.items():
        name, held = f"{plan.name}:{tag}", found.held(tag)
        try:
            look = await look_at_tag(found, registries, tag, image)
        except MirrordError as error:
            outcomes.append(Outcome.of_error(name, error))
        else:
            outcomes.append(Outcome(name, look.status, look.digest, held.digest if held else None))
        progress.images_done += 1
    for digest in decision.digests:
        look = look_at_digest(found, digest)
        outcomes.append(Outcome(f"{plan.name}@{digest}", look.status, digest))
    return outcomes


@contextlib.asynccontextmanager
async def _ticking(publisher: _Publisher, seconds: float) -> AsyncIterator[None]:
    ticker = asyncio.create_task(publisher.publish_every(seconds))
    try:
        yield
    finally:
        ticker.cancel()
        await asyncio.wait([ticker])


async def _work_on_all(
    tools: Tools, plans: Sequence[RepositoryPlan], publisher: _Publisher, locks: contextlib.AsyncExitStack
) -> list[Outcome]:
    """Work on every repository; its lock is held from the first look until the run's last publication is over."""
    failed: list[Outcome] = []
    slots = asyncio.Semaphore(_REPOSITORIES)

    async def work(plan: RepositoryPlan) -> None:
        async with slots:
            await locks.enter_async_context(tools.store.repository_lock(plan.name))
            try:
                found = await resolve(plan, tools.registries, tools.store)
            except MirrordError as error:
                failed.append(Outcome.of_error(plan.name, error))
                return
            run = RepositoryRun(tools, found)
            publisher.runs.append(run)
            await run.run()

    async with asyncio.TaskGroup() as tasks:
        for plan in plans:
            tasks.create_task(work(plan))
    return failed


async def _finish(publisher: _Publisher, tools: Tools) -> MirrordError | None:
    """The last publication; what fails it is the run's problem: complete images stay on disk for the next run."""
    problem: MirrordError | None = None
    try:
        await publisher.publish()
        problem = publisher.doubt
    except MirrordError as error:
        _log.error("publication.failed", owner=str(error.owner), error=str(error))
        problem = error
    try:
        await tools.store.run(lambda: tools.notes.save(tools.store.layout))
    except HostError as error:  # it costs the next run a look more
        _log.warning("notes.not_saved", owner=str(error.owner), error=str(error))
    return problem


async def _tidy(tools: Tools, *, only_expired: bool) -> None:
    """Remove partial downloads that nothing needs; only expired ones where that can't be known of all."""
    try:
        await tools.store.remove_partials(frozenset(tools.transfer.unfinished), only_expired=only_expired)
    except HostError as error:
        _log.warning("staging.not_tidied", owner=str(error.owner), error=str(error))


def _tell(report: Report) -> None:
    _log.info(
        "run.finished",
        images=len(report.outcomes),
        **{str(status): count for status, count in report.counts.items()},
        snapshots=list(report.snapshots),
        requests=report.requests,
        bytes_fetched=report.progress.bytes_fetched,
        bytes_linked=report.progress.bytes_linked,
        seconds=round(report.seconds, 3),
        problem=None if report.problem is None else str(report.problem),
    )

"""One run: every planned repository side by side, publications while it goes and at its end, and the report."""

import asyncio
import contextlib
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec import Struct

from mirrord.config.groups import groups_of
from mirrord.config.model import Config
from mirrord.errors import HostError, MirrordError
from mirrord.events import get_logger, with_fields
from mirrord.registry.abilities import Abilities
from mirrord.registry.client import Registries
from mirrord.registry.shared import Shared
from mirrord.store.blocks import read_blocks
from mirrord.store.change import Brake
from mirrord.store.reader import Reader
from mirrord.store.store import Store
from mirrord.sync.catalog import expand
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.foresee import foresee
from mirrord.sync.lanes import Lane, Place
from mirrord.sync.memory import Memory
from mirrord.sync.notes import Notes, load_abilities, save_abilities
from mirrord.sync.outcome import Outcome, Progress, Report
from mirrord.sync.outcomes import Outcomes, pack
from mirrord.sync.publisher import Publisher, Together
from mirrord.sync.repository import RepositoryRun
from mirrord.sync.resolve import resolve
from mirrord.sync.tools import Tools
from mirrord.sync.transfer import Transfer

_log = get_logger()

_IMAGES_PER_REQUEST = 2
"""Images in work for each request allowed at once: some wait for the disk while others ask."""


class Order(Struct, frozen=True):
    """What a run is asked to do."""

    plans: Sequence[RepositoryPlan]
    reason: str
    """Whose word it is: what its snapshots say."""
    brake: Brake | None = None
    is_whole: bool = False
    """Whether it is about all of the config: else others may need downloads that this run does not."""


class Upstreams:
    """The upstreams of all runs of one process, within one set of limits; to be used in one event loop."""

    def __init__(self, config: Config) -> None:
        self._shared = Shared(config.limits)

    def open(self, config: Config, abilities: Abilities) -> Registries:
        """The registries as one run asks them; ``abilities`` are what is known of them."""
        return Registries(config.registries, config.limits, abilities=abilities, shared=self._shared)


async def run_sync(
    config: Config, order: Order, store: Store, progress: Progress, upstreams: Upstreams | None = None
) -> Report:
    """Carry out an order: complete, publish (unless its brake stops that), report. Failures are in the report."""
    plans = order.plans
    begun = time.monotonic()
    run_id = secrets.token_hex(4)
    with with_fields(run_id=run_id):
        _log.info("run.started", repositories=len(plans), reason=order.reason)
        publisher = Publisher(store, run_id, order.reason, order.brake, Together(groups_of(config), plans))
        abilities = await store.run(lambda: load_abilities(store.layout))
        async with (upstreams or Upstreams(config)).open(config, abilities) as registries:
            tools = Tools(
                registries,
                store,
                Transfer(registries, store, progress),
                progress,
                await store.run(lambda: Notes.load(store.layout)),
                await store.run(lambda: Memory.load(store.layout, config)),
                await store.run(lambda: read_blocks(store.layout)),
            )
            lanes: Mapping[str, Lane] = defaultdict(lambda: Lane(config.limits.concurrency * _IMAGES_PER_REQUEST))
            async with _ticking(publisher, config.publish_every), contextlib.AsyncExitStack() as locks:
                expansion = await expand(plans, registries, store, config)
                publisher.together = Together(groups_of(config), expansion.plans, expansion.failed)
                outcomes = Outcomes.of(outcome for _, outcome in expansion.failed)
                for _, outcome in expansion.failed:
                    tools.teller.tell(outcome)
                await _work_on_all(tools, _by_host(expansion.plans, lanes), publisher, locks, outcomes)
                tools.teller.tell_rest()
                problem = await _finish(publisher, tools)
            requests, pulls = registries.counters.requests, registries.pulls
        await _keep(abilities, store)
        is_whole = order.is_whole and not any(outcomes.open)
        await _tidy(tools, only_expired=not is_whole)
        report = Report(
            run_id,
            outcomes,
            tuple(publisher.snapshots),
            time.monotonic() - begun,
            requests,
            progress,
            problem=problem,
            held=str(publisher.held) if publisher.held else "",
            withheld=publisher.together.withheld,
            seconds_publishing=publisher.seconds,
            pulls=pulls,
            plans=tuple(expansion.plans),
        )
        _tell(report)
        return report


async def dry_run(config: Config, plans: Sequence[RepositoryPlan], reader: Reader, progress: Progress) -> Report:
    """Say what `run_sync` would do, by asking the upstreams and changing nothing."""
    begun = time.monotonic()
    slots = asyncio.Semaphore(config.limits.concurrency)
    async with Registries(config.registries, config.limits) as registries:
        memory = await reader.run(lambda: Memory.load(reader.layout, config))
        expansion = await expand(plans, registries, reader, config)
        outcomes = Outcomes.of(outcome for _, outcome in expansion.failed)

        async def look(plan: RepositoryPlan) -> None:
            async with slots:
                outcomes.take(pack(await foresee(plan, registries, reader, memory)))
                progress.images_done += 1

        async with asyncio.TaskGroup() as tasks:
            for plan in expansion.plans:
                tasks.create_task(look(plan))
        requests = registries.counters.requests
    return Report("", outcomes, (), time.monotonic() - begun, requests, progress, dry=True)


@contextlib.asynccontextmanager
async def _ticking(publisher: Publisher, seconds: float) -> AsyncIterator[None]:
    ticker = asyncio.create_task(publisher.publish_every(seconds))
    try:
        yield
    finally:
        ticker.cancel()
        await asyncio.wait([ticker])


def _by_host(plans: Sequence[RepositoryPlan], lanes: Mapping[str, Lane]) -> Mapping[Lane, Sequence[RepositoryPlan]]:
    """Each lane's repositories; of those that left the config none is asked of any host."""
    found: dict[Lane, list[RepositoryPlan]] = {}
    for plan in plans:
        found.setdefault(lanes[plan.images[0].repository.host if plan.images else ""], []).append(plan)
    return found


async def _work_on_all(
    tools: Tools,
    plans: Mapping[Lane, Sequence[RepositoryPlan]],
    publisher: Publisher,
    locks: contextlib.AsyncExitStack,
    outcomes: Outcomes,
) -> None:
    """Work on every repository; all locks are held from the first look until the run's last publication is over.

    They are taken in one order, so that runs about the same repositories wait for one another, and never both.
    """
    for name in sorted(plan.name for some in plans.values() for plan in some):
        await locks.enter_async_context(tools.store.repository_lock(name))

    async def work(plan: RepositoryPlan, place: Place) -> list[Outcome]:
        try:
            found = await resolve(plan, tools.registries, tools.store, tools.memory)
        except MirrordError as error:
            outcome = Outcome.of_error(plan.name, error)
            tools.teller.tell(outcome)
            return [outcome]
        run = RepositoryRun(tools, found, place)
        publisher.ready.append(run.ready)
        await run.run()
        await run.ready.pack(tools.store)
        return run.outcomes

    async def work_in_turn(plan: RepositoryPlan, place: Place) -> None:
        try:
            found = await work(plan, place)
        finally:
            place.leave()
        publisher.together.done(plan, found)
        outcomes.take(await tools.store.run(lambda: pack(found)))

    async def work_on_one_host(lane: Lane, its: Sequence[RepositoryPlan], tasks: asyncio.TaskGroup) -> None:
        for plan in its:
            tasks.create_task(work_in_turn(plan, await lane.turn(plan)))

    async with asyncio.TaskGroup() as tasks:
        for lane, its in plans.items():
            tasks.create_task(work_on_one_host(lane, its, tasks))


async def _finish(publisher: Publisher, tools: Tools) -> MirrordError | None:
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
        await tools.store.run(lambda: tools.memory.save(tools.store.layout))
    except HostError as error:  # it costs the next run a look more
        _log.warning("notes.not_saved", owner=str(error.owner), error=str(error))
    return problem


async def _keep(abilities: Abilities, store: Store) -> None:
    """Keep what was found out about the upstreams; losing it costs the next run some requests."""
    try:
        await store.run(lambda: save_abilities(store.layout, abilities))
    except HostError as error:
        _log.warning("notes.not_saved", owner=str(error.owner), error=str(error))


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
        failed_by_owner=report.owners,
        seconds_publishing=round(report.seconds_publishing, 3),
        requests=report.requests,
        bytes_fetched=report.progress.bytes_fetched,
        bytes_linked=report.progress.bytes_linked,
        seconds=round(report.seconds, 3),
        problem=None if report.problem is None else str(report.problem),
    )

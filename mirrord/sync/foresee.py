"""What a run would make of one repository: asked of the upstream, and nothing changed or fetched."""

import time

from mirrord.config.images import Image
from mirrord.errors import MirrordError, NotFoundError
from mirrord.registry.client import Registries
from mirrord.store.reader import Reader
from mirrord.sync.decide import RepositoryPlan, retained
from mirrord.sync.memory import Memory
from mirrord.sync.outcome import Outcome, Status
from mirrord.sync.resolve import Resolved, is_overdue, look_at_digest, look_at_tag, resolve
from mirrord.sync.tell import day


async def foresee(plan: RepositoryPlan, registries: Registries, reader: Reader, memory: Memory) -> list[Outcome]:
    """The outcomes that a run of ``plan`` would have, as far as that can be known without fetching."""
    try:
        found = await resolve(plan, registries, reader, memory)
    except MirrordError as error:
        return [Outcome.of_error(plan.name, error)]
    decision = found.decision
    outcomes = [Outcome.of_error(f"{plan.name} ({image.where})", error) for image, error in decision.problems]
    looked = {tag: await _foresee_tag(found, registries, memory, tag, image) for tag, image in decision.tags.items()}
    outcomes += [outcome for outcome in looked.values() if outcome is not None]
    coming = {tag for tag, each in looked.items() if each and each.status not in {Status.FAILED, Status.DEFERRED}}
    stays = retained(decision, [*(found.record.tags if found.record else ()), *coming])
    outcomes += [Outcome(f"{plan.name}:{tag}", Status.KEPT) for tag in (*decision.gone, *stays)]
    outcomes += [Outcome(f"{plan.name}:{tag}", Status.REMOVED) for tag in decision.dropped_tags.difference(stays)]
    outcomes += [Outcome(f"{plan.name}@{digest}", Status.REMOVED) for digest in decision.dropped_digests]
    for digest in decision.digests:
        look = look_at_digest(found, digest)
        outcomes.append(Outcome(f"{plan.name}@{digest}", look.status, digest))
    return outcomes


async def _foresee_tag(
    found: Resolved, registries: Registries, memory: Memory, tag: str, image: Image
) -> Outcome | None:
    """What would become of one tag; None where a catalog's repository just does not have it."""
    name, held = f"{found.plan.name}:{tag}", found.held(tag)
    before = held.digest if held else None
    try:
        look = await look_at_tag(found, registries, tag, image)
    except NotFoundError as error:
        if held is None:
            return None if image.is_member else Outcome.of_error(name, error)
        is_over = is_overdue(found.plan, held, memory.missing.since(found.plan.name, tag), memory)
        return Outcome(name, Status.REMOVED if is_over else Status.KEPT, None, before, warning=str(error))
    except MirrordError as error:
        return Outcome.of_error(name, error)
    if image.cooldown and image.digest is None and look.is_new:
        due = memory.cooling.since(found.plan.name, tag, str(look.digest)) + image.cooldown
        if due > time.time():
            return Outcome(name, Status.DEFERRED, before, before, warning=f"cooldown: until {day(due)}", until=due)
    return Outcome(name, look.status, look.digest, before)

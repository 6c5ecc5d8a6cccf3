"""Repair: what is damaged is suspected, put out of reach, mended from the disk itself, else fetched again by digest.

True wins over Last good: a tag whose image can't be made whole keeps naming it, and is answered with 404, never with
wrong bytes. What the upstream lacks now is fetched by the next sync, or repair, that finds it there.
"""

import asyncio
import functools
from collections.abc import Sequence

from msgspec import Struct

from mirrord.config.model import Config
from mirrord.errors import HostError, MirrordError, UpstreamError
from mirrord.oci.manifest import Manifest, parse_manifest
from mirrord.oci.platform import PlatformChoice
from mirrord.oci.reference import Repository
from mirrord.registry.client import Registries
from mirrord.store.blocks import Blocks, read_blocks
from mirrord.store.record import Source
from mirrord.store.store import Store
from mirrord.store.suspects import Suspects
from mirrord.store.verify import verify
from mirrord.store.verify_finding import Damage, Finding, Lost, Verification
from mirrord.store.verify_mend import (
    Settlement,
    clear_rooms,
    discard_quarantine,
    mend_mark,
    mend_modes,
    pooled_manifest,
    remove_misnamed,
)
from mirrord.store.verify_pace import Pacer
from mirrord.store.verify_pool import Progress as Verifying
from mirrord.store.verify_rebuild import rebuild
from mirrord.store.verify_recover import replace_unproved, upstreams_of
from mirrord.sync.outcome import Progress
from mirrord.sync.transfer import Transfer
from mirrord.sync.walk import Walk


class Problem(Struct, frozen=True):
    """Why something could not be mended."""

    name: str
    """What: a manifest by its repository and digest, or a path."""
    error: MirrordError

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {"name": self.name, "owner": str(self.error.owner), "error": str(self.error)}


class Repair(Struct, frozen=True):
    """A verification, and what became of what it found."""

    found: Verification
    left: tuple[Finding, ...]
    """What is wrong now."""
    problems: tuple[Problem, ...]

    @property
    def mended(self) -> tuple[Finding, ...]:
        """What was found and is right now."""
        wrong = {each.path for each in self.left}
        return tuple(each for each in self.found.findings if each.path not in wrong)


class _Upstream(Struct, frozen=True):
    """Where what is lost is fetched from."""

    registries: Registries
    store: Store
    transfer: Transfer
    progress: Progress
    blocks: Blocks
    slots: asyncio.Semaphore


async def verify_and_repair(store: Store, config: Config, pacer: Pacer, progress: Verifying) -> Repair:
    """Verify everything and mend what can be mended. Raises HostError where not even the list of damage can be kept."""
    found = await verify(store, pacer, progress)
    if await store.run(lambda: mend_modes(store.layout, found.findings)):
        found = _joined(found, await verify(store, pacer, Verifying()))  # what is below could not be seen before
    if not found.findings:
        return Repair(found, (), ())
    known = store.suspects or Suspects()
    missed = {(each.repository, each.digest) for each in found.lost | found.incomplete}
    await store.suspect(known.with_(found.damaged, missed))
    problems = await _mend(store, config, found)
    left = await verify(store, Pacer(None), Verifying(), only=found.damaged)
    still = {(each.repository, each.digest) for each in left.lost | left.incomplete}
    await store.suspect(Suspects(frozenset(), frozenset(still)))
    await store.run(lambda: discard_quarantine(store.layout, found.damaged - left.damaged))
    return Repair(found, left.findings, tuple(problems))


async def _mend(store: Store, config: Config, found: Verification) -> Sequence[Problem]:
    """Mend all that can be; the host's first failure ends it, for it would fail the rest too."""
    layout, problems = store.layout, list[Problem]()
    apart = (each.digest for each in found.findings if each.damage is Damage.APART and each.digest)
    doubtful = found.damaged.union(apart)
    try:
        await store.run(lambda: mend_mark(layout, found.findings))
        await store.run(lambda: clear_rooms(layout, found.findings))
        await store.amend(lambda _: rebuild(layout, found.findings))
        settlement = Settlement(layout)
        await store.run(lambda: settlement.pool(doubtful))
        progress = Progress()
        async with Registries(config.registries, config.limits) as registries:
            upstream = _Upstream(
                registries,
                store,
                Transfer(registries, store, progress),
                progress,
                await store.run(lambda: read_blocks(layout)),
                asyncio.Semaphore(config.limits.concurrency),
            )
            for name in await store.run(lambda: settlement.repositories(found)):
                async with store.repository_lock(name):
                    await store.run(functools.partial(settlement.content, name, doubtful))
                    await store.run(functools.partial(remove_misnamed, layout, name, found.findings))
                    problems += await _complete_all(upstream, name, found)
        await store.amend(lambda turn: replace_unproved(layout, turn))
    except HostError as error:
        problems.append(Problem(str(layout.root), error))
    return problems


async def _complete_all(upstream: _Upstream, name: str, found: Verification) -> Sequence[Problem]:
    """Make whole what one repository lacks: images first, so that an index finds its children."""
    missed = [each for each in found.lost | found.incomplete if each.repository == name]
    problems: list[Problem] = []
    of_host: list[HostError] = []
    origins = await upstream.store.run(lambda: upstreams_of(upstream.store.layout, name)) if missed else ()

    async def attempt(lost: Lost) -> None:
        async with upstream.slots:
            try:
                if not of_host:
                    await _complete(upstream, lost, origins)
            except HostError as error:
                of_host.append(error)
            except MirrordError as error:
                problems.append(Problem(f"{name}@{lost.digest}", error))

    for of_index in (False, True):
        async with asyncio.TaskGroup() as tasks:
            for lost in missed:
                if bool(lost.kind and lost.kind.is_index) is of_index:
                    tasks.create_task(attempt(lost))
    if of_host:
        raise of_host[0]
    return problems


async def _complete(upstream: _Upstream, lost: Lost, origins: Sequence[Repository]) -> None:
    """Make one manifest whole, from the first of ``origins`` that has what is missing. Raises what the last one did."""
    failed: MirrordError = UpstreamError(f"nobody knows where {lost.repository} comes from: its records are lost")
    for origin in origins:
        try:
            manifest = await _manifest(upstream, lost, origin)
            if manifest.kind.is_index:
                await upstream.store.complete(lost.repository, manifest, [])
            else:
                walk = Walk(
                    upstream.registries,
                    upstream.store,
                    upstream.transfer,
                    upstream.progress,
                    lost.repository,
                    origin,
                    upstream.blocks,
                )
                await walk.complete(manifest, PlatformChoice(), Source.CONFIG)
        except HostError:
            raise
        except MirrordError as error:
            failed = error
        else:
            return
    raise failed


async def _manifest(upstream: _Upstream, lost: Lost, origin: Repository) -> Manifest:
    """A lost manifest: the repository's own, the pool's, or the upstream's; of the kind it was lost as."""
    store, digest = upstream.store, lost.digest
    held = await store.read_manifest(lost.repository, digest)
    if held is not None:
        return held
    pooled = await store.run(lambda: pooled_manifest(store.layout, digest, lost.kind))
    if pooled is not None:
        return pooled
    fetched = await upstream.registries.get_manifest(origin, digest)
    if lost.kind is None or lost.kind is fetched.kind:
        return fetched
    return parse_manifest(fetched.raw, lost.kind.media_type, digest.algorithm)


def _joined(first: Verification, second: Verification) -> Verification:
    """Two verifications as one: what only the first found was a mode, and is right by now."""
    seen = {(each.damage, each.path) for each in second.findings}
    only_first = tuple(each for each in first.findings if (each.damage, each.path) not in seen)
    findings: tuple[Finding, ...] = tuple(sorted((*only_first, *second.findings), key=lambda each: each.path))
    return Verification(
        findings,
        second.more,
        second.lost,
        second.incomplete,
        second.files,
        first.bytes + second.bytes,
        second.unlinked,
        second.unlinked_bytes,
        first.seconds + second.seconds,
    )

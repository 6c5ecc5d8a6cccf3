"""What a config selects upstream now, and why each tag is or is not: asked, and nothing fetched or changed."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct, field

from mirrord.config.images import Image, images_of
from mirrord.config.model import Config
from mirrord.config.select import Reach, Verdict, needs_list, select
from mirrord.errors import ConfigError, MirrordError, NotFoundError
from mirrord.oci.reference import is_follower
from mirrord.registry.client import Registries
from mirrord.store.layout import Layout
from mirrord.store.reader import Reader
from mirrord.sync.catalog import expand
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.outcome import Outcome
from mirrord.sync.plan import plan_all
from mirrord.sync.resolve import check_pin

_THREADS = 2


class Explained(Struct):
    """One repository: what is selected of it, and why."""

    name: str
    upstream: str
    where: str
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """By tag; a tag that the upstream lacks is among ``problems``."""
    digests: list[str] = field(default_factory=list)
    followers: int = 0
    """Signatures and the like in its list: they come with their image."""
    problems: list[MirrordError] = field(default_factory=list)

    @property
    def selected(self) -> tuple[str, ...]:
        """Its tags that are wanted, sorted."""
        return tuple(sorted(tag for tag, verdict in self.verdicts.items() if verdict.is_selected))

    @property
    def others(self) -> Mapping[Reach, int]:
        """How many tags are not, by how far they get."""
        return Counter(verdict.reach for verdict in self.verdicts.values() if not verdict.is_selected)

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "name": self.name,
            "upstream": self.upstream,
            "where": self.where,
            "selected": list(self.selected),
            "digests": self.digests,
            "tags": [
                {"tag": tag, "selected": verdict.is_selected, "reason": verdict.reason}
                for tag, verdict in sorted(self.verdicts.items())
            ],
            "followers": self.followers,
            "problems": [{"owner": str(problem.owner), "error": str(problem)} for problem in self.problems],
        }


async def explain_online(config: Config, root: Path | None) -> tuple[Sequence[Explained], Sequence[Outcome]]:
    """Each repository of ``config``, and the catalogs that came to nothing. Problems are in it. Raises ConfigError."""
    slots = asyncio.Semaphore(config.limits.concurrency)
    with ThreadPoolExecutor(_THREADS, "check") as threads:
        async with Registries(config.registries, config.limits) as registries:
            reader = Reader(Layout(root or Path("/nonexistent")), threads)
            found = await expand(plan_all(images_of(config), ()), registries, reader, config)
            explained = [
                Explained(plan.name, str(plan.images[0].repository), plan.images[0].where) for plan in found.plans
            ]

            async def explain(plan: RepositoryPlan, into: Explained) -> None:
                async with slots:
                    await _explain(plan, registries, into)

            async with asyncio.TaskGroup() as tasks:
                for plan, into in zip(found.plans, explained, strict=True):
                    tasks.create_task(explain(plan, into))
    return sorted(explained, key=lambda each: each.name), [outcome for _, outcome in found.failed]


async def _explain(plan: RepositoryPlan, registries: Registries, into: Explained) -> None:
    upstream, offered, pushed = plan.images[0].repository, frozenset[str](), dict[str, float]()
    if plan.has_vanished:
        into.problems.append(NotFoundError(f"{upstream}: the registry's catalog no longer has it"))
        return
    if any(needs_list(image.tags) for image in plan.images):
        try:
            listed = await registries.list_with_times(upstream)
        except MirrordError as error:
            into.problems.append(error)
            return
        offered, pushed = frozenset(listed.tags), dict(listed.pushed)
        into.followers = sum(map(is_follower, offered))
    for image in sorted(plan.images, key=lambda image: image.digest is not None):  # as a run does it
        try:
            if image.digest is not None and not image.tags:
                await registries.head_manifest(upstream, image.digest)
                into.digests.append(str(image.digest))
                continue
            found = select(image.tags, offered, pushed)
        except ConfigError as error:
            into.problems.append(type(error)(f"{image.where}: {error}"))
        except MirrordError as error:
            into.problems.append(error)
        else:
            await _take(image, found.verdicts, offered, registries, into)
            if not found.tags and not image.is_member:
                into.problems.append(ConfigError(f"{image.where}: none of the {len(offered)} tags of {upstream} fits"))


async def _take(
    image: Image, verdicts: Mapping[str, Verdict], offered: frozenset[str], registries: Registries, into: Explained
) -> None:
    """Add what one image says of the tags; ask for those that are selected, and that no list has shown."""
    for tag, verdict in verdicts.items():
        before = into.verdicts.get(tag)
        if verdict.is_selected and (tag not in offered or image.digest is not None):
            try:
                head = await registries.head_manifest(image.repository, tag)
                if head.digest is not None:
                    check_pin(image, tag, head.digest)
            except NotFoundError as error:
                if not image.is_member:
                    into.problems.append(error)
                continue
            except MirrordError as error:
                into.problems.append(error)
                continue
        if before is None or verdict.reach >= before.reach:
            into.verdicts[tag] = verdict

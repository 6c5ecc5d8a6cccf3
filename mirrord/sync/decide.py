"""Which tags and digests of one repository a run wants, keeps and drops: pure, from rules, list and what is held."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mirrord.config.images import Image
from mirrord.config.select import select
from mirrord.errors import ConfigError, MirrordError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import followed_digest, is_follower
from mirrord.store.record import Held, Record, Source


@dataclass(frozen=True, slots=True)
class RepositoryPlan:
    """What a run is to do about one repository."""

    name: str
    images: tuple[Image, ...]
    """The entries about it; none where it left the config."""
    source: Source
    only: frozenset[str] | None = None
    """Tags the command was limited to; None is all."""
    may_drop: bool = True
    """Whether what no rule wants goes: not in a run of some images only."""


@dataclass(slots=True)
class Decision:
    """What is to be asked of the upstream, and what changes without asking."""

    tags: dict[str, Image] = field(default_factory=dict)
    digests: dict[Digest, Image] = field(default_factory=dict)
    gone: dict[str, Image] = field(default_factory=dict)
    """Held tags that fit a rule and that the upstream's list no longer has: kept."""
    dropped_tags: set[str] = field(default_factory=set)
    dropped_digests: set[Digest] = field(default_factory=set)
    problems: list[tuple[Image, MirrordError]] = field(default_factory=list)


def decide(plan: RepositoryPlan, listed: Sequence[str] | None, record: Record | None) -> Decision:
    """Apply each image's rules to the upstream's list (None: no rule needs it) and to what is held.

    An image whose rules can't be applied becomes a problem, and nothing that it may have brought is dropped.
    """
    held = {tag: h for tag, h in (record.tags if record else {}).items() if not is_follower(tag)}
    decision = Decision()
    for image in sorted(plan.images, key=lambda image: image.digest is not None):  # a pin wins over a glob
        try:
            image.require_built()
            if image.digest is not None and not image.tags:
                decision.digests[image.digest] = image
            else:
                _apply(image, listed, held, decision)
        except MirrordError as error:
            decision.problems.append((image, error))
    if plan.only is not None:
        decision.tags = {tag: image for tag, image in decision.tags.items() if tag in plan.only}
        decision.gone = {tag: image for tag, image in decision.gone.items() if tag in plan.only}
    if plan.may_drop and not decision.problems and record is not None:
        wanted = decision.tags.keys() | decision.gone.keys()
        decision.dropped_tags = {tag for tag, h in held.items() if tag not in wanted and h.source is plan.source}
        decision.dropped_digests = {
            digest for digest, h in record.digests.items() if digest not in decision.digests and h.source is plan.source
        }
    return decision


def _apply(image: Image, listed: Sequence[str] | None, held: Iterable[str], decision: Decision) -> None:
    literals = {tag for rule in image.tags for tag in rule.literals}
    offered = {tag for tag in (listed or ()) if not is_follower(tag)} | literals
    selected = set(select(image.tags, sorted(offered.union(held))).tags)
    if listed is not None and not listed and selected - literals:
        raise UpstreamError(
            f"{image.repository}: its tag list is empty, though {len(selected - literals)} of its tags are held; "
            "they are kept; is the repository still there?"
        )
    if not selected:
        rules = "; ".join(map(str, image.tags))
        raise ConfigError(f"{image.repository}: none of its {len(listed or ())} tags fits: {rules} ({image.where})")
    decision.tags |= dict.fromkeys(sorted(selected & offered), image)
    decision.gone |= dict.fromkeys(sorted(selected - offered), image)


def orphaned_followers(tags: Iterable[str], remaining: Iterable[Held]) -> frozenset[str]:
    """Follower tags (signatures and the like) among ``tags`` whose subject is not among ``remaining``, at any depth."""
    present = {d for held in remaining for d in (held.digest, *held.children)}
    return frozenset(tag for tag in tags if is_follower(tag) and followed_digest(tag) not in present)

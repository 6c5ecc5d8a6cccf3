"""Which tags and digests of one repository a run wants, keeps and drops: pure, from rules, list and what is held."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field

from mirrord.config.images import Image
from mirrord.config.select import Reach, Selection, select
from mirrord.errors import ConfigError, MirrordError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import followed_digest, is_follower
from mirrord.registry.listing import Listed
from mirrord.store.record import Held, Record, Source

_WHY = {
    Reach.VERSION: "no versions",
    Reach.RANGE: "not in the range",
    Reach.VARIANT: "variants that suffix: does not name",
    Reach.PRERELEASE: "pre-releases that prerelease: true would let in",
    Reach.EXCLUDED: "excluded",
}


class RepositoryPlan(Struct, frozen=True):
    """What a run is to do about one repository, or about a catalog, whose repositories it has to find out."""

    name: str
    images: tuple[Image, ...]
    """The entries about it; none where it left the config."""
    source: Source
    only: frozenset[str] | None = None
    """Tags the command was limited to; None is all."""
    may_drop: bool = True
    """Whether what no rule wants goes: not in a run of some images only."""

    has_vanished: bool = False
    """Whether the upstream's catalog no longer has it, so that all of its tags are gone there."""

    @property
    def group(self) -> str:
        """The group it belongs to; empty where it left the config."""
        return self.images[0].group if self.images else ""


class Decision(Struct):
    """What is to be asked of the upstream, and what changes without asking."""

    tags: dict[str, Image] = field(default_factory=dict)
    digests: dict[Digest, Image] = field(default_factory=dict)
    gone: dict[str, Image] = field(default_factory=dict)
    """Held tags that fit a rule and that the upstream's list no longer has: kept."""
    dropped_tags: set[str] = field(default_factory=set)
    dropped_digests: set[Digest] = field(default_factory=set)
    outranked: list[str] = field(default_factory=list)
    """Held tags that fit a rule and are no longer among its newest, the newest first: they go when those are here."""
    problems: list[tuple[Image, MirrordError]] = field(default_factory=list)


def decide(plan: RepositoryPlan, listed: Listed | None, record: Record | None) -> Decision:
    """Apply each image's rules to the upstream's list (None: no rule needs it) and to what is held.

    An image whose rules can't be applied becomes a problem, and nothing that it may have brought is dropped.
    """
    held = {tag: h for tag, h in (record.tags if record else {}).items() if not is_follower(tag)}
    decision = Decision()
    for image in sorted(plan.images, key=lambda image: image.digest is not None):  # a pin wins over a glob
        try:
            if plan.has_vanished:
                decision.gone |= {tag: image for tag, h in held.items() if h.source is plan.source}
            elif image.digest is not None and not image.tags:
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


def _apply(image: Image, listed: Listed | None, held: Mapping[str, Held], decision: Decision) -> None:
    """What is selected of the list is wanted; what would be with the held tags that it lacks is kept."""
    tags = listed.tags if listed else ()
    literals = {tag for rule in image.tags for tag in rule.literals}
    offered = {tag for tag in tags if not is_follower(tag)} | literals
    pushed = dict(listed.pushed) if listed else {}
    chosen = _select(image, offered, pushed)
    together = chosen
    if lost := held.keys() - offered:
        pushed |= {tag: _first_seen(held[tag]) for tag in lost}
        together = _select(image, offered | lost, pushed)
    gone = set(together.tags) - offered
    if listed is not None and not tags and gone:
        raise UpstreamError(
            f"{image.repository}: its tag list is empty, though {len(gone)} of its tags are held; "
            "they are kept; is the repository still there?"
        )
    if not chosen.tags and not gone and not image.is_member:
        rules = "; ".join(map(str, image.tags))
        raise ConfigError(
            f"{image.repository}: none of its {len(tags)} tags fits: {rules} ({image.where}){_why(chosen)}"
        )
    decision.tags |= dict.fromkeys(chosen.tags, image)
    decision.gone |= dict.fromkeys(sorted(gone - set(chosen.tags)), image)
    decision.outranked += [tag for tag in together.outranked if tag in held]


def _select(image: Image, tags: Iterable[str], pushed: Mapping[str, float]) -> Selection:
    try:
        return select(image.tags, sorted(tags), pushed)
    except ConfigError as error:
        raise ConfigError(f"{image.where}: {image.repository}: {error}") from error


def _first_seen(held: Held) -> float:
    """When a tag whose upstream has it no more came here: the nearest there is to when it was pushed."""
    try:
        return datetime.fromisoformat(held.first_seen).timestamp()
    except ValueError:  # none, or a record's that somebody wrote by hand
        return 0.0


def _why(selection: Selection) -> str:
    """What stands in the way of the tags that come near."""
    counts = Counter(verdict.reach for verdict in selection.verdicts.values())
    said = [f"{counts[reach]} {words}" for reach, words in _WHY.items() if counts[reach]]
    return f": {', '.join(said)}" if said else ""


def orphaned_followers(
    tags: Iterable[str], remaining: Iterable[Held], referring: frozenset[Digest] = frozenset()
) -> frozenset[str]:
    """Follower tags (signatures and the like) among ``tags`` whose subject is not among ``remaining``, at any depth.

    Nor among ``referring``: artifacts without a tag.
    """
    present = {d for held in remaining for d in (held.digest, *held.children)} | referring
    return frozenset(tag for tag in tags if is_follower(tag) and followed_digest(tag) not in present)


def retained(decision: Decision, here: Sequence[str]) -> tuple[str, ...]:
    """Held tags that newer ones outrank, and that stay all the same: one for each wanted tag that is not ``here``.

    What is newer may still be cooling down, or have failed: until it is here, the mirror does not shrink.
    """
    absent = len(decision.tags.keys() - set(here))
    return tuple(tag for tag in decision.outranked if tag in decision.dropped_tags)[:absent]

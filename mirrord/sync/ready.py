"""What is complete of one repository and not yet published: it grows while images are brought, until a publication."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository
from mirrord.store.change import Change, PackedChange
from mirrord.store.record import Held
from mirrord.store.store import Store
from mirrord.sync.decide import RepositoryPlan


class Ready(Struct):
    """What is complete and not yet published: all that stays of a repository once its images are seen to."""

    plan: RepositoryPlan
    upstream: Repository
    tags: dict[str, Held] = field(default_factory=dict)
    digests: dict[Digest, Held] = field(default_factory=dict)
    referrers: dict[Digest, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    dropped_tags: frozenset[str] = frozenset()
    dropped_digests: frozenset[Digest] = frozenset()
    _packed: PackedChange | None = None
    """All of it, once the repository is done: then the above is empty."""

    def change(self) -> Change | PackedChange:
        """All of it, as a publication takes it; what is dropped is in it once the repository is done."""
        return self._packed or self._whole()

    def _whole(self) -> Change:
        return Change(
            self.plan.name,
            self.upstream,
            dict(self.tags),
            self.dropped_tags,
            dict(self.digests),
            self.dropped_digests,
            dict(self.referrers),
        )

    async def pack(self, store: Store) -> None:
        """The repository is done: keep what is ready of it small until it is published."""
        while not (whole := self._whole()).is_empty:
            packed = await store.run(whole.packed)
            if self._whole() == whole:  # else some of it was published meanwhile
                self._take(Change(self.plan.name, self.upstream))
                self._packed = packed
                return

    def published(self, change: Change | PackedChange) -> None:
        """Take note that ``change`` is served now: what became ready since then stays."""
        if change is self._packed:
            self._packed = None
            return
        left, done = self.change().opened(), change.opened()
        self._packed = None
        self._take(
            Change(
                left.name,
                left.upstream,
                {tag: held for tag, held in left.tags.items() if done.tags.get(tag) != held},
                left.dropped_tags - done.dropped_tags,
                {digest: held for digest, held in left.digests.items() if done.digests.get(digest) != held},
                left.dropped_digests - done.dropped_digests,
                {subject: each for subject, each in left.referrers.items() if done.referrers.get(subject) != each},
            )
        )

    def _take(self, change: Change) -> None:
        self.tags, self.digests, self.referrers = dict(change.tags), dict(change.digests), dict(change.referrers)
        self.dropped_tags, self.dropped_digests = change.dropped_tags, change.dropped_digests

"""What is complete of one repository and not yet published: it grows while images are brought, until a publication."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository
from mirrord.store.change import Change
from mirrord.store.record import Held
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

    def change(self) -> Change:
        """All of it, as a publication takes it; what is dropped is in it once the repository is done."""
        return Change(
            self.plan.name,
            self.upstream,
            dict(self.tags),
            self.dropped_tags,
            dict(self.digests),
            self.dropped_digests,
            dict(self.referrers),
        )

    def published(self, change: Change) -> None:
        """Take note that ``change`` is served now: what became ready since then stays."""
        self.tags = {tag: held for tag, held in self.tags.items() if change.tags.get(tag) is not held}
        self.digests = {d: held for d, held in self.digests.items() if change.digests.get(d) is not held}
        self.referrers = {d: r for d, r in self.referrers.items() if change.referrers.get(d) is not r}
        self.dropped_tags -= change.dropped_tags
        self.dropped_digests -= change.dropped_digests

"""What became of each image in a run, and the run as a whole: values, and the JSON that `--json` prints."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from mirrord.errors import BlockedError, DeferredError, HostError, MirrordError
from mirrord.oci.digest import Digest
from mirrord.registry.pulls import Pulls
from mirrord.sync.decide import RepositoryPlan

if TYPE_CHECKING:
    from mirrord.sync.outcomes import Outcomes

_END_OF_NAME = re.compile("[:@ ]")
"""What follows a repository in the name of an image: a tag, a digest, or the place of an entry."""


def repository_in(name: str) -> str:
    """The repository in the name of an image, as the mirror names both."""
    return _END_OF_NAME.split(name, maxsplit=1)[0]


class Status(StrEnum):
    """What became of one image."""

    UNCHANGED = "unchanged"
    ADDED = "added"
    UPDATED = "updated"
    COMPLETED = "completed"
    """Its digest was held, but not all that is chosen of it: now it is."""
    REMOVED = "removed"
    KEPT = "kept"
    """The upstream no longer has it; the copy stays."""
    BLOCKED = "blocked"
    """An operator keeps it out."""
    DEFERRED = "deferred"
    """The upstream asked to wait, or its new digest is cooling down: the next runs see to it."""
    FAILED = "failed"


class Outcome(Struct, frozen=True):
    """One image of a run: a tag, a digest, or (where its tags could not be found out) an entry of the config."""

    name: str
    """As the mirror serves it: ``quay.io/coreos/flannel:v0.11.0``."""
    status: Status
    digest: Digest | None = None
    previous: Digest | None = None
    error: MirrordError | None = None
    warning: str = ""
    until: float | None = None
    """When a new digest that is cooling down may be published: seconds since the epoch."""

    @classmethod
    def of_error(cls, name: str, error: MirrordError, previous: Digest | None = None) -> "Outcome":
        """A failed image, or a deferred one where the upstream asked to wait; what is served of it stays."""
        error.__traceback__ = error.__cause__ = error.__context__ = None  # their frames would keep all that they knew
        if isinstance(error, BlockedError):
            return cls(name, Status.BLOCKED, previous, previous, warning=str(error))
        status = Status.DEFERRED if isinstance(error, DeferredError) else Status.FAILED
        return cls(name, status, previous, previous, error)

    @property
    def repository(self) -> str:
        """The repository that it is of, as the mirror names it."""
        return repository_in(self.name)

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        found: dict[str, object] = {"name": self.name, "status": str(self.status)}
        if self.digest:
            found["digest"] = str(self.digest)
        if self.previous and self.previous != self.digest:
            found["previous"] = str(self.previous)
        if self.error:
            found |= {"owner": str(self.error.owner), "error": str(self.error)}
        if isinstance(self.error, DeferredError):
            found["retry_after_seconds"] = round(self.error.seconds)
        if self.warning:
            found["warning"] = self.warning
        if self.until is not None:
            found["until"] = datetime.fromtimestamp(self.until, UTC).isoformat(timespec="seconds")
        return found


class Progress(Struct):
    """Counts of a run under way; whoever shows progress reads them."""

    images_found: int = 0
    images_done: int = 0
    bytes_expected: int = 0
    """Of the blobs known so far to be fetched."""
    bytes_fetched: int = 0
    blobs_fetched: int = 0
    blobs_linked: int = 0
    bytes_linked: int = 0
    """Of blobs that were in the pool already: no request, no disk."""
    working_on: dict[str, None] = field(default_factory=dict)
    """Names of the images in work, oldest first."""


class Report(Struct, frozen=True):
    """A whole run."""

    run_id: str
    outcomes: "Outcomes"
    snapshots: tuple[str, ...]
    """What it published, in order; empty where nothing changed."""
    seconds: float
    requests: int
    progress: Progress
    dry: bool = False
    problem: MirrordError | None = None
    """Why complete images could not be published."""
    held: str = ""
    """The rollback that holds complete images back; empty where none does."""
    withheld: Mapping[str, Outcome] = field(default_factory=dict)
    """By group that is published together or not at all, and was not: the image that held it back."""
    seconds_publishing: float = 0.0
    pulls: Mapping[str, Pulls] = field(default_factory=dict)
    """By host, the pulls left as the upstreams that count them last said in it."""
    plans: tuple[RepositoryPlan, ...] = ()
    """What it was about, catalogs by what they came to."""

    @property
    def counts(self) -> Counter[Status]:
        """Images by what became of them."""
        return self.outcomes.counts

    @property
    def owners(self) -> Mapping[str, int]:
        """Failed and deferred images by whose move it is."""
        found = Counter(str(outcome.error.owner) for outcome in self.outcomes.open if outcome.error is not None)
        return dict(sorted(found.items()))

    @property
    def is_host_at_fault(self) -> bool:
        """Whether anything failed by this host's fault."""
        return any(isinstance(error, HostError) for error in self._errors())

    @property
    def has_failed(self) -> bool:
        """Whether any image failed; a deferred one has not."""
        return self.problem is not None or self.counts[Status.FAILED] > 0

    def _errors(self) -> Sequence[MirrordError | None]:
        return [self.problem, *(outcome.error for outcome in self.outcomes.open)]

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "run": self.run_id,
            "dry_run": self.dry,
            "snapshots": list(self.snapshots),
            "counts": {str(status): count for status, count in sorted(self.counts.items())},
            "seconds": round(self.seconds, 3),
            "requests": self.requests,
            "blobs_fetched": self.progress.blobs_fetched,
            "bytes_fetched": self.progress.bytes_fetched,
            "blobs_linked": self.progress.blobs_linked,
            "bytes_linked": self.progress.bytes_linked,
            "held": self.held or None,
            "withheld": {group: outcome.name for group, outcome in self.withheld.items()},
            "problem": None if self.problem is None else {"owner": str(self.problem.owner), "error": str(self.problem)},
            "images": ImageDocuments(self.outcomes),
        }


class ImageDocuments(Collection[Mapping[str, object]]):
    """What became of each image, as `--json` prints it: each made when its turn comes."""

    def __init__(self, outcomes: Collection[Outcome]) -> None:
        self._outcomes = outcomes

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        return (outcome.document() for outcome in self._outcomes)

    def __contains__(self, document: object) -> bool:
        return any(document == each for each in self)

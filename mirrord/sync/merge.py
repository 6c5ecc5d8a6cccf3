"""The status after a run: each image as it stood before, and what the run's report says of it. Pure.

Both are sorted by name, so one image after the other is enough: neither has to be in memory whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from mirrord.errors import DeferredError, MirrordError
from mirrord.sync.outcome import Outcome, Report, Status, repository_in
from mirrord.sync.status import ImageStatus, MirrorStatus, Trouble, Wanted, moment

_NEW = frozenset({Status.ADDED, Status.UPDATED, Status.COMPLETED})
_NOTHING = ImageStatus("", 0.0)

Named = tuple[str, ImageStatus]


def status_after(status: MirrorStatus, report: Report, wanted: Wanted, now: datetime) -> MirrorStatus:
    """The status after a run that ended ``now``."""
    return replace(status, images=dict(merged(sorted(status.images.items()), report, wanted, now)))


def merged(before: Iterable[Named], report: Report, wanted: Wanted, now: datetime) -> Iterator[Named]:
    """The images after a run that ended ``now``, sorted by name, as those ``before`` are."""
    run = _Run.of(report, wanted, now)
    for name, image, outcome in _side_by_side(iter(before), _by_name(report.outcomes)):
        after = run.left(name, image) if outcome is None else run.seen(image or _NOTHING, outcome)
        if after is not None:
            yield name, after


def _by_name(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Each image once: one that is asked for twice (by a rule and by a pin) counts with what went wrong."""
    last: Outcome | None = None
    for outcome in outcomes:
        if last is not None and last.name != outcome.name:
            yield last
            last = None
        if last is None or last.error is None:
            last = outcome
    if last is not None:
        yield last


def _side_by_side(
    before: Iterator[Named], outcomes: Iterator[Outcome]
) -> Iterator[tuple[str, ImageStatus, None] | tuple[str, ImageStatus | None, Outcome]]:
    """Every name of either, with what each says of it."""
    named = next(before, None)
    for outcome in outcomes:
        while named is not None and named[0] < outcome.name:
            yield *named, None
            named = next(before, None)
        if named is not None and named[0] == outcome.name:
            yield *named, outcome
            named = next(before, None)
        else:
            yield outcome.name, None, outcome
    while named is not None:
        yield *named, None
        named = next(before, None)


class _Run(Struct, frozen=True):
    """A run whose end is told."""

    report: Report
    wanted: Wanted
    now: datetime
    when: str
    broken: Mapping[str, MirrordError]
    """Repositories that failed as a whole, and why."""

    @classmethod
    def of(cls, report: Report, wanted: Wanted, now: datetime) -> Self:
        """The same, with what is needed of it for each image."""
        broken = {
            outcome.repository: outcome.error
            for outcome in report.outcomes.open
            if outcome.error is not None and outcome.name.partition(" ")[0] == outcome.repository
        }
        return cls(report, wanted, now, now.astimezone(UTC).isoformat(timespec="seconds"), broken)

    def left(self, name: str, image: ImageStatus | None) -> ImageStatus | None:
        """An image that the report does not name; None where it is gone.

        Where its repository failed as a whole, it is in the same trouble, and stays.
        """
        repository = repository_in(name)
        if image is None or repository not in self.wanted.whole:
            return image
        if repository in self.broken and name.partition(" ")[0] != repository:
            return replace(image, trouble=self._trouble(image.trouble, self.broken[repository]))
        return None

    def seen(self, before: ImageStatus, outcome: Outcome) -> ImageStatus | None:
        """An image after its outcome; None where it is gone."""
        if outcome.status is Status.REMOVED:
            return None
        repository, report, error = outcome.repository, self.report, outcome.error
        kept: dict[str, Any] = {
            "group": self.wanted.groups.get(repository, ""),
            "stale_after": self.wanted.stale_after.get(repository, before.stale_after),
            "state": str(outcome.status),
            "checked": self.when,
            "note": outcome.warning,
        }
        if outcome.status in _NEW:
            error = error or report.problem  # complete, and not served
            if (group := kept["group"]) in report.withheld:
                why = f"complete, and not published: group {group} waits for {report.withheld[group].name}"
                return replace(before, **{**kept, "note": why})
        if error is not None:
            return replace(before, **kept, trouble=self._trouble(before.trouble, error))
        is_waiting = outcome.status is Status.DEFERRED  # for its cooldown: what is served is what is wanted
        digest = str(outcome.digest) if outcome.digest and not is_waiting else before.digest
        if before.digest == digest:
            return replace(before, **kept, succeeded=self.when, trouble=None)
        return replace(before, **kept, digest=digest, succeeded=self.when, changed=self.when, trouble=None)

    def _trouble(self, before: Trouble | None, error: MirrordError) -> Trouble:
        retry = moment(self.now.timestamp() + error.seconds) if isinstance(error, DeferredError) else None
        return Trouble(str(error.owner), str(error), before.since if before else self.when, retry)

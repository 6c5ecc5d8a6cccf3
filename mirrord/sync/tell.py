"""The events of what became of images in a run."""

from datetime import UTC, datetime
from typing import Any

from mirrord.events import get_logger
from mirrord.sync.outcome import Outcome, Status

FEW = 5
"""Failures of one cause that are told one by one."""

_log = get_logger()


def day(seconds: float) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


class Teller:
    """Tells what became of the images of one run; where one cause fails many, the first few, and then how many more."""

    def __init__(self) -> None:
        self._failed: dict[tuple[str, str], list[Outcome]] = {}
        """By the kind of the error and the registry."""

    def tell(self, outcome: Outcome) -> None:
        """Log an outcome: failures as errors, what somebody may have to look at as warnings."""
        if outcome.status is Status.FAILED and outcome.error:
            cause = (type(outcome.error).__name__, outcome.repository.partition("/")[0])
            alike = self._failed.setdefault(cause, [])
            alike.append(outcome)
            if len(alike) <= FEW:
                error = outcome.error
                _log.error("image.failed", image=outcome.name, owner=str(error.owner), error=str(error))
        else:
            _tell(outcome)

    def tell_rest(self) -> None:
        """Log how many more failed for each cause than were told one by one."""
        for alike in self._failed.values():
            rest = alike[FEW:]
            if rest and (error := rest[0].error):
                words = f"{error}; and {len(rest) - 1} more such" if len(rest) > 1 else str(error)
                _log.error("image.failed", image=rest[0].name, owner=str(error.owner), error=words, more=len(rest) - 1)


def _tell(outcome: Outcome) -> None:
    fields: dict[str, Any] = {"image": outcome.name, "digest": str(outcome.digest or "")}
    if outcome.status is Status.DEFERRED and outcome.error:
        _log.warning("image.deferred", image=outcome.name, error=str(outcome.error))
    elif outcome.status is Status.DEFERRED:  # as the config asks for
        _log.info("image.deferred", reason=outcome.warning, until=day(outcome.until or 0), **fields)
    elif outcome.status is Status.UNCHANGED:
        _log.debug("image.unchanged", **fields)
    elif outcome.status in {Status.KEPT, Status.BLOCKED}:
        _log.warning(f"image.{outcome.status}", warning=outcome.warning, **fields)
    else:
        if outcome.warning:
            fields["warning"] = outcome.warning
        name = "removed" if outcome.status is Status.REMOVED else "updated"
        _log.info(f"image.{name}", previous=str(outcome.previous or ""), status=str(outcome.status), **fields)

"""Which snapshots stay and which may go: pure, by count, by calendar, by pins, and by the grace of pulls under way."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from mirrord.store.snapshot import Snapshot

FLOOR = 60.0
"""Seconds that content outlives its snapshot whatever the config says: nginx keeps files open that long."""


class Retention(Struct, frozen=True):
    """How many snapshots stay (``retention:`` in the config), and how long content outlives them."""

    keep_last: int = 10
    keep_daily: int = 7
    keep_weekly: int = 4
    grace: float = 86_400.0

    @property
    def patience(self) -> float:
        """Seconds of grace, never below the floor."""
        return max(self.grace, FLOOR)


class Why(StrEnum):
    """Why a snapshot stays."""

    SERVED = "served"
    HELD = "held by a rollback"
    PINNED = "pinned"
    LAST = "one of the last"
    DAILY = "the last of its day"
    WEEKLY = "the last of its week"
    GRACE = "pulls of it may be under way"


def kept(
    snapshots: Sequence[Snapshot], served: str, protected: Mapping[str, Why], retention: Retention, now: datetime
) -> Mapping[str, Why]:
    """The names of the snapshots that stay, of all there are (oldest first), and why.

    ``protected`` are those that a person keeps. A snapshot may go only when its successor was published longer than
    the grace ago; a time in the future (a clock that was set back) keeps it.
    """
    reasons: dict[str, Why] = {}
    for snapshot, successor in zip(snapshots, [*snapshots[1:], None], strict=True):
        if successor is None or (now - successor.published).total_seconds() <= retention.patience:
            reasons[snapshot.name] = Why.GRACE
    reasons |= dict.fromkeys(_last_of(snapshots, retention.keep_weekly, "%G-%V"), Why.WEEKLY)
    reasons |= dict.fromkeys(_last_of(snapshots, retention.keep_daily, "%Y-%m-%d"), Why.DAILY)
    first = max(len(snapshots) - retention.keep_last, 0)
    reasons |= {snapshot.name: Why.LAST for snapshot in snapshots[first:]}
    reasons |= {name: why for name, why in protected.items() if any(name == each.name for each in snapshots)}
    return reasons | {served: Why.SERVED}


def _last_of(snapshots: Iterable[Snapshot], count: int, period: str) -> Iterable[str]:
    """The last snapshot of each of the newest ``count`` days or weeks that have one."""
    newest: dict[str, str] = {}
    for snapshot in snapshots:
        key = snapshot.published.strftime(period)
        newest.pop(key, None)
        newest[key] = snapshot.name
    return list(newest.values())[-count:] if count else []

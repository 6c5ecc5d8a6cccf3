"""Counting misses in bounded memory: how often, last when, by how many clients."""

from datetime import UTC, datetime
from typing import Final

from msgspec import Struct, field

from mirrord.serve.misses.log import Missed

MOST: Final = 2000
"""Different misses that are kept; when twice as many came, the rarer half is dropped and counted."""
MOST_CLIENTS: Final = 64
"""Different clients of one miss that are told apart."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Count(Struct):
    """One thing that was asked for and missed."""

    first: Missed
    """The first request for it: how it was asked for."""
    times: int = 0
    last: datetime = _NEVER
    clients: set[int] = field(default_factory=set)

    def add(self, missed: Missed) -> None:
        """Count one more request."""
        self.last = max(self.last, missed.at)
        self.times += 1
        if len(self.clients) < MOST_CLIENTS:
            self.clients.add(hash(missed.client))  # an address may be as long as whoever wrote the log wants


class Tally(Struct):
    """All that was missed."""

    since: datetime | None = None
    """Earlier requests don't count."""
    counts: dict[tuple[str, str], Count] = field(default_factory=dict)
    dropped: int = 0
    """Different misses that were too many to keep."""

    def add(self, missed: Missed) -> None:
        """Count one request."""
        if self.since is not None and missed.at < self.since:
            return
        key = (missed.repository, missed.reference)
        count = self.counts.get(key)
        if count is None:
            count = self.counts[key] = Count(missed)
        count.add(missed)
        if len(self.counts) >= 2 * MOST:
            self._prune()

    def sorted(self) -> list[Count]:
        """The most wanted first."""
        return sorted(
            self.counts.values(), key=lambda each: (-each.times, -each.last.timestamp(), each.first.reference)
        )

    def _prune(self) -> None:
        kept = self.sorted()[:MOST]
        self.dropped += len(self.counts) - len(kept)
        self.counts = {(each.first.repository, each.first.reference): each for each in kept}

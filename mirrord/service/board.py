"""How fresh the mirror is, in numbers: what metrics and notices need of the status without keeping all of it. Pure."""

from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from msgspec import Struct, field

from mirrord.sync.outcome import repository_in
from mirrord.sync.status import ImageStatus, MirrorStatus


class Standing(Struct):
    """A group's images, or a repository's."""

    images: int = 0
    failing: int = 0
    """Those whose last check went wrong."""
    oldest: float = float("inf")
    """The longest ago that one of them was last right, in seconds since the epoch; 0 where one never was."""
    deadlines: list[float] = field(default_factory=list)
    """When each becomes stale, sorted; 0 where it is already, for it never was right."""

    def add(self, image: ImageStatus) -> None:
        """Count an image in."""
        self.images += 1
        self.failing += image.trouble is not None
        succeeded = datetime.fromisoformat(image.succeeded).timestamp() if image.succeeded else 0.0
        self.oldest = min(self.oldest, succeeded)
        self.deadlines.append(succeeded + image.stale_after if succeeded else 0.0)

    def stale(self, now: datetime) -> int:
        """How many are stale."""
        return bisect_left(self.deadlines, now.timestamp())


class Board(Struct, frozen=True):
    """All groups and repositories."""

    groups: Mapping[str, Standing] = field(default_factory=dict)
    repositories: Mapping[str, Standing] = field(default_factory=dict)

    @classmethod
    def of(cls, status: MirrorStatus) -> Self:
        """Count all images of a status."""
        groups: dict[str, Standing] = {}
        repositories: dict[str, Standing] = {}
        for name, image in status.images.items():
            groups.setdefault(image.group, Standing()).add(image)
            repositories.setdefault(repository_in(name), Standing()).add(image)
        for standing in (*groups.values(), *repositories.values()):
            standing.deadlines.sort()
        return cls(groups, repositories)

    def next_stale(self, now: datetime) -> float:
        """When the next image becomes stale that is not yet, in seconds since the epoch; infinite where none will."""
        found = (group.deadlines[group.stale(now) :][:1] for group in self.groups.values())
        return min((first for firsts in found for first in firsts), default=float("inf"))

"""How many repositories are in work at once: a lane for each upstream host, and in it the next one when there is need.

A repository in work has its record, its list and what was decided of each tag in memory. So the next one of a host is
begun when those in work leave only a few images to begin, and not before: then memory does not grow with the mirror.
Nobody knows how many images a repository has before it was looked at: it counts as what the last ones of its host had.
"""

import asyncio
from typing import Final

from mirrord.config.select import needs_list
from mirrord.sync.decide import RepositoryPlan

IMAGES_WAITING: Final = 64
"""Images of repositories in work that are not begun yet: enough to ask for while the next repository is looked at."""
REPOSITORIES: Final = 64
"""Repositories of one host in work at once."""


class Lane:
    """The repositories of one host that are in work."""

    def __init__(self, images_at_once: int) -> None:
        self.slots = asyncio.Semaphore(images_at_once)
        """Images in work at once: a host that lets them wait keeps no other host's from being worked on."""
        self.places: set[Place] = set()
        self.moved = asyncio.Event()
        self._usual: int | None = None
        """Images that the repositories looked at last had."""

    async def turn(self, plan: RepositoryPlan) -> "Place":
        """Wait until a repository may be begun; whoever works on it leaves its place at the end."""
        while len(self.places) >= REPOSITORIES or sum(place.waiting for place in self.places) >= IMAGES_WAITING:
            self.moved.clear()
            await self.moved.wait()
        place = Place(self, self._expected(plan))
        self.places.add(place)
        return place

    def looked(self, images: int) -> None:
        """Take note of how many images a repository turned out to have."""
        self._usual = images if self._usual is None else (self._usual + images) // 2

    def _expected(self, plan: RepositoryPlan) -> int:
        if any(needs_list(image.tags) for image in plan.images):
            return IMAGES_WAITING if self._usual is None else self._usual
        return sum(len(rule.literals) for image in plan.images for rule in image.tags)


class Place:
    """One repository in work."""

    def __init__(self, lane: Lane, expected: int) -> None:
        self.waiting = expected
        """Its images that are not begun yet."""
        self._lane = lane

    def has(self, images: int) -> None:
        """It was looked at: so many images are to be seen to."""
        self.waiting = images
        self._lane.looked(images)
        self._lane.moved.set()

    async def begin(self) -> None:
        """Wait until one more of its images may be begun."""
        await self._lane.slots.acquire()
        self.waiting -= 1
        if self.waiting < IMAGES_WAITING:
            self._lane.moved.set()

    def end(self) -> None:
        """An image that was begun is seen to."""
        self._lane.slots.release()

    def leave(self) -> None:
        """The repository is done, or failed."""
        self._lane.places.discard(self)
        self._lane.moved.set()

"""Thousands of tags: of a host that throttles none is lost, and of a quiet one each costs one request at most."""

from pathlib import Path

import pytest
from aiohttp import web
from support.clock import now, run_virtually
from support.mirror import HOST, Mirror
from support.plays import later
from support.scripted import Scripted, answer

from mirrord.demo.images import image, layer
from mirrord.sync.outcome import Report, Status

EACH = 10
"""Repositories."""
BEARS = 50.0
"""Requests a second that the host bears, and as many at once."""


class Throttling(Scripted):
    """Answers 429 to whoever asks more than it bears, with Retry-After in seconds, as a date, or without."""

    saved, seen, refused = BEARS, 0.0, 0

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Count, and answer as a registry while there is something left."""
        self.saved, self.seen = min(BEARS, self.saved + BEARS * (now() - self.seen)), now()
        if self.saved >= 1:
            self.saved -= 1
            return await super().respond(request)
        self.refused += 1
        ways = (answer(429, b"", {"Retry-After": "2"}), later(2), answer(429))
        return await ways[self.refused % len(ways)](request)


def fill(upstream: Scripted, tags: int, *, distinct: bool) -> None:
    """Push ``tags`` tags over ten repositories: each its own image, or all of a repository the same."""
    shared = layer("shared", 512)
    for number in range(tags):
        path = f"app{number % EACH}"
        upstream.push(path, image(str(number if distinct else 0), layers=(shared,)), f"v{number}")


def configure(mirror: Mirror) -> None:
    """Every tag of every repository."""
    mirror.configure(*(f'{{{{name: "{{host}}/app{number}", tags: "v*", referrers: false}}}}' for number in range(EACH)))


@pytest.mark.parametrize("tags", [300, pytest.param(5_000, marks=pytest.mark.soak)])
def test_a_host_that_throttles_fails_no_image(tmp_path: Path, tags: int) -> None:
    """A first run, and one that finds nothing new, meet hundreds of 429 and lose no image by them."""

    async def work() -> tuple[Report, Report, int]:
        async with Throttling.running() as upstream:
            fill(upstream, tags, distinct=True)
            mirror = Mirror(tmp_path, upstream.url, "{attempts: 5}")
            configure(mirror)
            return await mirror.sync(), await mirror.sync(), upstream.refused

    first, second, refused = run_virtually(work())
    assert (first.counts, second.counts) == ({Status.ADDED: tags}, {Status.UNCHANGED: tags})
    assert refused > tags // 100


async def test_a_noop_asks_each_tag_once_at_most(tmp_path: Path) -> None:
    """2,000 tags, all of them named: one HEAD each, and nothing else."""
    tags = 2_000
    async with Scripted.running() as upstream:
        fill(upstream, tags, distinct=False)
        mirror = Mirror(tmp_path, upstream.url)
        named = [", ".join(f"v{number}" for number in range(place, tags, EACH)) for place in range(EACH)]
        images = [f'{{{{name: "{HOST}/app{n}", tags: [{names}], referrers: false}}}}' for n, names in enumerate(named)]
        mirror.configure(*images)
        assert (await mirror.sync()).counts == {Status.ADDED: tags}
        upstream.forget_requests()
        assert (await mirror.sync()).counts == {Status.UNCHANGED: tags}
    assert len(upstream.requests) <= tags
    assert {asked.method for asked in upstream.requests} == {"HEAD"}

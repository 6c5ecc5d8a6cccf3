"""Google's tag list, which says what each tag names: one request for a repository, and never a wrong answer."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from support.mirror import Mirror
from support.scripted import Scripted, answer

from mirrord.demo import images
from mirrord.oci.digest import Digest
from mirrord.sync.outcome import Status

HOST = "registry.k8s.io"
QUOTED = '"v*"'


class Google(Scripted):
    """A registry whose tag list has a map of manifests."""

    most = 10_000
    adds = True
    """Whether it does; else its lists are what a script says."""
    stale: dict[str, Digest] | None = None
    """Tags of which the map says something else."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Add the map to tag lists."""
        response = await super().respond(request)
        is_list = self.adds and request.path.endswith("/tags/list")
        if not is_list or not isinstance(response, web.Response) or response.status != 200:
            return response
        repository = request.path.removeprefix("/v2/").removesuffix("/tags/list")
        named = self.repositories[repository].tags | (self.stale or {})
        manifests: dict[str, dict[str, object]] = {}
        for tag in sorted(named)[: self.most]:
            entry = manifests.setdefault(str(named[tag]), {"tag": [], "timeUploadedMs": "1700000000000"})
            entry["tag"] = [*entry["tag"], tag]  # type: ignore[misc] # a list
        listed = json.loads(response.body or b"")  # type: ignore[arg-type] # bytes
        return web.json_response({**listed, "manifest": manifests})


@pytest.fixture
async def upstream() -> AsyncIterator[Google]:
    """In the place of the ordinary one."""
    google = Google(page=10_000)
    async with google.served():
        yield google


def configure(mirror: Mirror, *images_: str) -> None:
    """A config about the Google-like host."""
    lines = "".join(f"  - {each}\n" for each in images_)
    registry = f'registries:\n  {HOST}: {{endpoint: "{mirror.url}"}}\n'
    mirror.config.write_text(f"root: {mirror.root}\n{registry}images:\n{lines}")


def asked(upstream: Google, method: str) -> int:
    """How many requests of a kind there were."""
    return sum(1 for each in upstream.requests if each.method == method)


async def test_a_noop_asks_one_list_a_repository(mirror: Mirror, upstream: Google) -> None:
    """2,000 tags, named or chosen by a rule: their ten repositories are eleven requests at most."""
    tags = [f"v{number}" for number in range(200)]
    for number in range(10):
        upstream.push(f"app{number}", images.image("x"), *tags)
    named = ", ".join(tags)
    configure(mirror, *(f'{{name: "{HOST}/app{n}", tags: [{named if n % 2 else QUOTED}]}}' for n in range(10)))
    await mirror.sync()
    upstream.forget_requests()
    report = await mirror.sync()
    assert report.counts == {Status.UNCHANGED: 2_000}
    assert len(upstream.requests) <= 11, [str(each) for each in upstream.requests[:20]]


async def test_a_moved_tag_is_asked_about_and_fetched(mirror: Mirror, upstream: Google) -> None:
    """What the map says has changed is confirmed by a HEAD; all else is left alone."""
    for number in range(6):
        upstream.push("app", images.image(str(number)), f"v{number}")
    configure(mirror, f'{{name: "{HOST}/app", tags: ["v*"]}}')
    await mirror.sync()
    moved = images.image("moved")
    upstream.push("app", moved, "v3")
    upstream.forget_requests()
    report = await mirror.sync()
    assert report.counts == {Status.UNCHANGED: 5, Status.UPDATED: 1}
    assert asked(upstream, "HEAD") == 1


async def test_a_map_that_lags_behind_delays_only(mirror: Mirror, upstream: Google) -> None:
    """One that has the old digest hides an update until it catches up; one older than what is held moves nothing."""
    old, new = images.image("old"), images.image("new")
    for number in range(5):
        upstream.push("app", old, f"v{number}")
    configure(mirror, f'{{name: "{HOST}/app", tags: ["v*"]}}')
    await mirror.sync()
    upstream.push("app", new, "v0")
    upstream.stale = {"v0": old.digest}
    assert (await mirror.sync()).counts == {Status.UNCHANGED: 5}
    upstream.stale = None
    assert (await mirror.sync()).counts == {Status.UNCHANGED: 4, Status.UPDATED: 1}
    upstream.stale = {"v0": old.digest}
    report = await mirror.sync()
    assert report.counts == {Status.UNCHANGED: 5}
    assert not report.snapshots


async def test_tags_that_the_map_leaves_out_are_asked_about(mirror: Mirror, upstream: Google) -> None:
    """A map that was cut short says nothing of the rest; a tag under two digests counts as left out."""
    for number in range(9):
        upstream.push("app", images.image(str(number)), f"v{number}")
    configure(mirror, f'{{name: "{HOST}/app", tags: ["v*"]}}')
    await mirror.sync()
    upstream.most = 5
    upstream.push("app", images.image("moved"), "v8")
    upstream.forget_requests()
    assert (await mirror.sync()).counts == {Status.UNCHANGED: 8, Status.UPDATED: 1}
    assert asked(upstream, "HEAD") == 4


@pytest.mark.parametrize(
    "manifests",
    [
        "[]",
        '{"sha256:x": {"tag": ["v0"]}}',
        '{"sha256:x": 1, "y": null}',
        '{"sha256:' + "0" * 64 + '": {"tag": "v0"}}',
        '{"sha256:' + "0" * 64 + '": {"tag": [1, null, {}]}}',
        '{"sha256:' + "0" * 64 + '": {"tag": ["v0", "v1", "v2", "v3"]}, "sha256:' + "1" * 64 + '": {"tag": ["v0"]}}',
    ],
)
async def test_a_map_of_nonsense_costs_heads(mirror: Mirror, upstream: Google, manifests: str) -> None:
    """It is no reason to fail, and none to believe anything."""
    for number in range(4):
        upstream.push("app", images.image(str(number)), f"v{number}")
    configure(mirror, f'{{name: "{HOST}/app", tags: ["v*"]}}')
    await mirror.sync()
    body = f'{{"tags": ["v0", "v1", "v2", "v3"], "manifest": {manifests}}}'.encode()
    upstream.when("tags/list", then=answer(200, body))
    upstream.adds = False
    upstream.forget_requests()
    report = await mirror.sync()
    assert report.counts == {Status.UNCHANGED: 4}
    assert asked(upstream, "HEAD") == 4


async def test_where_lists_are_refused_each_tag_is_asked_about(mirror: Mirror, upstream: Google) -> None:
    """The shortcut is tried once, and its lack is no failure."""
    tags = [f"v{number}" for number in range(6)]
    upstream.push("app", images.image("x"), *tags)
    upstream.when("tags/list", then=answer(403))
    configure(mirror, f'{{name: "{HOST}/app", tags: [{", ".join(tags)}], referrers: false}}')
    await mirror.sync()
    upstream.forget_requests()
    assert (await mirror.sync()).counts == {Status.UNCHANGED: 6}
    assert (asked(upstream, "HEAD"), asked(upstream, "GET")) == (6, 1)

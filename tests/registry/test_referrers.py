"""The referrers API: its pages, the many ways of not having it, and that a host is not asked for it again and again."""

import json

import pytest
from aiohttp import web
from support.registries import APP, remembering
from support.scripted import Play, Scripted, answer, page

from mirrord.demo import images
from mirrord.errors import UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository
from mirrord.registry.abilities import DOUBTED_AFTER, Abilities

BUILT = images.image("one")
SIGNED = [images.artifact(f"statement {number}", "application/vnd.test", BUILT) for number in range(5)]
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
async def api(upstream: Scripted) -> Scripted:
    """An upstream that has the API, and five referrers of one image."""
    upstream.referrers = True
    for image in (BUILT, *SIGNED):
        upstream.push(APP.path, image)
    return upstream


async def test_referrers_are_listed(api: Scripted) -> None:
    """With type, size and digest; an image without any has an empty list, which is not the lack of the API."""
    abilities = Abilities()
    async with remembering(api, abilities) as registries:
        found = await registries.list_referrers(APP, BUILT.digest)
        assert {each.digest for each in found or ()} == {each.digest for each in SIGNED}
        assert {each.artifact_type for each in found or ()} == {"application/vnd.test"}
        assert await registries.list_referrers(APP, SIGNED[0].digest) == ()
    assert abilities.has_referrers(APP.host) is True


async def test_pages_are_followed(api: Scripted) -> None:
    """By the query of the link, whatever its shape; pages in a circle end."""

    def paged(number: int, link: str) -> Play:
        body = images.referrers_index([SIGNED[number].manifest])
        return answer(
            200, body, {"Content-Type": INDEX, "Link": f'<{link}>; rel="next"'} if link else {"Content-Type": INDEX}
        )

    path = f"/v2/{APP.path}/referrers/{BUILT.digest}"
    links = (f"{path}?next=1", f"{api.url}{path}?next=2", "")
    api.when("referrers", *[paged(number, link) for number, link in enumerate(links)])
    async with remembering(api, Abilities()) as registries:
        found = await registries.list_referrers(APP, BUILT.digest)
        assert [each.digest for each in found or ()] == [each.digest for each in SIGNED[:3]]
        assert [asked.query for asked in api.requests] == [{}, {"next": "1"}, {"next": "2"}]
        api.when("referrers", then=paged(0, f"{path}?next=1"))
        with pytest.raises(UpstreamError, match="the pages go in a circle"):
            await registries.list_referrers(APP, BUILT.digest)


@pytest.mark.parametrize(
    "play",
    [
        *[answer(status) for status in (400, 404, 405, 406, 410, 501)],
        page(404),
        page(200),
        answer(200, b"{}", {"Content-Type": "application/json"}),
        answer(200, b"[]", {"Content-Type": INDEX}),
        answer(200, b"\xff", {"Content-Type": INDEX}),
    ],
)
async def test_a_host_without_the_api_is_asked_once(upstream: Scripted, play: Play) -> None:
    """Whatever it answers instead, it is remembered, for the next run too; after a week it is asked again."""
    upstream.when("referrers", then=play)
    abilities = Abilities()
    async with remembering(upstream, abilities) as registries:
        for repository in ("team/app", "team/other", "team/app"):
            assert await registries.list_referrers(Repository(APP.host, repository), BUILT.digest) is None
    kept = Abilities.read(json.loads(json.dumps(abilities.document())))
    async with remembering(upstream, kept) as registries:
        assert await registries.list_referrers(APP, BUILT.digest) is None
    assert upstream.asked("referrers") == 1
    document = kept.document()
    document["referrers"][APP.host]["at"] -= DOUBTED_AFTER
    async with remembering(upstream, Abilities.read(document)) as registries:
        assert await registries.list_referrers(APP, BUILT.digest) is None
    assert upstream.asked("referrers") == 2


async def test_a_host_that_has_it_has_it(api: Scripted) -> None:
    """One odd answer is about one image: the others are still asked about."""
    abilities = Abilities()
    async with remembering(api, abilities) as registries:
        await registries.list_referrers(APP, BUILT.digest)
        api.when("referrers", answer(404))
        assert await registries.list_referrers(APP, BUILT.digest) is None
        assert len(await registries.list_referrers(APP, BUILT.digest) or ()) == 5
    assert abilities.has_referrers(APP.host) is True


async def test_a_refusal_counts_for_one_run(api: Scripted) -> None:
    """Who may pull and not list referrers is told nothing, and not asked again until the next run."""
    api.when("referrers", then=answer(403))
    abilities = Abilities()
    async with remembering(api, abilities) as registries:
        for _ in range(3):
            assert await registries.list_referrers(APP, BUILT.digest) is None
    assert api.asked("referrers") == 1
    assert abilities.has_referrers(APP.host) is None


async def test_ghcr_is_not_asked(api: Scripted) -> None:
    """Its API does not say what it should: the tags are what counts there."""
    async with remembering(api, Abilities(), "ghcr.io") as registries:
        assert await registries.list_referrers(Repository("ghcr.io", "team/app"), BUILT.digest) is None
    assert not api.requests


async def test_a_flood_of_referrers_is_bounded(upstream: Scripted) -> None:
    """More than a few thousand of one image are no use to anybody, and an error that says so."""

    async def flood(_request: web.Request) -> web.StreamResponse:
        entries = [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": str(Digest.of(b"%d" % n)), "size": 2}
            for n in range(6000)
        ]
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        return web.Response(body=body, headers={"Content-Type": INDEX})

    upstream.when("referrers", then=flood)
    async with remembering(upstream, Abilities()) as registries:
        with pytest.raises(UpstreamError, match=r"what refers to sha256:.*more than 5000.*types"):
            await registries.list_referrers(APP, BUILT.digest)

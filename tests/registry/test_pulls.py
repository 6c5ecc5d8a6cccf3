"""Docker Hub's pulls: they are counted, and manifests are left for later before none is left."""

import asyncio
import time

import pytest
from aiohttp import web
from support.registries import APP, registries_of, remembering
from support.scripted import Scripted

from mirrord.demo import images
from mirrord.errors import DeferredError
from mirrord.registry.abilities import Abilities
from mirrord.registry.pulls import Pulls, read_pulls

IMAGES = [images.image(str(number)) for number in range(8)]


class Hub(Scripted):
    """An upstream that counts manifests fetched, as Docker Hub does: a HEAD is free."""

    left = 4

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Say how many are left."""
        response = await super().respond(request)
        if "/manifests/" in request.path:
            self.left -= request.method == "GET"
            response.headers["ratelimit-limit"] = "100;w=21600"
            response.headers["ratelimit-remaining"] = f"{self.left};w=21600"
        return response


@pytest.mark.parametrize(
    ("remaining", "limit", "expected"),
    [
        ("76;w=21600", "100;w=21600", Pulls(76, 100, 21600, 5.0)),
        (" 0 ; w=60 ", "200;w=60", Pulls(0, 200, 60, 5.0)),
        ("3;w=60", "", Pulls(3, 3, 60, 5.0)),
        ("76", "100", None),
        ("-1;w=60", "100;w=60", None),
        ("x;w=y", "100;w=21600", None),
        ("9999999999;w=1", "1;w=1", None),
        ("", "", None),
    ],
)
def test_the_headers_are_read(remaining: str, limit: str, expected: Pulls | None) -> None:
    """``ratelimit-remaining: 76;w=21600``; anything else says nothing, as with registries that mean requests."""
    assert read_pulls({"ratelimit-remaining": remaining, "ratelimit-limit": limit}, 5.0) == expected


async def test_pulls_are_never_used_up() -> None:
    """Before none is left manifests are deferred, and the error says when it goes on; HEADs and blobs do at once."""
    async with Hub.running() as upstream:
        for number, image in enumerate(IMAGES):
            upstream.push(APP.path, image, str(number))
        abilities = Abilities()
        async with remembering(upstream, abilities) as registries:
            for number in range(3):
                await registries.get_manifest(APP, str(number))
            for number in range(3, 8):
                with pytest.raises(
                    DeferredError, match=r"allows 100 pulls in 6 h, and 1 are left.*all pulls are back"
                ) as raised:
                    await registries.get_manifest(APP, str(number))
                assert 21_590 <= raised.value.seconds <= 21_600
                assert time.strftime("%Y-%m-%d", time.gmtime(time.time() + 21_600)) in str(raised.value)
                assert (await registries.head_manifest(APP, str(number))).digest == IMAGES[number].digest
            assert upstream.left == 1
            await registries.get_blob(APP, images.descriptor(IMAGES[5].blobs[0]))
            upstream.left = 50
            await registries.head_manifest(APP, "7")
            await registries.get_manifest(APP, "7")
    assert abilities.pulls["registry.test"].remaining == 49
    assert Abilities.read(abilities.document()).pulls["registry.test"].limit == 100


async def test_requests_under_way_count() -> None:
    """Many at once don't get below what is left either."""
    async with Hub.running() as upstream:
        for number, image in enumerate(IMAGES):
            upstream.push(APP.path, image, str(number))
        async with registries_of(upstream) as registries:
            await registries.head_manifest(APP, "0")

            async def get(number: int) -> bool:
                try:
                    await registries.get_manifest(APP, str(number))
                except DeferredError:
                    return False
                return True

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(get(number)) for number in range(8)]
            assert sum(task.result() for task in tasks) == 3
    assert upstream.left == 1


def test_runs_side_by_side_keep_what_each_found_out() -> None:
    """Of what two runs were told, the newer is kept for each host, whichever of them ends last."""
    old, new = Pulls(9, 100, 21_600, 100.0), Pulls(5, 100, 21_600, 200.0)
    one, two = Abilities({"a.test": new, "b.test": old}), Abilities({"a.test": old, "c.test": new})
    two.note_referrers("c.test", has=True)
    for merged in (one.with_newest(two), two.with_newest(one)):
        assert merged.pulls == {"a.test": new, "b.test": old, "c.test": new}
        assert merged.has_referrers("c.test")


def test_what_is_held_back_says_until_when() -> None:
    """Only where the last pulls are left alone, and by then all of them are back."""
    assert Pulls(2, 100, 60, 100.0).resumes is None
    assert Pulls(1, 100, 60, 100.0).resumes == 160.0

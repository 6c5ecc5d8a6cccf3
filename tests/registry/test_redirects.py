"""Redirects: followed by hand, as they are written, without the login, and never without an end."""

import pytest
from aiohttp import web
from support.registries import Connect
from support.scripted import Scripted, answer, redirect
from support.sink import MemorySink
from yarl import URL

from mirrord.config.model import Limits
from mirrord.demo import images
from mirrord.demo.access import Basic
from mirrord.errors import UpstreamError
from mirrord.oci.reference import Repository
from mirrord.registry.ask import Ask
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.redirects import redirect_target

LOGIN = {"username": "me", "password": "pw"}
CONTENT = b"content of a blob" * 1000
BLOB = images.descriptor(CONTENT)
BUILT = images.image("one")


async def test_a_blob_from_another_origin_comes_without_the_login(connect: Connect, app: Repository) -> None:
    """A CDN gets the request and its Range, but no Authorization."""
    async with Scripted.running() as cdn, Scripted.running(Basic("me", "pw")) as upstream:
        cdn.when("GET /signed", then=answer(206, CONTENT[5:], {"Content-Range": f"bytes 5-{len(CONTENT) - 1}/*"}))
        upstream.when("blobs", answer(401, b"", {"WWW-Authenticate": "Basic"}), then=redirect(f"{cdn.url}/signed?x"))
        sink = MemorySink(CONTENT[:5])
        await connect(upstream, **LOGIN).fetch_blob(app, BLOB, sink)
    assert sink.content == CONTENT
    (asked,) = cdn.requests
    assert "Authorization" not in asked.headers
    assert asked.headers["Range"] == "bytes=5-"
    assert "Authorization" in upstream.requests[-1].headers


async def test_a_login_does_not_come_back_from_elsewhere(connect: Connect, app: Repository) -> None:
    """Once another origin decided where to go, the login stays out, even at the registry itself."""
    async with Scripted.running() as cdn, Scripted.running(Basic("me", "pw")) as upstream:
        upstream.push(app.path, BUILT, "1.0")
        registries = connect(upstream, **LOGIN)
        await registries.get_manifest(app, "1.0")
        upstream.when("blobs", redirect(f"{cdn.url}/away"))
        cdn.when("away", then=redirect(f"{upstream.url}/v2/back"))
        with pytest.raises(UpstreamError, match=r"401 Unauthorized.*expected the content"):
            await registries.fetch_blob(app, BLOB, MemorySink())
    assert upstream.requests[-1].path == "/v2/back"
    assert "Authorization" not in upstream.requests[-1].headers


async def test_a_redirect_within_the_registry_keeps_the_login(connect: Connect, app: Repository) -> None:
    """The same origin may be asked with the same login; registry.k8s.io redirects HEADs too."""
    async with Scripted.running(Basic("me", "pw")) as upstream:
        upstream.push("moved", BUILT, "1.0")
        upstream.when("team/app", then=redirect("/v2/moved/manifests/1.0", 302))
        registries = connect(upstream, **LOGIN)
        assert (await registries.head_manifest(app, "1.0")).digest == BUILT.digest
        assert registries.counters.redirects == 1


async def test_a_signed_url_is_not_quoted_anew(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A signature is over the URL as written: no sign of it changes."""
    signed = "/cdn/a%2Bb+c%7E~d/%e4?Signature=x%2Fy%3D+z=&Expires=1,2;3&~=%7e"
    paths: list[str] = []

    async def take(request: web.Request) -> web.StreamResponse:
        paths.append(request.raw_path)
        return web.Response(body=CONTENT)

    upstream.when("GET /cdn", then=take)
    upstream.when("blobs", then=redirect(f"{upstream.url.replace('127.0.0.1', 'LOCALHOST')}{signed}#part"))
    await connect(upstream).fetch_blob(app, BLOB, MemorySink())
    assert paths == [signed]


@pytest.mark.parametrize("limit", [0, 1, 5])
async def test_a_redirect_loop_ends(upstream: Scripted, connect: Connect, app: Repository, limit: int) -> None:
    """Bounded: after limits.redirects it is an error that says so."""
    upstream.when("", then=redirect("/v2/again"))
    with pytest.raises(UpstreamError, match=rf"redirects more than {limit} times \(limits.redirects\)"):
        await connect(upstream, Limits(redirects=limit)).get_manifest(app, "1.0")
    assert len(upstream.requests) == limit + 1


@pytest.mark.parametrize("location", ["", "ftp://host/x", "http://[bad", "mailto:x", "/a b"])
async def test_a_redirect_to_nowhere_is_told(
    upstream: Scripted, connect: Connect, app: Repository, location: str
) -> None:
    """What is no http or https URL is not followed."""
    upstream.when("manifests", then=redirect(location))
    with pytest.raises(UpstreamError, match="redirects to what is no http or https URL"):
        await connect(upstream).get_manifest(app, "1.0")


async def test_the_answer_of_another_origin_is_told_with_its_origin_alone(connect: Connect, app: Repository) -> None:
    """An error shows who answered, not the signed URL; and a 401 from elsewhere is not answered."""
    async with Scripted.running() as cdn, Scripted.running() as upstream:
        cdn.when("", then=answer(401, b"", {"WWW-Authenticate": "Basic"}))
        upstream.when("blobs", then=redirect(f"{cdn.url}/x?Signature=canary"))
        registries = connect(upstream, **LOGIN)
        with pytest.raises(UpstreamError, match=rf"redirects to {cdn.url}, which answered 401") as raised:
            await registries.fetch_blob(app, BLOB, MemorySink())
    assert "canary" not in str(raised.value)
    assert len(cdn.requests) == 1


async def test_a_public_registry_does_not_lead_inside(app: Repository) -> None:
    """A redirect is a way to make this host ask its own network: only a registry that is inside may point there."""
    ask, here = Ask.blob(app, BLOB.digest), URL("https://1.1.1.1/v2/x")
    for inner in ("https://127.0.0.1/x", "https://169.254.169.254/latest/meta-data", "https://[::1]/x"):
        with pytest.raises(UpstreamError, match="in a private network and the registry is not"):
            await redirect_target(inner, here, ask, Endpoint("public.test", URL("https://1.1.1.1")))
        inside = Endpoint("lab.test", URL("https://10.0.0.7"))
        assert str(await redirect_target(inner, here, ask, inside)) == inner


async def test_userinfo_in_a_redirect_is_dropped(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A login in a Location is nobody's to send."""
    upstream.when("blobs", redirect(upstream.url.replace("://", "://evil:pw@") + "/x"))
    upstream.when("GET /x", then=answer(200, CONTENT))
    await connect(upstream).fetch_blob(app, BLOB, MemorySink())
    assert "Authorization" not in upstream.requests[-1].headers

"""The list of a registry's repositories, and what Google's registries tell of their tags."""

import json

import pytest
import structlog
from support.registries import HOST, Connect
from support.scripted import Scripted, answer, page

from mirrord.demo import images
from mirrord.demo.access import Basic, Tokens
from mirrord.errors import AccessError, NetworkError, Owner, UpstreamError
from mirrord.oci.reference import Repository


def repositories(*names: object) -> bytes:
    """A page of a catalog."""
    return json.dumps({"repositories": names}).encode()


async def test_all_pages_are_read(upstream: Scripted, connect: Connect) -> None:
    """Repositories come from every page, sorted, each once, with the question that every registry understands."""
    upstream.page = 2
    for name in ("team/b", "team/a", "c", "other/d", "team/e"):
        upstream.push(name, images.image("one"), "1")
    assert await connect(upstream).list_repositories(HOST) == ("c", "other/d", "team/a", "team/b", "team/e")
    assert [str(asked) for asked in upstream.requests] == ["GET /v2/_catalog"] * 3
    assert upstream.requests[0].query == {"n": "1000"}


@pytest.mark.parametrize(
    "link",
    [
        "{url}/v2/_catalog?last=b",
        "https://registry.test/v2/_catalog?last=b",
        "/v2/_catalog?last=b",
        "/_catalog?last=b",
        "_catalog?last=b",
        "?last=b",
    ],
)
async def test_a_link_of_any_shape_leads_to_the_next_page(upstream: Scripted, connect: Connect, link: str) -> None:
    """Absolute, relative, lacking /v2, or under the registry's own name: the next page is of this list, here."""
    header = {"Link": f'<{link.format(url=upstream.url)}>; rel="next"'}
    upstream.when(r"_catalog\?n=1000$", then=answer(200, repositories("b", "a"), header))
    upstream.when(r"_catalog\?last=b$", then=answer(200, repositories("c")))
    assert await connect(upstream).list_repositories(HOST) == ("a", "b", "c")


@pytest.mark.parametrize("link", ["https://evil.test/v2/_catalog?last=b", "/v2/x/tags/list?last=b", "?n=1000"])
async def test_a_link_that_leads_elsewhere_or_in_a_circle_is_refused(
    upstream: Scripted, connect: Connect, link: str
) -> None:
    """The catalog's next page is the catalog's, and each page comes once."""
    upstream.when("_catalog", then=answer(200, repositories("a"), {"Link": f'<{link}>; rel="next"'}))
    with pytest.raises(UpstreamError, match=r"the list of its repositories: (its next page|the pages go in a circle)"):
        await connect(upstream).list_repositories(HOST)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
async def test_a_registry_without_a_catalog_is_told_in_words(upstream: Scripted, connect: Connect, status: int) -> None:
    """Most public registries have none: it is the config's to mend, and the error says how."""
    upstream.when("_catalog", then=answer(status, b'{"errors": [{"code": "DENIED"}]}'))
    with pytest.raises(AccessError) as refused:
        await connect(upstream).list_repositories(HOST)
    assert refused.value.owner is Owner.CONFIG
    assert "registry.test" in str(refused.value)
    assert f"has no catalog for anonymous access: it answered {status}" in str(refused.value)
    assert "name each repository, or give a login" in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"repositories": "a"}', b"{"])
async def test_what_is_no_catalog_is_an_error(upstream: Scripted, connect: Connect, body: bytes) -> None:
    """An answer of another shape is the upstream's fault, and not an empty list."""
    upstream.when("_catalog", then=answer(200, body))
    with pytest.raises(UpstreamError, match="sent what is no catalog; expected JSON with repositories"):
        await connect(upstream).list_repositories(HOST)


async def test_a_page_for_people_is_an_error(upstream: Scripted, connect: Connect) -> None:
    """A portal's page is no empty catalog."""
    upstream.when("_catalog", then=page())
    with pytest.raises((UpstreamError, NetworkError), match="web page"):
        await connect(upstream).list_repositories(HOST)


async def test_names_outside_the_grammar_are_skipped_with_one_line(upstream: Scripted, connect: Connect) -> None:
    """What could become another file's name is left out, and told once."""
    upstream.when("_catalog", then=answer(200, repositories("../x", "ok/a", "Up", 7, "a//b", "x" * 300)))
    with structlog.testing.capture_logs() as logs:
        assert await connect(upstream).list_repositories(HOST) == ("ok/a",)
    (line,) = [log for log in logs if log["event"] == "upstream.repositories_skipped"]
    assert line["count"] == 5


async def test_a_login_is_shown_for_the_catalog_too(upstream: Scripted, connect: Connect) -> None:
    """Basic credentials and tokens open a catalog as they do a repository."""
    upstream.push("team/app", images.image("one"), "1")
    upstream.access = Basic("me", "pw")
    login = {"username": "me", "password": "pw"}
    assert await connect(upstream, **login).list_repositories(HOST) == ("team/app",)
    upstream.access = Tokens()
    assert await connect(upstream).list_repositories(HOST) == ("team/app",)


async def test_googles_map_tells_when_a_tag_was_pushed(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Times of the map of manifests are taken; anything odd in it is nothing, and the list is a list all the same."""
    document = {
        "tags": ["1", "2", "3"],
        "manifest": {
            "sha256:a": {"tag": ["1", "latest", 5], "timeUploadedMs": "1700000000500"},
            "sha256:b": {"tag": ["2"], "timeUploadedMs": 1700000001000},
            "sha256:c": {"tag": "3", "timeUploadedMs": "soon"},
            "sha256:d": None,
        },
    }
    upstream.when("tags/list", then=answer(200, json.dumps(document).encode()))
    listed = await connect(upstream).list_with_times(app)
    assert listed.tags == ("1", "2", "3")
    assert listed.pushed == {"1": 1700000000.5, "latest": 1700000000.5, "2": 1700000001.0}


async def test_other_registries_tell_no_times(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """The protocol has none."""
    upstream.push(app.path, images.image("one"), "1")
    assert (await connect(upstream).list_with_times(app)).pushed == {}

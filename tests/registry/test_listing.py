"""Tag lists: every page, whatever shape its link has, and an end to all of them."""

import json
from typing import Any

import pytest
import structlog
from support.registries import Connect
from support.scripted import Scripted, answer, page

from mirrord.demo import images
from mirrord.errors import NotFoundError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository


def tags(*names: object) -> bytes:
    """A page of a list."""
    return json.dumps({"name": "team/app", "tags": names}).encode()


async def test_all_pages_are_read(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Tags come from every page, sorted, each once."""
    upstream.page = 3
    upstream.push(app.path, images.image("one"), *(f"v{number}" for number in range(10)))
    assert await connect(upstream).list_tags(app) == tuple(sorted(f"v{number}" for number in range(10)))
    assert len(upstream.requests) == 4
    assert upstream.requests[0].query == {"n": "1000"}
    assert "Accept" not in upstream.requests[0].headers


@pytest.mark.parametrize(
    "link",
    [
        "{url}/v2/team/app/tags/list?last=b",
        "https://registry.test/v2/team/app/tags/list?last=b",
        "//registry.test:443/v2/team/app/tags/list?last=b",
        "/v2/team/app/tags/list?last=b",
        "/team/app/tags/list?last=b",
        "tags/list?last=b",
        "list?last=b",
        "?last=b",
    ],
)
async def test_a_link_of_any_shape_leads_to_the_next_page(
    upstream: Scripted, connect: Connect, app: Repository, link: str
) -> None:
    """Absolute, relative, lacking /v2, or under the registry's own name: the next page is of this list, here."""
    header = {"Link": f'<{link.format(url=upstream.url)}>; rel="next"'}
    upstream.when(r"tags/list\?n=1000$", then=answer(200, tags("b", "a"), header))
    upstream.when(r"tags/list\?last=b$", then=answer(200, tags("a", "c")))
    assert await connect(upstream).list_tags(app) == ("a", "b", "c")


async def test_a_links_query_goes_back_as_it_came(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A page's token is opaque: no sign of it is quoted anew or lost; a space, which no URL has, is quoted."""
    opaque = "next_page=gAAA%2Bb%2Fc%3D+x&last=a%20b"
    upstream.when("n=1000", then=answer(200, tags("a"), {"Link": f"<?{opaque}>; rel=next"}))
    upstream.when("next_page", then=answer(200, tags("b"), {"Link": "<?last=c d>; rel=next"}))
    upstream.when("last=c", then=answer(200, tags("c")))
    paths: list[str] = []
    respond = upstream.respond

    async def noting(request: Any) -> Any:  # noqa: ANN401 - passed through
        paths.append(request.raw_path)
        return await respond(request)

    upstream.respond = noting  # type: ignore[method-assign] # listens, and changes nothing
    assert await connect(upstream).list_tags(app) == ("a", "b", "c")
    assert paths[1].endswith(f"?{opaque}")
    assert paths[2].endswith(("?last=c%20d", "?last=c+d"))


async def test_a_short_page_is_not_the_last(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Only the missing link ends a list: an empty page in the middle does not."""
    upstream.when(r"n=1000", then=answer(200, tags(), {"Link": '<?last=x>; rel="next"'}))
    upstream.when(r"last=x", then=answer(200, b'{"tags": null}', {"Link": '<?last=y>; rel="next"'}))
    upstream.when(r"last=y", then=answer(200, tags("z")))
    assert await connect(upstream).list_tags(app) == ("z",)


@pytest.mark.parametrize("loop", [("n=1000",), ("last=a", "last=b", "last=a")])
async def test_pages_in_a_circle_end(
    upstream: Scripted, connect: Connect, app: Repository, loop: tuple[str, ...]
) -> None:
    """A list whose pages repeat is an error of the upstream: what it says can't be the whole list."""
    for query, following in zip(("n=1000", *loop), loop, strict=False):
        upstream.when(f"{query}$", then=answer(200, tags("a"), {"Link": f"<?{following}>; rel=next"}))
    with pytest.raises(UpstreamError, match=r"registry.test/team/app: the tag list: the pages go in a circle"):
        await connect(upstream).list_tags(app)
    assert len(upstream.requests) <= 3


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/v2/team/app/tags/list?last=a",
        "/v2/other/manifests/1?last=a",
        "//evil.test?x",
        "http://[bad?x",
    ],
)
async def test_a_link_that_leads_elsewhere_is_refused(
    upstream: Scripted, connect: Connect, app: Repository, link: str
) -> None:
    """The next page is of the same list at the same registry, or the list is an error."""
    upstream.when("tags/list", then=answer(200, tags("a"), {"Link": f"<{link}>; rel=next"}))
    with pytest.raises(UpstreamError, match="its next page is at"):
        await connect(upstream).list_tags(app)
    assert len(upstream.requests) == 1


async def test_tags_outside_the_grammar_are_skipped_with_one_line(
    upstream: Scripted, connect: Connect, app: Repository
) -> None:
    """Names from upstream become file names: hostile ones are left out and told once; the others go on."""
    hostile: tuple[object, ...] = ("../../etc/passwd", "", "a/b", ".hidden", "x" * 129, "nul\0", 3.10, None, {}, "-x")
    upstream.when("tags/list", then=answer(200, tags("good", *hostile)))
    with structlog.testing.capture_logs() as logs:
        assert await connect(upstream).list_tags(app) == ("good",)
    (line,) = logs
    assert (line["event"], line["count"], line["repository"]) == (
        "upstream.tags_skipped",
        len(hostile),
        "registry.test/team/app",
    )
    assert len(line["examples"]) == 3


async def test_ten_thousand_tags_are_no_matter(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Ten pages, ten requests."""
    digest = Digest.of(b"any")
    for number in range(10_000):
        upstream.tag(app.path, f"v{number}", digest)
    assert len(await connect(upstream).list_tags(app)) == 10_000
    assert len(upstream.requests) == 10


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"tags": {}}', b'{"tags": "a"}', b"{", b"\xff", b"{}" * 9, b"[" * 90_000]
)
async def test_what_is_no_list_is_an_error(upstream: Scripted, connect: Connect, app: Repository, body: bytes) -> None:
    """A document of another shape is never taken for an empty list."""
    upstream.when("tags/list", then=answer(200, body, {"Content-Type": "application/json"}))
    with pytest.raises(UpstreamError, match=r"registry.test sent what is no tag list"):
        await connect(upstream).list_tags(app)


async def test_a_missing_repository_is_named(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """404 is NotFoundError; a web page is not."""
    registries = connect(upstream)
    with pytest.raises(NotFoundError, match=r"registry.test/team/app: the tag list: .*no such repository"):
        await registries.list_tags(app)
    upstream.when("tags/list", then=page())
    with pytest.raises(UpstreamError, match="web page"):
        await registries.list_tags(app)

"""Cutting pages out of sorted lists."""

import json

from hypothesis import given
from hypothesis import strategies as st

from mirrord.serve.pages import cut
from mirrord.serve.routes import Page, TagList, Terms, parse_target

tags = st.lists(st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,5}", fullmatch=True), unique=True, max_size=20).map(sorted)


@given(listed=tags, size=st.integers(1, 7))
def test_following_the_links_gives_each_entry_once(listed: list[str], size: int) -> None:
    """No entry is lost or given twice between pages, and the links end."""
    whole = json.dumps({"name": "x", "tags": listed}).encode()
    found: list[str] = []
    page: Page | None = Page(size)
    while page is not None:
        paged = cut(whole, "tags", page, "/v2/x/tags/list")
        shown = json.loads(paged.document)["tags"]
        assert len(shown) <= size
        found += shown
        page = next_page(paged.link)
    assert found == listed


def next_page(link: str) -> Page | None:
    """The page that a Link leads to, read as the server reads it."""
    if not link:
        return None
    route = parse_target(link.removeprefix("<").partition(">")[0], "", Terms())
    assert isinstance(route, TagList)
    return route.page


@given(listed=tags, last=st.text(max_size=5))
def test_last_divides_the_list(listed: list[str], last: str) -> None:
    """What comes after ``last`` in byte order, whether or not it is an entry; for "" that is all."""
    whole = json.dumps({"name": "x", "tags": listed}).encode()
    shown = json.loads(cut(whole, "tags", Page(None, last), "/v2/x/tags/list").document)["tags"]
    assert shown == [tag for tag in listed if tag > last]


def test_the_whole_list_is_sent_as_it_lies_on_disk() -> None:
    """Without a question nothing is parsed: the bytes are those of the published document."""
    assert cut(b"not even JSON", "tags", Page(), "/v2/x/tags/list").document == b"not even JSON"

"""The page's files, from every server; what a browser makes of them is tested in tests/page."""

import pytest
from support.readers import Server

from mirrord.serve.page_files import HEADERS, PLACES, TYPES, page_file


@pytest.mark.parametrize("place", sorted(PLACES))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_page_is_served_with_its_rules(server: Server, place: str, method: str) -> None:
    """Each file with its type, and with the headers by which a browser runs nothing but the page's own script."""
    answer = server.ask(place, method)
    content = page_file(PLACES[place])
    assert (answer.status, answer.body) == (200, content if method == "GET" else b"")
    assert answer.headers["content-type"] == TYPES[PLACES[place]]
    assert answer.headers["content-length"] == str(len(content))
    assert {name: answer.headers.get(name.lower()) for name in HEADERS} == dict(HEADERS)
    assert not {"etag", "last-modified", "accept-ranges"} & answer.headers.keys()


def test_the_rules_are_the_pages_alone(server: Server) -> None:
    """What clients pull carries none of the page's headers."""
    for target in ("/v2/", "/v2/_catalog", "/v2/nginx/manifests/1", "/status/status.json", "/none"):
        assert "content-security-policy" not in server.ask(target).headers


def test_a_query_changes_nothing(server: Server) -> None:
    """Links with a query still lead to the page."""
    assert server.ask("/?utm=x").body == page_file("index.html")

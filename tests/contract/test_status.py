"""What the mirror tells of itself, from every server."""

import pytest
from support.readers import Server
from support.world import STATUS


@pytest.mark.parametrize("name", sorted(STATUS))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_status_files_are_served(server: Server, name: str, method: str) -> None:
    """Told: whoever may pull may read how fresh what is pulled is; never from a cache without asking."""
    answer = server.ask(f"/status/{name}", method)
    assert (answer.status, answer.body) == (200, STATUS[name].encode() if method == "GET" else b"")
    assert answer.headers["content-type"] == ("application/x-ndjson" if name.endswith("l") else "application/json")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-length"] == str(len(STATUS[name]))
    assert not {"etag", "last-modified", "accept-ranges"} & answer.headers.keys()

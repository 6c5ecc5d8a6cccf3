"""What is refused, and that refusing is quiet, from both servers."""

import pytest
from support.readers import HOST, Answer, Server

from mirrord.oci.digest import Digest

DIGEST = Digest.of(b"x")
LONG = "a" * 256


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_root_says_that_this_is_a_registry(server: Server, path: str, method: str) -> None:
    """Every client's first question; with a slash or without, and never a redirect."""
    answer = server.ask(path, method)
    assert (answer.status, answer.body) == (200, b"{}" if method == "GET" else b"")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["nginx/blobs/uploads/", "nginx/manifests/1.27", f"nginx/blobs/{DIGEST}", ""])
def test_nothing_can_be_written(server: Server, method: str, path: str) -> None:
    """Read-only: each method but GET and HEAD is 405, and the answer says which are allowed."""
    answer = server.ask(f"/v2/{path}", method, {"Content-Length": "0"})
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_large_upload_is_refused_before_it_is_sent(server: Server) -> None:
    """405, not 413: the size is not what is wrong, and nobody asks for the body (``100 Continue``)."""
    headers = {"Content-Length": str(1 << 40), "Expect": "100-continue"}
    assert server.ask("/v2/nginx/manifests/1.27", "PUT", headers).status == 405


@pytest.mark.parametrize(
    "target",
    [
        "/v2/library%2Fnginx/manifests/1.27",
        "/v2/nginx%2fmanifests/1.27",
        "/v2/nginx/../nginx/manifests/1.27",
        "/v2/nginx/..",
        "/v2/nginx/./manifests/1.27",
        "/v2/nginx/%2e%2e/nginx/manifests/1.27",
        "/v2//nginx/manifests/1.27",
        "//v2/nginx/manifests/1.27",
        "/v2/nginx//manifests/1.27",
        "/v2/nginx\\manifests/1.27",
        "/v2/nginx/manifests/1.27%00",
        "/v2/ngin%78/manifests/1.27",
        "/v2/nginx/manifests/%zz",
        f"/v2/{LONG}/manifests/1",
        f"/v2/{LONG}/tags/list",
        f"/v2/{'a/' * 3000}manifests/1",
        f"/v2/{'a-' * 1500}a/manifests/1",
        f"/v2/nginx/manifests/{'t' * 7000}",
        f"/{'x' * 4000}",
    ],
)
def test_a_hostile_target_is_refused(server: Server, target: str) -> None:
    """Refused as it was sent, before it is decoded, normalised or matched against anything costly."""
    answer = server.ask(target)
    assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize("name", ["_blobs", "nginx/_manifests", "Nginx", "nginx!x", "-a", "a-", "a..b", "a___b", "a:1"])
@pytest.mark.parametrize("last", ["manifests/1.27", "tags/list", f"blobs/{DIGEST}", f"referrers/{DIGEST}"])
def test_what_can_be_no_name_is_name_invalid(server: Server, name: str, last: str) -> None:
    """Directories of the tree are no repositories, and neither is what the grammar excludes."""
    answer = server.ask(f"/v2/{name}/{last}")
    assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/", "NAME_UNKNOWN"),
        ("/v2/nginx", "NAME_UNKNOWN"),
        ("/v2/nginx/", "NAME_UNKNOWN"),
        ("/v2/nginx/tags/", "NAME_UNKNOWN"),
        ("/v2/nginx/manifests", "NAME_UNKNOWN"),
        ("/v2/_catalog/", "NAME_UNKNOWN"),
        ("/v1/_ping", "NAME_UNKNOWN"),
        ("/root.json", "NAME_UNKNOWN"),
        ("/current/_catalog.json", "NAME_UNKNOWN"),
        ("/_tag/nginx/_manifests/x", "NAME_UNKNOWN"),
        ("/_e/405", "NAME_UNKNOWN"),
        ("/_page/v2/_catalog", "NAME_UNKNOWN"),
        ("/v2/nginx/blobs/uploads/", "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/nginx/blobs/uploads/1234", "BLOB_UPLOAD_UNKNOWN"),
    ],
)
def test_there_is_nothing_else(server: Server, target: str, code: str) -> None:
    """Neither the tree's own files nor what a server uses inside can be asked for."""
    answer = server.ask(target)
    assert (answer.status, answer.code) == (404, code)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("target", ["/v2/nginx/manifests/absent", "/v2/_x/tags/list", "/v2/nginx/blobs/x", "/none"])
def test_a_refusal_never_sends_a_client_elsewhere(server: Server, target: str) -> None:
    """No redirect, no challenge, no retry: a client goes on to its next mirror, or to the upstream, at once."""
    answer = server.ask(target)
    assert not {"location", "www-authenticate", "retry-after"} & answer.headers.keys()
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


def test_an_absolute_target_is_read_by_its_path(server: Server) -> None:
    """A proxy's form of the request line (RFC 9112, section 3.2.2) asks for the same."""
    answer: Answer = server.ask(f"http://{HOST}/v2/many/tags/list")
    assert (answer.status, answer.json()["name"]) == (200, "many")

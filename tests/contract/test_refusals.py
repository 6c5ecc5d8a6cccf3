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
@pytest.mark.parametrize(
    "target",
    [
        *("/v2/nginx/blobs/uploads/", "/v2/nginx/blobs/uploads/1?digest=x", "/v2/nginx/blobs/uploads/?mount=x&from=y"),
        *("/v2/nginx/manifests/1.27", "/v2/nginx/manifests/absent", f"/v2/nginx/manifests/{DIGEST}"),
        *(f"/v2/nginx/blobs/{DIGEST}", "/v2/nginx/blobs/sha256:0", f"/v2/nginx/referrers/{DIGEST}"),
        *("/v2/nginx/tags/list", "/v2/nginx/tags/list?n=1", "/v2/_catalog", "/v2/_catalog?n=1", "/v2/", "/v2"),
        *("/quay.io/v2/x/y/manifests/1", "/quay.io/v2/", "/v2/_blobs/manifests/1", "/v2/a%2Fb/manifests/1"),
        *("/status/status.json", "/", "/none", "/_e/405"),
    ],
)
def test_nothing_can_be_written(server: Server, method: str, target: str) -> None:
    """Read-only: each method but GET and HEAD is 405 on every path, and the answer says which are allowed."""
    answer = server.ask(target, method, {"Content-Length": "0"})
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": '"x"'},
        {"If-Match": f'"{DIGEST}"'},
        {"If-Match": "*, *"},
        {"If-Unmodified-Since": "Wed, 21 Oct 2015 07:28:00 GMT"},
        {"If-Unmodified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"If-Match": "*", "If-Unmodified-Since": "never"},
    ],
    ids=str,
)
def test_what_guards_a_write_is_refused(server: Server, headers: dict[str, str]) -> None:
    """An OCI error that says what to leave out, whatever was asked for: not a page of nginx's own, nor some content."""
    targets = ["/v2/", "/v2/_catalog", "/v2/many/tags/list", "/v2/many/tags/list?n=1", f"/v2/nginx/referrers/{DIGEST}"]
    for target in (*targets, "/v2/nginx/manifests/1.27", f"/v2/nginx/blobs/{DIGEST}", "/v2/_x/tags/list", "/", "/none"):
        answer = server.ask(target, headers=headers)
        assert (answer.status, answer.code) == (412, "UNSUPPORTED"), target
        assert answer.headers["content-type"] == "application/json"
    assert server.ask("/v2/../x", headers=headers).status == 400
    assert server.ask("/v2/", "POST", headers).status == 405


def test_any_content_will_do(server: Server) -> None:
    """`If-Match: *` guards nothing."""
    for target in ("/v2/", "/v2/nginx/manifests/1.27", "/v2/many/tags/list?n=1"):
        assert server.ask(target, headers={"If-Match": "*"}).status == 200


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
        f"/v2/{'a' * 5000}/manifests/1",
        f"/v2/{'a' * 5000}/tags/list",
        f"/v2/nginx/blobs/{'b' * 5000}",
        "/v2/nginx/manifests/..%2f..%2froot.json",
        "/v2/nginx/manifests/%2e%2e",
        "/v2/%2e%2e/%2e%2e/root.json",
        "/v2/../root.json",
        "/v2/nginx/../../current/_catalog.json",
        "/v2/nginx%00/manifests/1.27",
        "/v2/nginx/tags/list%00",
        "/v2/nginx/blobs/%00",
        "/v2/%252e%252e/manifests/1",
        "/v2/nginx/manifests/%ff",
        "/status/../root.json",
        "/status/%2e%2e/root.json",
        "/status//status.json",
        f"/{'x' * 4000}",
    ],
)
def test_a_hostile_target_is_refused(server: Server, target: str) -> None:
    """Refused as it was sent, before it is decoded, normalised or matched against anything costly."""
    answer = server.ask(target)
    assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize("size", [129, 200, 900])
def test_a_tag_that_is_too_long_is_unknown(server: Server, size: int) -> None:
    """It is no name of anything: MANIFEST_UNKNOWN, as all that is missing."""
    answer = server.ask(f"/v2/nginx/manifests/{'t' * size}")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")
    assert server.ask(f"/v2/nginx/manifests/{'t' * 128}").code == "MANIFEST_UNKNOWN"


@pytest.mark.parametrize(
    "line",
    [
        b"GET /v2/nginx\0/manifests/1.27 HTTP/1.1",
        b"GET /v2/nginx/manifests/1.27\0.html HTTP/1.1",
        b"GET /v2/nginx/manifests/\xff\xfe HTTP/1.1",
        b"GET /v2/nginx/manifests/ 1.27 HTTP/1.1",
        b"GET \\v2\\nginx HTTP/1.1",
        b"GET",
        b"\x16\x03\x01",
    ],
)
def test_what_is_no_request_is_refused(server: Server, line: bytes) -> None:
    """Bytes that can stand in no request line: 400 or 404 at once, and never a file."""
    begin = server.send(line + b"\r\nHost: x\r\n\r\n")
    assert not begin or begin.split()[1] in {b"400", b"401", b"404"}


@pytest.mark.parametrize("name", ["_blobs", "nginx/_manifests", "Nginx", "nginx!x", "-a", "a-", "a..b", "a___b", "a:1"])
@pytest.mark.parametrize("last", ["manifests/1.27", "tags/list", f"blobs/{DIGEST}", f"referrers/{DIGEST}"])
def test_what_can_be_no_name_is_name_invalid(server: Server, name: str, last: str) -> None:
    """Directories of the tree are no repositories, and neither is what the grammar excludes."""
    answer = server.ask(f"/v2/{name}/{last}")
    assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/index.html", "NAME_UNKNOWN"),
        ("/ui/", "NAME_UNKNOWN"),
        ("/ui/index.html", "NAME_UNKNOWN"),
        ("/status/page/index.html", "NAME_UNKNOWN"),
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
        ("/status", "NAME_UNKNOWN"),
        ("/status/", "NAME_UNKNOWN"),
        ("/status/absent.json", "NAME_UNKNOWN"),
        ("/status/status.txt", "NAME_UNKNOWN"),
        ("/status/repositories/absent.json", "NAME_UNKNOWN"),
        ("/status/repositories/_x.json", "NAME_UNKNOWN"),
        ("/status/repositories", "NAME_UNKNOWN"),
        ("/state/held.json", "NAME_UNKNOWN"),
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

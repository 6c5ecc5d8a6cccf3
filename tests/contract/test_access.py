"""Who may read, how much, and what is logged of it: `serve:` of the config, in a real nginx."""

import json
import selectors
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from msgspec.structs import replace
from support import nginx
from support.nginx import Nginx
from support.readers import Answer, Server, embedded
from support.tree import ScratchTree, readable_directory
from support.world import World

from mirrord.config.sections import Serve
from mirrord.demo import images
from mirrord.oci.digest import Digest
from mirrord.serve.nginx import NginxSite
from mirrord.serve.nginx_access import BURST

LAYER = 24 << 20
"""More than the buffers of a connection hold, so that a transfer goes on while its reader waits."""
BUSY = "more requests or connections than one client may have here"
ASKED = [
    ("/v2/nginx/manifests/1.27?a", "nginx", "1.27", "", 200),
    ("/v2/library/nginx/manifests/1.27?ns=docker.io", "nginx", "1.27", "docker.io", 200),
    ("/v2/x/y/manifests/1?ns=quay.io", "quay.io/x/y", "1", "quay.io", 200),
    ("/quay.io/v2/x/y/manifests/1", "quay.io/x/y", "1", "", 200),
    ("/v2/library/httpd/manifests/1", "web", "1", "", 200),
    ("/v2/library/missing/manifests/2.0", "missing", "2.0", "", 404),
    ("/v2/team/missing/manifests/v1?ns=ghcr.io", "ghcr.io/team/missing", "v1", "ghcr.io", 404),
    ("/v2/app/manifests/9?ns=lab.test%3A5000", "lab.test_5000/app", "9", "lab.test%3A5000", 404),
    (f"/v2/nginx/manifests/sha256:{'0' * 64}", "nginx", f"sha256:{'0' * 64}", "", 404),
    (f"/v2/nginx/blobs/sha256%3A{'0' * 64}", "nginx", f"sha256:{'0' * 64}", "", 404),
    (f"/v2/nginx/referrers/sha256:{'1' * 64}", "nginx", f"sha256:{'1' * 64}", "", 200),
    ("/v2/missing/tags/list", "missing", "", "", 404),
    ("/v2/many/tags/list?n=1&x", "many", "", "", 200),
    ("/v2/_catalog?log", "", "", "", 200),
    ("/v2/?log", "", "", "", 200),
    ("/v2/_x/manifests/log", "", "", "", 400),
    ("/v2/a%2Fb/manifests/log", "", "", "", 400),
]
"""Targets, and what the log has of each: repository, reference, ns and status."""
FIELDS = ["time", "client", "user", "method", "target", "ns", "repository", "reference", "status", "bytes", "duration"]


@contextmanager
def serving(site: NginxSite, serve: Serve) -> Iterator[Nginx]:
    """An nginx for the site with this access."""
    with readable_directory() as place, nginx.running(replace(site, serve=serve), place) as running:
        yield running


@pytest.mark.parametrize("networks", [("10.0.0.0/8", "2001:db8::/32"), ("127.0.0.2",)])
def test_a_stranger_is_denied_whatever_is_asked(site: NginxSite, networks: tuple[str, ...]) -> None:
    """403 DENIED, whatever address a header claims; and not a line in the error log."""
    with serving(site, Serve(allow=networks)) as running:
        server = Server(running.port)
        claimed = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP"), "10.1.2.3")
        for path in ("/v2/", "/v2/nginx/manifests/1.27", "/v2/absent/tags/list", "/status/status.json", "/a/../b"):
            for headers in ({}, claimed):
                answer = server.ask(path, headers=headers)
                assert (answer.status, answer.code) == (403, "DENIED")
                assert "www-authenticate" not in answer.headers
        assert running.error_log() == ""


def test_who_is_in_the_network_reads(site: NginxSite, world: World) -> None:
    """Addresses and networks, of both kinds."""
    with serving(site, Serve(allow=("10.0.0.0/8", "127.0.0.0/8", "::1"))) as running:
        assert Server(running.port).ask("/v2/nginx/manifests/1.27").body == world.image.manifest.raw


def ask_at_once(port: int, count: int) -> Iterator[Answer]:
    """Many requests at one moment, each on a connection of its own; the answers as they come."""
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            connection.sendall(b"GET /v2/nginx/manifests/1.27 HTTP/1.0\r\nHost: x\r\n\r\n")
            selector.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                selector.unregister(key.fileobj)
                assert isinstance(key.fileobj, socket.socket)
                yield rest_of(key.fileobj)


def rest_of(connection: socket.socket) -> Answer:
    """What is still to come."""
    with connection.makefile("rb") as stream:
        head, _, body = stream.read().partition(b"\r\n\r\n")
        return Answer(int(head.split()[1]), {}, body)


def test_a_client_that_asks_too_much_is_told_503(site: NginxSite) -> None:
    """A pull's worth passes at once, a little more waits, the rest is 503, on which clients go elsewhere."""
    with serving(site, Serve(requests_per_second=0.5)) as running:
        passed, refused = 0, 0
        for answer in ask_at_once(running.port, BURST + 60):
            assert answer.status in {200, 503}
            if answer.status == 200:
                passed += 1
            else:
                refused += 1
                assert answer.json()["errors"] == [{"code": "UNAVAILABLE", "message": BUSY}]
            if passed > BURST and refused:
                break
        assert running.error_log() == ""
        statuses = [line["status"] for line in running.access_log("/v2/nginx/manifests/1.27")]
        assert set(statuses) >= {200, 503}


def test_a_client_with_too_many_connections_is_told_503() -> None:
    """Transfers under way are counted; what is refused is not one of them."""
    with readable_directory() as place:
        tree = ScratchTree(place / "root")
        image = images.image("app", layers=[images.layer("large", LAYER)])
        tree.publish({"app": {"1": image}})
        blob = f"GET /v2/app/blobs/{Digest.of(image.blobs[1])} HTTP/1.0\r\n\r\n".encode()
        with serving(NginxSite(tree.root), Serve(connections=2)) as running, ExitStack() as stack:
            server = Server(running.port)
            for _ in range(2):
                assert server.ask("/v2/app/manifests/1").status == 200
                slow = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
                slow.sendall(blob)
                assert slow.recv(1000).startswith(b"HTTP/1.1 200")
            answer = server.ask("/v2/app/manifests/1")
            assert (answer.status, answer.json()["errors"][0]["message"]) == (503, BUSY)
            assert "retry-after" not in answer.headers
            assert running.error_log() == ""


def test_the_status_files_can_be_kept_private(site: NginxSite, world: World) -> None:
    """`serve: {status: false}` is a 404 from both servers; the page stays: it shows what `/v2/` tells."""
    with readable_directory() as place, serving(site, Serve(status=False)) as running:
        config = place / "mirrord.yaml"
        config.write_text(f"root: {world.tree.root}\nimages: [nginx]\nserve: {{status: false}}\n")
        with embedded(place, "--config", str(config)) as daemon:
            for server in (Server(running.port), daemon.server):
                answer = server.ask("/status/status.json")
                assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
                assert {server.ask(path).status for path in ("/", "/v2/nginx/manifests/1.27")} == {200}


def test_a_request_is_one_line_with_what_it_asked_for(stock_nginx: Nginx) -> None:
    """Told: who asked for which image of the mirror, also where there is none, by whatever name."""
    for target, *_ in ASKED:
        Server(stock_nginx.port).ask(target, headers={"User-Agent": 'say "hi"\\', "X-Forwarded-For": "10.9.9.9"})
    for target, *expected in ASKED:
        (line,) = stock_nginx.access_log(target)
        assert list(line) == [*FIELDS, "agent"]
        assert [line["repository"], line["reference"], line["ns"], line["status"]] == expected
        assert (line["client"], line["method"], line["agent"]) == ("127.0.0.1", "GET", 'say "hi"\\')
        assert line["duration"] >= 0


def test_what_is_refused_is_logged_too(stock_nginx: Nginx) -> None:
    """Writes and hostile targets have their line, and no byte of them breaks another."""
    server = Server(stock_nginx.port)
    server.ask("/v2/nginx/manifests/new-tag-by-put", "PUT", {"Content-Length": "0"})
    assert [line["status"] for line in stock_nginx.access_log("/v2/nginx/manifests/new-tag-by-put")] == [405]
    for line in (b'GET /v2/"\\\xff\x01{} HTTP/1.1', b"GET", b'G"T / HTTP/1.1', b"\x16\x03\x01"):
        server.send(line + b'\r\nHost: x\r\nUser-Agent: \xff"\\\x7f\r\n\r\n')
    server.ask("/v2/nginx/manifests/after-it")
    assert stock_nginx.access_log("/v2/nginx/manifests/after-it")
    for text in (stock_nginx.directory / "mirrord.log").read_bytes().splitlines():
        assert isinstance(json.loads(text.decode(errors="replace"))["status"], int)


def test_a_transfer_is_logged_with_its_bytes(stock_nginx: Nginx, world: World) -> None:
    """What left the host, by range or whole."""
    digest, content = world.layer
    target = f"/v2/nginx/blobs/{digest}?bytes"
    Server(stock_nginx.port).ask(target)
    Server(stock_nginx.port).ask(target, headers={"Range": "bytes=0-99"})
    assert sorted(line["bytes"] for line in stock_nginx.access_log(target)) in ([100, len(content)], [len(content)])

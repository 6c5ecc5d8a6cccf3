"""What holds for an nginx with TLS, HTTP/2 and passwords alone; the whole suite runs against it too."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.guarded import Guarded
from support.programs import program
from support.readers import Answer, Server
from support.world import World

from mirrord.oci.digest import Digest

ABSENT = Digest.of(b"absent")
CHANGES = {"date", "connection", "keep-alive"}
"""Headers of one answer alone, and of HTTP/1.1 alone."""


def by_http2(server: Server, target: str, place: Path, method: str = "GET", headers: tuple[str, ...] = ()) -> Answer:
    """Ask by HTTP/2, with curl."""
    body, head = place / "body", place / "head"
    body.write_bytes(b"")
    command = [program("curl", "curl"), "--silent", "--show-error", "--http2", "--path-as-is", "--globoff"]
    command += ["--cacert", str(server.authority), "--user", server.login, "--output", str(body)]
    command += ["--dump-header", str(head), "--write-out", "%{http_version}"]
    command += ["--head"] if method == "HEAD" else ["--request", method]
    command += [word for header in ("Host: registry.test", *headers) for word in ("--header", header)]
    done = subprocess.run([*command, f"{server.url}{target}"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "2"), done.stderr
    status, *lines = head.read_text().strip().splitlines()
    named = dict(line.split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), named, b"" if method == "HEAD" else body.read_bytes())


@pytest.mark.parametrize(
    "target",
    [
        *("/v2/", "/v2", "/v2/_catalog", "/v2/_catalog?n=2", "/v2/many/tags/list", "/v2/many/tags/list?n=3&last=v1"),
        *(
            "/v2/nginx/manifests/1.27",
            "/v2/nginx/manifests/index",
            "/v2/nginx/manifests/absent",
            "{manifest}",
            "{blob}",
        ),
        *("{referrers}", "/v2/x/y/manifests/1?ns=quay.io", "/v2/app/manifests/1?ns=lab.test%3A5000"),
        *("/quay.io/v2/x/y/manifests/1", "/v2/library/nginx/manifests/1.27", "/v2/absent/tags/list", "/none"),
        *("/v2/a%2Fb/manifests/1", "/v2/nginx/../nginx/manifests/1.27", "/v2/_blobs/manifests/1", "/status/runs.jsonl"),
        *("/v2/nginx/blobs/sha256:0", "/v2/nginx/blobs/uploads/"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_http2_answers_what_http_answers(
    guarded: Guarded, world: World, tmp_path: Path, target: str, method: str
) -> None:
    """Status, headers and body of every kind of answer: the version is a matter of the wire."""
    asked = target.format(
        manifest=f"/v2/nginx/manifests/{world.index.digest}",
        blob=f"/v2/nginx/blobs/{world.layer[0]}",
        referrers=f"/v2/nginx/referrers/{world.image.digest}",
    )
    new, old = by_http2(guarded.server, asked, tmp_path, method), guarded.server.ask(asked, method)
    assert (new.status, new.body) == (old.status, old.body)
    assert {k: v for k, v in new.headers.items() if k not in CHANGES} == {
        k: v for k, v in old.headers.items() if k not in CHANGES
    }


def test_http2_resumes_and_revalidates(guarded: Guarded, world: World, tmp_path: Path) -> None:
    """Ranges and conditions, by HTTP/2."""
    digest, content = world.layer
    part = by_http2(guarded.server, f"/v2/nginx/blobs/{digest}", tmp_path, headers=("Range: bytes=9-99",))
    assert (part.status, part.body) == (206, content[9:100])
    known = by_http2(guarded.server, "/v2/nginx/manifests/1.27", tmp_path, headers=("If-None-Match: *",))
    assert (known.status, known.body) == (304, b"")


@pytest.mark.parametrize("login", ["", "reader:wrong", "stranger:let me: in", "reader:", ":"])
@pytest.mark.parametrize(
    "target",
    [
        *("/v2/", "/v2", "/quay.io/v2/", "/v2/_catalog", "/v2/_catalog?n=1", "/v2/nginx/tags/list"),
        *("/v2/nginx/tags/list?n=1", "/v2/absent/tags/list", "/v2/nginx/manifests/1.27", "/v2/nginx/manifests/absent"),
        *(
            "/v2/absent/manifests/1",
            f"/v2/nginx/manifests/{ABSENT}",
            f"/v2/nginx/blobs/{ABSENT}",
            "{manifest}",
            "{blob}",
        ),
        *("{referrers}", f"/v2/absent/referrers/{ABSENT}", "/v2/_x/manifests/1", "/v2/nginx/blobs/sha256:0", "/none"),
        *("/quay.io/v2/x/y/manifests/1", "/status/status.json", "/status/absent.json", "/", "/ui/page.js"),
    ],
)
def test_without_the_password_every_answer_is_the_same(guarded: Guarded, world: World, target: str, login: str) -> None:
    """401 with a challenge, and nothing that tells what is here: not what exists, nor what would be malformed."""
    asked = target.format(
        manifest=f"/v2/nginx/manifests/{world.index.digest}",
        blob=f"/v2/nginx/blobs/{world.layer[0]}",
        referrers=f"/v2/nginx/referrers/{world.image.digest}",
    )
    stranger = replace(guarded.server, login=login)
    for headers in ({}, {"If-None-Match": "*"}):
        answer = stranger.ask(asked, headers=headers)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"] == 'Basic realm="mirror"'
        assert answer.headers["content-type"] == "application/json"
        assert "docker-content-digest" not in answer.headers


def test_plain_http_to_the_tls_port_is_told(guarded: Guarded) -> None:
    """A client without https gets a 400 that says so, as JSON."""
    answer = Server(guarded.nginx.port).ask("/v2/")
    assert (answer.status, answer.json()["errors"][0]["message"]) == (400, "plain HTTP was sent to an https port")


def test_old_tls_is_refused(guarded: Guarded) -> None:
    """Nothing older than TLS 1.2."""
    command = [program("curl", "curl"), "--silent", "--insecure", "--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0"]
    done = subprocess.run([*command, f"{guarded.server.url}/v2/"], capture_output=True, check=False, timeout=60)
    assert done.returncode == 35  # no connection could be agreed on


def test_the_log_has_the_user(guarded: Guarded) -> None:
    """Who pulled, where readers have names."""
    guarded.server.ask("/v2/nginx/manifests/1.27?who")
    (line,) = guarded.nginx.access_log("/v2/nginx/manifests/1.27?who")
    assert (line["user"], line["status"]) == ("reader", 200)

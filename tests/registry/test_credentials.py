"""Logins from helpers and files as a run goes on: asked for, taken up when they change, and exchanged for tokens."""

import base64
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from support.clock import run_virtually
from support.helpers import answering, install_helper, use_helpers
from support.registries import APP, Connect
from support.scripted import Scripted

from mirrord.demo import images
from mirrord.demo.access import Basic, Tokens
from mirrord.errors import AccessError, ConfigError
from mirrord.registry.docker_config import Helper
from mirrord.registry.helper import ask_helper
from mirrord.registry.login import Login

BUILT = images.image("one")
KEY = "registries.registry.test.credential_helper"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in the PATH for helpers."""
    use_helpers(tmp_path / "bin", monkeypatch)
    return tmp_path / "bin"


async def test_a_helper_is_asked_for_its_server(programs: Path) -> None:
    """``get``, with the server on standard input, as Docker asks it; ``<token>`` makes an identity token of it."""
    asked = programs / "asked"
    install_helper(programs, "x", f"open({str(asked)!r}, 'w').write(sys.argv[1] + server)\n{answering('me', 'pw')}")
    assert await ask_helper(KEY, Helper("x", "r.test:5000")) == Login("me", "pw")
    assert asked.read_text() == "getr.test:5000"
    install_helper(programs, "x", answering("<token>", "idt"))
    assert await ask_helper(KEY, Helper("x", "r.test")) == Login("<token>", "idt", is_identity=True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('credentials not found in native keychain'); sys.exit(1)", "has no login for r.test"),
        ("print('no valid providers in chain'); sys.exit(1)", "failed for r.test with status 1: no valid providers"),
        ('print(\'{"Secret": "canary"}\'); sys.exit(3)', "failed for r.test with status 3$"),
        ("print('canary')", "without Username and Secret"),
        ('print(\'{"Username": "canary"}\')', "without Username and Secret"),
        ('print(\'{"Username": 1, "Secret": "canary"}\')', "without Username and Secret"),
        ("print('canary' * 100000)", "more than 65536 bytes"),
        ("while True: os.write(1, b'canary' * 10000)", "more than 65536 bytes"),
        ("os.kill(os.getpid(), 9)", "failed for r.test with status -9"),
        ("sys.exit(0)", "without Username and Secret"),
    ],
)
async def test_a_helper_that_fails_is_told(programs: Path, body: str, words: str) -> None:
    """The key, the program and its own words, but nothing that may be a secret; its output is bounded."""
    install_helper(programs, "x", body)
    with pytest.raises(ConfigError, match=f"{re.escape(KEY)}: docker-credential-x .*{words}") as raised:
        await ask_helper(KEY, Helper("x", "r.test"))
    assert "canary" not in str(raised.value)


def test_a_helper_has_ten_seconds(programs: Path) -> None:
    """One that hangs is ended, with what it started; the error says how to look into it."""
    child = programs / "child"
    body = f"""import subprocess
p = subprocess.Popen(['sleep', '300'])
open({str(child)!r}, 'w').write(str(p.pid))
p.wait()"""
    install_helper(programs, "x", body)
    words = r"no answer for r\.test within 10 s.*echo r\.test \| docker-credential-x get"
    with pytest.raises(ConfigError, match=words):
        run_virtually(ask_helper(KEY, Helper("x", "r.test")))
    if child.exists() and child.read_text():
        state = Path(f"/proc/{child.read_text()}/stat")
        until = time.monotonic() + 30  # who is killed ends once it is scheduled
        while _is_alive(state) and time.monotonic() < until:
            time.sleep(0.01)
        assert not _is_alive(state)


def _is_alive(state: Path) -> bool:
    try:
        return state.read_text().split()[2] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_missing_helper_is_told() -> None:
    """The program's whole name stands in the error."""
    with pytest.raises(ConfigError, match="docker-credential-none is not in the PATH; install it"):
        await ask_helper(KEY, Helper("none", "r.test"))


@pytest.mark.parametrize("kind", [Basic, Tokens])
async def test_a_helpers_new_answer_is_taken_up(connect: Connect, programs: Path, kind: type[Basic | Tokens]) -> None:
    """A login that is refused in the middle of a run is asked for again, and the image does not fail."""
    install_helper(programs, "x", answering("me", "old"))
    async with Scripted.running(kind("me", "old")) as upstream:
        upstream.push(APP.path, BUILT, "1")
        registries = connect(upstream, credential_helper="x")
        await registries.get_manifest(APP, "1")
        upstream.access = kind("me", "new")
        install_helper(programs, "x", answering("me", "new"))
        assert await registries.get_manifest(APP, "1") == BUILT.manifest


async def test_a_helper_is_not_asked_for_each_refused_image(connect: Connect, programs: Path) -> None:
    """A login that stays refused costs two questions, not one an image."""
    count = programs / "count"
    install_helper(programs, "x", f"open({str(count)!r}, 'a').write('x')\n{answering('me', 'wrong')}")
    async with Scripted.running(Basic("me", "right")) as upstream:
        registries = connect(upstream, credential_helper="x")
        for _ in range(10):
            with pytest.raises(AccessError, match="refuses user 'me'"):
                await registries.get_manifest(APP, "1")
    assert count.read_text() == "xx"


@pytest.mark.parametrize("kind", [Basic, Tokens])
@pytest.mark.parametrize("source", ["password_file", "docker_config"])
async def test_a_changed_file_is_taken_up(
    connect: Connect, tmp_path: Path, source: str, kind: type[Basic | Tokens]
) -> None:
    """A rotated password needs no restart: the file is read again when the login was refused, also in a long run."""
    path = tmp_path / "secret"

    def write(password: str) -> None:
        auth = base64.b64encode(f"me:{password}".encode()).decode()
        document = json.dumps({"auths": {"registry.test": {"auth": auth}}})
        path.write_text(password if source == "password_file" else document)

    write("old")
    keys: Mapping[str, str] = {"username": "me"} if source == "password_file" else {}
    async with Scripted.running(kind("me", "new")) as upstream:
        upstream.push(APP.path, BUILT, "1")
        registries = connect(upstream, **{source: str(path)}, **keys)
        with pytest.raises(AccessError, match="refuses user 'me'"):
            await registries.get_manifest(APP, "1")
        write("new")
        assert await registries.get_manifest(APP, "1") == BUILT.manifest


class OAuth(Scripted):
    """An upstream whose realm takes identity tokens."""

    forms: list[dict[str, list[str]]]

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Exchange a refresh token."""
        if request.path == "/token":
            self.forms = [*getattr(self, "forms", []), parse_qs(await request.text())]
            if request.method != "POST" or self.forms[-1]["refresh_token"] != ["idt"]:
                return web.json_response({"error": "invalid_grant"}, status=400)
            assert isinstance(self.access, Tokens)
            self.access.valid["opened"] = APP.path
            return web.json_response({"access_token": "opened", "expires_in": 300})
        return await super().respond(request)


async def test_an_identity_token_is_exchanged(connect: Connect, tmp_path: Path) -> None:
    """OAuth2's refresh-token POST: the token goes in the body, and never as Basic."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {"registry.test": {"auth": "bWU6", "identitytoken": "idt"}}}))
    async with OAuth.running(Tokens()) as upstream:
        upstream.push(APP.path, BUILT, "1")
        registries = connect(upstream, docker_config=str(path))
        assert await registries.get_manifest(APP, "1") == BUILT.manifest
        (form,) = upstream.forms
        assert form["grant_type"] == ["refresh_token"]
        assert form["scope"] == ["repository:team/app:pull"]
        assert form["service"] == ["demo upstream"]
        assert not any("Basic" in asked.headers.get("Authorization", "") for asked in upstream.requests)


async def test_a_refused_identity_token_is_the_configs_move(connect: Connect, tmp_path: Path) -> None:
    """One that has run out is told as such, and not shown again and again."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {"registry.test": {"identitytoken": "canary"}}}))
    async with OAuth.running(Tokens()) as upstream:
        registries = connect(upstream, docker_config=str(path))
        for _ in range(4):
            with pytest.raises(
                AccessError, match=r"refuses an identity token.*log in again where it is kept"
            ) as raised:
                await registries.get_manifest(APP, "1")
        assert len(upstream.forms) == 1
    assert "canary" not in str(raised.value)


async def test_a_registry_token_is_borne_as_it_is(upstream: Scripted, connect: Connect, tmp_path: Path) -> None:
    """From the first request on, and to no realm; a new one in the file is taken up when the old one is refused."""
    tokens = Tokens(valid={"rt-old": APP.path})
    upstream.access = tokens
    upstream.push(APP.path, BUILT, "1")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {"registry.test": {"registrytoken": "rt-old"}}}))
    registries = connect(upstream, docker_config=str(path))
    assert await registries.get_manifest(APP, "1") == BUILT.manifest
    assert [asked.headers["Authorization"] for asked in upstream.requests] == ["Bearer rt-old"]
    tokens.valid = {"rt-new": APP.path}
    path.write_text(json.dumps({"auths": {"registry.test": {"registrytoken": "rt-new"}}}))
    assert await registries.get_manifest(APP, "1") == BUILT.manifest
    assert upstream.requests[-1].headers["Authorization"] == "Bearer rt-new"
    tokens.valid = {}
    with pytest.raises(AccessError, match=r"refuses a registry token.*log in again where it is kept") as raised:
        await registries.get_manifest(APP, "1")
    assert "rt-new" not in str(raised.value)
    assert upstream.asked("/token") == 0

"""A whole failing run against an upstream that repeats whatever it is sent: no secret is anywhere afterwards."""

import base64
import json
import os
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web
from support.helpers import answering, install_helper
from support.mirror import Mirror
from support.proxy import SmallProxy
from support.scripted import Scripted

from mirrord.config.loader import load
from mirrord.config.problem import HIDDEN
from mirrord.errors import MirrordError
from mirrord.oci.reference import Repository
from mirrord.registry.backoff import Backoff
from mirrord.registry.client import Registries

USER = "canary-user"
SOURCES = (
    "inline",
    "file",
    "env",
    "credential",
    "docker",
    "identity",
    "registrytoken",
    "helper",
    "helped-identity",
    "proxy",
)
WAYS = ("basic", "token", "denied", "broken", "page")
"""How the upstream fails a repository: refused Basic, refused at the realm, 403, 500, a web page."""


def canary(source: str) -> str:
    """The secret of one source."""
    return f"canary-{source}-s3cret"


class Echo(Scripted):
    """Repeats the login it is sent, in clear and as it came, in its errors."""

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Fail in the way that the repository's name says."""
        sent = request.headers.get("Authorization", "")
        way = next((way for way in WAYS if f"/{way}/" in request.path), "token")
        if request.path == "/token":
            if "denied" in request.query.get("scope", "") or request.method == "POST":
                return self._failure(request, 400, await request.text())
            return self._failure(request, 401, "")
        if not sent:
            realm = f'Bearer realm="{request.scheme}://{request.host}/token",service="s"'
            header = 'Basic realm="r"' if way != "token" else realm
            return web.Response(status=401, headers={"WWW-Authenticate": header})
        status = {"basic": 401, "token": 401, "denied": 403, "broken": 500, "page": 200}[way]
        return self._failure(request, status, "")

    def _failure(self, request: web.Request, status: int, body: str) -> web.Response:
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        plain = base64.b64decode(sent).decode() if scheme == "Basic" else sent
        alone = base64.b64encode(plain.partition(":")[2].encode()).decode()
        words = f"{scheme} {sent} is {plain} or {alone} {body}"
        kind = "text/html" if "/page/" in request.path else "application/json"
        errors = json.dumps({"errors": [{"code": "DENIED", "message": words}]})
        return web.Response(status=status, text=errors, content_type=kind)


@pytest.fixture
async def proxy() -> AsyncIterator[SmallProxy]:
    """A proxy that wants a login."""
    async with SmallProxy.running(f"me:{canary('proxy')}") as running:
        yield running


def keys_of(place: Path, proxy: SmallProxy) -> Mapping[str, str]:
    """By source, the keys of a registry that has its secret there, all of them written."""
    (place / "password").write_text(canary("file"))
    (place / "credentials").mkdir()
    (place / "credentials" / "hub").write_text(canary("credential"))
    auth = base64.b64encode(f"{USER}:{canary('docker')}".encode()).decode()
    docker = {
        "docker.test": {"auth": auth},
        "identity.test": {"identitytoken": canary("identity")},
        "registrytoken.test": {"registrytoken": canary("registrytoken")},
    }
    (place / "config.json").write_text(json.dumps({"auths": docker, "credHelpers": {"helped-identity.test": "idt"}}))
    install_helper(place / "bin", "pw", answering(USER, canary("helper")))
    install_helper(place / "bin", "idt", answering("<token>", canary("helped-identity")))
    user = f"username: {USER}"
    return {
        "inline": f"{user}, password: {canary('inline')}",
        "file": f"{user}, password_file: password",
        "env": f"{user}, password_env: CANARY",
        "credential": f"{user}, password_credential: hub",
        "docker": "docker_config: config.json",
        "identity": "docker_config: config.json",
        "registrytoken": "docker_config: config.json",
        "helper": "credential_helper: pw",
        "helped-identity": "docker_config: config.json",
        "proxy": f'proxy: "http://me:{canary("proxy")}@127.0.0.1:{proxy.port}"',
    }


def forms_of(secret: str) -> Iterator[str]:
    """A secret as it may turn up: plain, in base64, as ``user:pass``, and quoted for a URL."""
    for text in (secret, f"{USER}:{secret}", f"me:{secret}", f"<token>:{secret}", f":{secret}"):
        yield text
        yield base64.b64encode(text.encode()).decode()
        yield base64.b64encode(text.encode()).decode().rstrip("=")[:-1]


def assert_no_secret(text: str, where: str) -> None:
    """No canary stands in ``text``, in any form."""
    for source in SOURCES:
        for form in forms_of(canary(source)):
            assert form not in text, (
                f"{where} shows the secret of {source}: …{text[max(0, text.find(form) - 200) :][:500]}"
            )


@pytest.fixture
async def failing(mirror: Mirror, proxy: SmallProxy) -> AsyncIterator[Mirror]:
    """A mirror whose every image fails, each registry with a login from another source."""
    async with Echo.running() as echo:
        keys = keys_of(mirror.place, proxy)
        registries = "".join(f"  {name}.test: {{endpoint: {echo.url!r}, {each}}}\n" for name, each in keys.items())
        names = "".join(f"  - {name}.test/{way}/app:1\n" for name in SOURCES for way in WAYS)
        mirror.config.write_text(
            f"root: {mirror.root}\nlimits: {{attempts: 1}}\nlog: {{level: debug}}\n"
            f"registries:\n{registries}images:\n{names}"
        )
        mirror.environment = {
            "CANARY": canary("env"),
            "CREDENTIALS_DIRECTORY": str(mirror.place / "credentials"),
            "PATH": f"{mirror.place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        yield mirror


async def test_a_failing_run_shows_no_secret(failing: Mirror) -> None:
    """Nothing that commands print or log at their most talkative, and no file below the root, has any."""
    for arguments in (("-v", "sync"), ("-v", "sync", "--json"), ("images",), ("check",), ("config", "show")):
        done = await failing.command(*arguments)
        assert done.err or done.out
        assert_no_secret(done.out, f"{arguments}' output")
        assert_no_secret(done.err, f"{arguments}' log")
        if arguments == ("-v", "sync"):
            assert done.err.count("image.failed") == len(SOURCES) * len(WAYS), done.err[-2000:]
            assert HIDDEN in done.out, "the upstream repeated nothing: the search proves nothing"
    for path in failing.root.rglob("*"):
        if path.is_file():
            assert_no_secret(path.read_text(errors="replace"), str(path))


async def test_errors_tracebacks_and_reprs_show_no_secret(failing: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do the errors as Python shows them, with all that caused them, nor any object that the room is made of."""
    for name, value in failing.environment.items():
        monkeypatch.setenv(name, value)
    config = load(failing.config)
    assert_no_secret(repr(config), "the config's repr")
    async with Registries(config.registries, config.limits, Backoff(0.001, 0.002)) as registries:
        for name in SOURCES:
            for way in WAYS:
                with pytest.raises(MirrordError) as raised:
                    await registries.get_manifest(Repository(f"{name}.test", f"{way}/app"), "1")
                shown = "".join(traceback.format_exception(raised.value))
                assert_no_secret(f"{raised.value!r} {raised.value} {shown}", f"the error of {name}/{way}")
        for text in reprs_of(registries):
            assert_no_secret(text, "a repr")


def reprs_of(start: object) -> Iterator[str]:
    """The repr of an object and of all of mirrord's own that it is made of."""
    seen: set[int] = set()
    waiting: list[object] = [start]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            waiting += each
        elif type(each).__module__.startswith("mirrord."):
            yield repr(each)
            slots = [name for kind in type(each).__mro__ for name in getattr(kind, "__slots__", ())]
            names = [*vars(each)] if hasattr(each, "__dict__") else slots
            waiting += [getattr(each, name) for name in names if hasattr(each, name)]


def test_the_search_finds_what_it_looks_for() -> None:
    """Each form of each canary is found where it stands."""
    encoded = base64.b64encode(f"{USER}:{canary('env')}".encode()).decode()
    for text in (canary("env"), encoded, f"x{base64.b64encode(canary('proxy').encode()).decode()}y"):
        with pytest.raises(AssertionError, match="shows the secret"):
            assert_no_secret(text, "it")

"""Proxies: the config's and the environment's, by a real one; who needs none, and what never shows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.authority import Authority, make_authority
from support.docker_registry import free_port
from support.proxy import SmallProxy
from support.registries import APP, Connect
from support.scripted import Scripted, redirect
from support.sink import MemorySink
from yarl import URL

from mirrord.config.model import Limits
from mirrord.demo import images
from mirrord.errors import ConfigError, NetworkError
from mirrord.registry import tap
from mirrord.registry.proxies import Proxies, Proxy

BUILT = images.image("one")
SECRET = "pr0xy-canary"  # noqa: S105 - what must not be seen


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Certificates for a server and a client."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def secure(authority: Authority) -> AsyncIterator[Scripted]:
    """A registry that speaks TLS."""
    upstream = Scripted()
    upstream.push(APP.path, BUILT, "1")
    async with upstream.served(tls=authority.server()):
        yield upstream


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://r.test/v2/", {}, None),
        ("https://r.test/v2/", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://r.test/v2/", {"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "http://p:1"),
        ("https://r.test/v2/", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("https://r.test/v2/", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://r.test/v2/", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("https://localhost/", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://127.0.0.1:5000/", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://[::1]:5000/", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://r.test/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "r.test"}, None),
        ("https://a.r.test/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x.test, r.test"}, None),
        ("https://a.r.test/", {"HTTPS_PROXY": "http://p:1", "no_proxy": ".R.test"}, None),
        ("https://ar.test/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "r.test"}, "http://p:1"),
        ("https://r.test/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*.r.test"}, "http://p:1"),
        ("https://r.test/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://r.test:5000/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "r.test:5000"}, None),
        ("https://r.test/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "r.test:5000"}, "http://p:1"),
        ("https://10.1.2.3/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("https://11.1.2.3/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8,r"}, "http://p:1"),
        ("https://[fd00::1]/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "fd00::/8"}, None),
        ("https://r.test/", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": " , ,"}, "http://p:1"),
    ],
)
def test_the_environment_is_read_as_usual(url: str, environment: dict[str, str], expected: str | None) -> None:
    """By scheme, in either case; NO_PROXY has names and what is below them, addresses, networks, ports, and ``*``."""
    found = Proxies(environment).of(URL(url))
    assert (found and str(found.url)) == expected


def test_a_proxys_login_never_shows() -> None:
    """Neither in what is shown of it, nor where it is no proxy."""
    proxy = Proxy.parse(f"http://me:{SECRET}@p:3128", "HTTPS_PROXY")
    assert SECRET not in f"{proxy!r} {proxy} {proxy.url}"
    with pytest.raises(ConfigError, match="HTTPS_PROXY: what is set is not the URL") as raised:
        Proxy.parse(f"socks5://me:{SECRET}@p:1", "HTTPS_PROXY")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("login", ["", f"me:{SECRET}"])
async def test_tls_goes_through_a_tunnel(secure: Scripted, connect: Connect, authority: Authority, login: str) -> None:
    """CONNECT to the registry's own name, certificate verified from end to end; the registry sees no proxy's login."""
    async with SmallProxy.running(login) as proxy:
        at = f"{login}@" if login else ""
        keys = {"proxy": f"http://{at}127.0.0.1:{proxy.port}", "ca_file": str(authority.ca)}
        assert await connect(secure, **keys).get_manifest(APP, "1") == BUILT.manifest
    assert proxy.lines == [f"CONNECT {secure.host} HTTP/1.1"]
    assert "Proxy-Authorization" not in secure.requests[0].headers


@pytest.mark.parametrize("login", ["", f"me:{SECRET}"])
async def test_plain_http_goes_through_too(upstream: Scripted, connect: Connect, login: str) -> None:
    """The whole URL in the request line, and the login for the proxy in it."""
    upstream.push(APP.path, BUILT, "1")
    async with SmallProxy.running(login) as proxy:
        at = f"{login}@" if login else ""
        registries = connect(upstream, proxy=f"http://{at}127.0.0.1:{proxy.port}")
        assert await registries.get_manifest(APP, "1") == BUILT.manifest
    assert proxy.lines == [f"GET {upstream.url}/v2/team/app/manifests/1 HTTP/1.1"]


@pytest.mark.parametrize("login", ["", f"me:{SECRET}"])
async def test_a_proxy_may_be_spoken_to_by_tls(
    secure: Scripted, connect: Connect, authority: Authority, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``https://proxy``: its certificate is verified, and within its TLS the tunnel has the registry's own."""
    monkeypatch.setattr(tap, "LEAST", 1)  # a body that long would be read from the socket, were there one TLS
    content = bytes(3 << 20)
    secure.add_blob(APP.path, content)
    async with SmallProxy.running(login, authority.server()) as proxy:
        at = f"{login}@" if login else ""
        keys = {"proxy": f"https://{at}127.0.0.1:{proxy.port}", "ca_file": str(authority.ca)}
        registries = connect(secure, **keys)
        assert await registries.get_manifest(APP, "1") == BUILT.manifest
        sink = MemorySink()
        await registries.fetch_blob(APP, images.descriptor(content), sink)
        assert sink.content == content
        with pytest.raises(NetworkError, match="certificate"):
            await connect(secure, Limits(attempts=1), proxy=keys["proxy"]).get_manifest(APP, "1")
    assert set(proxy.lines) == {f"CONNECT {secure.host} HTTP/1.1"}


@pytest.mark.parametrize("login", ["", f"me:{SECRET}"])
async def test_plain_http_goes_by_tls_to_such_a_proxy(
    upstream: Scripted, connect: Connect, authority: Authority, login: str
) -> None:
    """A plain registry behind it is asked for by its whole URL, within the proxy's TLS."""
    upstream.push(APP.path, BUILT, "1")
    async with SmallProxy.running(login, authority.server()) as proxy:
        at = f"{login}@" if login else ""
        keys = {"proxy": f"https://{at}127.0.0.1:{proxy.port}", "ca_file": str(authority.ca)}
        assert await connect(upstream, **keys).get_manifest(APP, "1") == BUILT.manifest
    assert proxy.lines == [f"GET {upstream.url}/v2/team/app/manifests/1 HTTP/1.1"]


async def test_the_environments_proxy_is_used(
    upstream: Scripted, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that is not on this machine goes through HTTP_PROXY; one named in NO_PROXY does not."""
    upstream.push(APP.path, BUILT, "1")
    async with SmallProxy.running() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        upstream.url = upstream.url.replace("127.0.0.1", "registry.invalid")
        with pytest.raises(NetworkError):  # the proxy has no address for it either
            await connect(upstream, Limits(attempts=1)).get_manifest(APP, "1")
        assert proxy.lines[0].startswith("GET http://registry.invalid:")
        seen = len(proxy.lines)
        monkeypatch.setenv("NO_PROXY", "registry.invalid")
        with pytest.raises(NetworkError, match="no address"):
            await connect(upstream, Limits(attempts=1)).get_manifest(APP, "1")
        assert len(proxy.lines) == seen


async def test_a_proxy_that_wants_a_login_is_told(secure: Scripted, connect: Connect, authority: Authority) -> None:
    """407: its name and key, and what to do; a wrong login is not shown."""
    async with SmallProxy.running("me:right") as proxy:
        url = f"http://me:{SECRET}@127.0.0.1:{proxy.port}"
        with pytest.raises(
            NetworkError, match=r"behind the proxy http://127.*\.proxy\), which wants a login.*407"
        ) as raised:
            await connect(secure, proxy=url, ca_file=str(authority.ca)).get_manifest(APP, "1")
    assert SECRET not in str(raised.value)
    assert len(proxy.lines) == 1


async def test_a_proxy_that_is_down_is_told(secure: Scripted, connect: Connect) -> None:
    """It is the proxy that can't be reached, and not the registry."""
    url = f"http://me:{SECRET}@127.0.0.1:{free_port()}"
    with pytest.raises(NetworkError, match=r"behind the proxy http://127.*which can't be connected to: Conn") as raised:
        await connect(secure, Limits(attempts=1), proxy=url).get_manifest(APP, "1")
    assert SECRET not in str(raised.value)


async def test_a_client_certificate_opens_what_demands_one(connect: Connect, authority: Authority) -> None:
    """Shown with its key to the registry; without it the error names the key of the config."""
    upstream = Scripted()
    upstream.push(APP.path, BUILT, "1")
    async with upstream.served(tls=authority.server(demanding=True)):
        keys = {"ca_file": str(authority.ca), "client_cert": str(authority.client), "client_key": str(authority.key)}
        assert await connect(upstream, **keys).get_manifest(APP, "1") == BUILT.manifest
        with pytest.raises(NetworkError, match=r"ended the connection"):
            await connect(upstream, Limits(attempts=1), ca_file=str(authority.ca)).get_manifest(APP, "1")


async def test_a_client_certificate_is_the_registrys_alone(connect: Connect, authority: Authority) -> None:
    """Where the registry redirects to, it is not shown."""
    storage, upstream = Scripted(), Scripted()
    storage.push(APP.path, BUILT, "1")
    keys = {"ca_file": str(authority.ca), "client_cert": str(authority.client), "client_key": str(authority.key)}
    seen: list[bool] = []

    async def look(request: object) -> object:
        transport = request.transport  # type: ignore[attr-defined] # aiohttp's request
        seen.append(bool(transport.get_extra_info("ssl_object").getpeercert(binary_form=True)))
        return await Scripted.respond(storage, request)  # type: ignore[arg-type] # the same

    storage.respond = look  # type: ignore[assignment,method-assign] # to look at the connection
    async with storage.served(tls=authority.server(asking=True)), upstream.served(tls=authority.server(demanding=True)):
        upstream.when("manifests", then=redirect(f"{storage.url}/v2/team/app/manifests/1"))
        assert await connect(upstream, **keys).get_manifest(APP, "1") == BUILT.manifest
    assert seen == [False]


@pytest.mark.parametrize(("cert", "key"), [("none.pem", "key"), ("client", "ca"), ("ca", "key"), ("client", "locked")])
async def test_a_certificate_that_is_none_is_told(
    upstream: Scripted, connect: Connect, authority: Authority, tmp_path: Path, cert: str, key: str
) -> None:
    """A missing file, another's key, a key with a password: the config's move, at once and asking nobody."""
    files = {"client": authority.client, "key": authority.key, "ca": authority.ca, "locked": authority.locked}
    keys = {"client_cert": str(files.get(cert, tmp_path / cert)), "client_key": str(files[key])}
    with pytest.raises(ConfigError, match=r"registries\.registry\.test\.client_cert: "):
        await connect(upstream, **keys).get_manifest(APP, "1")

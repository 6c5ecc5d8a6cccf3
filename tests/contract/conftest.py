"""One tree, and every server on it: whatever reads it must not be able to tell which of them answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from support import nginx
from support.guarded import SERVERS, Guarded
from support.nginx import Nginx
from support.private import htpasswd, private_tls
from support.readers import Server, Serving, embedded
from support.tree import readable_directory
from support.world import CONFIG, OWN_NAME, World, build_world

from mirrord.config.loader import load
from mirrord.config.sections import Serve, Tls
from mirrord.serve.aliases import Aliases
from mirrord.serve.nginx import NginxSite


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """Where the servers and their tree live."""
    with readable_directory() as made:
        yield made


@pytest.fixture(scope="session")
def world(directory: Path) -> World:
    """The tree, published once."""
    return build_world(directory / "root")


@pytest.fixture(scope="session")
def daemon(world: World, directory: Path) -> Iterator[Serving]:
    """The embedded server, which also pages for nginx."""
    config = directory / "mirrord.yaml"
    config.write_text(f"root: {world.tree.root}\n{CONFIG}")
    with embedded(directory, "--config", str(config)) as serving:
        yield serving


@pytest.fixture(scope="session")
def site(world: World, daemon: Serving, directory: Path) -> NginxSite:
    """What nginx is configured for."""
    aliases = Aliases.of(load(directory / "mirrord.yaml"))
    return NginxSite(world.tree.root, public_url=f"https://{OWN_NAME}", daemon=daemon.address, aliases=aliases)


@pytest.fixture(scope="session")
def stock_nginx(site: NginxSite, directory: Path) -> Iterator[Nginx]:
    """A stock nginx with the rendered configuration."""
    place = directory / "nginx"
    place.mkdir()
    with nginx.running(site, place) as running:
        yield running


@pytest.fixture(scope="session")
def guarded(site: NginxSite, directory: Path) -> Iterator[Guarded]:
    """The same nginx with TLS, HTTP/2 and passwords."""
    place = directory / "guarded"
    place.mkdir()
    tls = private_tls(place)
    serve = Serve(
        tls=Tls(certificate=tls.certificate, key=tls.key), htpasswd=htpasswd(place / "htpasswd", "reader", "let me: in")
    )
    with nginx.running(replace(site, serve=serve), place) as running:
        yield Guarded(running, Server(running.port, tls.authority, "reader:let me: in"))


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, daemon: Serving) -> Server:
    """Each of the servers."""
    if request.param == "embedded":
        return daemon.server
    if request.param == "nginx":
        stock: Nginx = request.getfixturevalue("stock_nginx")
        return Server(stock.port)
    guarded: Guarded = request.getfixturevalue("guarded")
    return guarded.server

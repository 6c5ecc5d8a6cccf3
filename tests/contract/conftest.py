"""One tree, and both servers on it: whatever reads it must not be able to tell which of them answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import nginx
from support.nginx import Nginx
from support.readers import Server, Serving, embedded
from support.tree import readable_directory
from support.world import OWN_NAME, World, build_world

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
    config.write_text(f"root: {world.tree.root}\npublic_url: https://{OWN_NAME}\nimages: [nginx:1.27]\n")
    with embedded(directory, "--config", str(config)) as serving:
        yield serving


@pytest.fixture(scope="session")
def site(world: World, daemon: Serving) -> NginxSite:
    """What nginx is configured for."""
    return NginxSite(world.tree.root, public_url=f"https://{OWN_NAME}", daemon=daemon.address)


@pytest.fixture(scope="session")
def stock_nginx(site: NginxSite, directory: Path) -> Iterator[Nginx]:
    """A stock nginx with the rendered configuration."""
    place = directory / "nginx"
    place.mkdir()
    with nginx.running(site, place) as running:
        yield running


@pytest.fixture(params=["embedded", "nginx"])
def server(request: pytest.FixtureRequest, daemon: Serving) -> Server:
    """Each of the servers."""
    if request.param == "embedded":
        return daemon.server
    stock: Nginx = request.getfixturevalue("stock_nginx")
    return Server(stock.port)

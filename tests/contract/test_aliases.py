"""Names that Docker Hub's images have when its registry has an ``as:``, and very many names, on both servers."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import nginx
from support.readers import Server, embedded
from support.tree import ScratchTree, readable_directory

from mirrord.config.loader import load
from mirrord.demo import images
from mirrord.serve.aliases import Aliases
from mirrord.serve.nginx import NginxSite

MANY = 400
CONFIG = """
registries:
  docker.io: {as: hub}
  cache.test: {as: a.test}
images:
  - nginx:1
  - prom/prometheus:1
  - {name: library/redis:1, as: cache}
  - cache.test/x:1
"""
HELD = ("hub/nginx", "hub/prom/prometheus", "hub/later", "cache", "a.test/x", "prom/node")


@dataclass(frozen=True, slots=True)
class Pair:
    """Both servers of one tree, and the content that every name leads to."""

    servers: tuple[Server, Server]
    content: bytes


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A mirror on which Docker Hub's images have a prefix, and many others a name of their own."""
    with readable_directory() as place:
        tree = ScratchTree(place / "root")
        image = images.image("one")
        many = [f"team/app-{number}" for number in range(MANY)]
        tree.publish({name: {"1": image} for name in (*HELD, *many)})
        (place / "nginx").mkdir()
        yield from running(place, tree, image.manifest.raw, many)


def running(place: Path, tree: ScratchTree, content: bytes, many: list[str]) -> Iterator[Pair]:
    """Run both servers on it."""
    config = place / "mirrord.yaml"
    renamed = "".join(f"  - {{name: quay.io/org/{name.rpartition('/')[2]}:1, as: {name}}}\n" for name in many)
    config.write_text(f"root: {tree.root}\n{CONFIG}{renamed}")
    with embedded(place, "--config", str(config)) as daemon:
        site = NginxSite(tree.root, daemon=daemon.address, aliases=Aliases.of(load(config)))
        with nginx.running(site, place / "nginx") as stock:
            yield Pair((daemon.server, Server(stock.port)), content)


@pytest.mark.parametrize(
    "asked",
    [
        *("hub/nginx", "nginx", "library/nginx", "docker.io/nginx", "docker.io/library/nginx", "hub/prom/prometheus"),
        *("prom/prometheus", "docker.io/prom/prometheus", "hub/later", "library/later", "docker.io/later", "cache"),
        *("redis", "library/redis", "docker.io/redis", "a.test/x", "cache.test/x", "prom/node"),
        *("team/app-0", "quay.io/org/app-0", f"team/app-{MANY - 1}", f"quay.io/org/app-{MANY - 1}"),
    ],
)
@pytest.mark.parametrize("form", ["/v2/{}/manifests/1", "/v2/{}/manifests/1?ns="])
def test_every_name_leads_there(pair: Pair, asked: str, form: str) -> None:
    """Docker's ways to say it, the mirror's own name, and that of a registry which stands in for another."""
    for server in pair.servers:
        answer = server.ask(form.format(asked))
        assert (answer.status, answer.body) == (200, pair.content)


@pytest.mark.parametrize(
    "asked",
    [
        *("library/nginx?docker.io", "nginx?docker.io", "hub/nginx?docker.io", "prom/prometheus?docker.io"),
        *("later?docker.io", "library/redis?docker.io", "x?cache.test", "x?a.test", "org/app-7?quay.io"),
    ],
)
def test_ns_leads_there(pair: Pair, asked: str) -> None:
    """Containerd says the host beside the name."""
    name, _, ns = asked.partition("?")
    for server in pair.servers:
        assert server.ask(f"/v2/{name}/manifests/1?ns={ns}").body == pair.content
        assert server.ask(f"/{ns}/v2/{name}/manifests/1").body == pair.content


@pytest.mark.parametrize(
    "asked", ["cache?docker.io", "library/cache", "later", "docker.io/prom/node", "prom/node?docker.io", "org/app-7"]
)
def test_no_other_name_does(pair: Pair, asked: str) -> None:
    """What is Docker Hub's is found as Docker Hub's, and nothing else is given for it."""
    name, _, ns = asked.partition("?")
    for server in pair.servers:
        answer = server.ask(f"/v2/{name}/manifests/1?ns={ns}")
        assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


def test_pages_follow_the_other_name(pair: Pair) -> None:
    """The Link of a page names the repository as the mirror does."""
    for server in pair.servers:
        answer = server.ask("/v2/library/nginx/tags/list?n=1")
        assert answer.json() == {"name": "hub/nginx", "tags": ["1"]}

"""The names a repository answers to, from both servers."""

import pytest
from support.readers import HOST, Server
from support.world import DEEP, OWN_NAME, World


@pytest.mark.parametrize(
    "asked",
    [
        "nginx/manifests/1.27",
        "library/nginx/manifests/1.27",
        "docker.io/library/nginx/manifests/1.27",
        "docker.io/nginx/manifests/1.27",
        "library/nginx/manifests/1.27?ns=docker.io",
        "nginx/manifests/1.27?ns=docker.io",
        "docker.io/library/nginx/manifests/1.27?ns=docker.io",
        "library/nginx/manifests/1.27?ns=index.docker.io",
        "library/nginx/manifests/1.27?ns=registry-1.docker.io",
        "nginx/manifests/1.27?ns=",
        "nginx/manifests/1.27?artifactType=x&last=y",
        f"nginx/manifests/1.27?ns={HOST}",
        f"nginx/manifests/1.27?ns={OWN_NAME}",
        f"nginx/manifests/1.27?ns={OWN_NAME}:8443",
        f"nginx/manifests/1.27?ns={OWN_NAME}%3A8443",
        "prom/prometheus/manifests/v1",
        "docker.io/prom/prometheus/manifests/v1",
        "prom/prometheus/manifests/v1?ns=docker.io",
        "quay.io/x/y/manifests/1",
        "x/y/manifests/1?ns=quay.io",
        "quay.io/x/y/manifests/1?ns=quay.io",
        "quay.io/x/y/manifests/1?x=1&ns=quay.io",
        "lab.test_5000/app/manifests/1",
        "app/manifests/1?ns=lab.test:5000",
        "app/manifests/1?ns=lab.test%3A5000",
        "app/manifests/1?ns=lab.test%3a5000",
        "lab.test_5000/app/manifests/1?ns=lab.test%3A5000",
        f"{DEEP}/manifests/1",
    ],
)
def test_every_name_of_an_image_finds_it(server: Server, world: World, asked: str) -> None:
    """Docker's habits, and containerd's ``ns``, reach the one copy, also its blobs and lists."""
    answer = server.ask(f"/v2/{asked}")
    assert (answer.status, answer.body) == (200, world.image.manifest.raw)


@pytest.mark.parametrize("asked", ["nginx{}", "library/nginx{}?ns=docker.io", "docker.io/nginx{}"])
def test_aliases_hold_for_blobs_lists_and_referrers(server: Server, world: World, asked: str) -> None:
    """A client that was given one name uses it for everything."""
    layer, content = world.layer
    assert server.ask(f"/v2/{asked.format(f'/blobs/{layer}')}").body == content
    assert server.ask(f"/v2/{asked.format('/tags/list')}").json()["name"] == "nginx"
    assert server.ask(f"/v2/{asked.format(f'/referrers/{world.image.digest}')}").json()["manifests"]


def test_a_client_that_names_the_mirror_with_its_port_means_the_mirror(server: Server, world: World) -> None:
    """A hosts.toml for the mirror itself sends the mirror's own address as ``ns``."""
    host = f"127.0.0.1:{server.port}"
    for ns in (host, host.replace(":", "%3A")):
        answer = server.ask(f"/v2/nginx/manifests/1.27?ns={ns}", headers={"Host": host})
        assert answer.body == world.image.manifest.raw


@pytest.mark.parametrize(
    "asked",
    [
        "x/y/manifests/1",
        "x/y/manifests/1?ns=docker.io",
        "x/y/manifests/1?ns=ghcr.io",
        "nginx/manifests/1.27?ns=quay.io",
        "docker.io/quay.io/x/y/manifests/1",
        "quay.io/x/y/manifests/1?ns=docker.io",
        "quay.io/x/y/manifests/1?ns=ghcr.io",
        "library/prom/prometheus/manifests/v1",
        "nginx/manifests/1.27?ns=nohost",
        "nginx/manifests/1.27?ns=..%2F",
        "nginx/manifests/1.27?ns=../nginx",
        "nginx/manifests/1.27?ns=_invalid",
        "x/y/manifests/1?ns=QUAY.IO",
        f"k/{DEEP}/manifests/1",
    ],
)
def test_another_name_finds_nothing(server: Server, asked: str) -> None:
    """A name is never guessed: what one upstream has is not given for another's."""
    answer = server.ask(f"/v2/{asked}")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")

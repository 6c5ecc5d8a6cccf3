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
        "web/manifests/1",
        "httpd/manifests/1",
        "library/httpd/manifests/1",
        "docker.io/httpd/manifests/1",
        "docker.io/library/httpd/manifests/1",
        "library/httpd/manifests/1?ns=docker.io",
        "team/app/manifests/1",
        "quay.io/team/one/manifests/1",
        "team/one/manifests/1?ns=quay.io",
        "quay.io/team/one/manifests/1?ns=quay.io",
        "lab/tools/app/manifests/1",
        "reg.lab.test/tools/app/manifests/1",
        "tools/app/manifests/1?ns=reg.lab.test",
        "lab/tools/app/manifests/1?ns=reg.lab.test",
        "later/app/manifests/1?ns=reg.lab.test",
        "rootless/app/manifests/1",
        "bare.test_5000/rootless/app/manifests/1",
        "rootless/app/manifests/1?ns=bare.test:5000",
        "rootless/app/manifests/1?ns=bare.test%3A5000",
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
        "docker.io/web/manifests/1",
        "library/web/manifests/1",
        "web/manifests/1?ns=docker.io",
        "httpd/manifests/1?ns=quay.io",
        "team/app/manifests/1?ns=docker.io",
        "docker.io/team/app/manifests/1",
        "quay.io/team/app/manifests/1",
        "team/one/manifests/1",
        "tools/app/manifests/1",
        "tools/app/manifests/1?ns=docker.io",
        "docker.io/rootless/app/manifests/1",
        "rootless/app/manifests/1?ns=bare.test",
    ],
)
def test_another_name_finds_nothing(server: Server, asked: str) -> None:
    """A name is never guessed: what one upstream has is not given for another's."""
    answer = server.ask(f"/v2/{asked}")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize(
    "asked",
    [
        "docker.io/v2/nginx/manifests/1.27",
        "docker.io/v2/library/nginx/manifests/1.27",
        "docker.io/v2/library/nginx/manifests/1.27?ns=docker.io",
        "index.docker.io/v2/library/nginx/manifests/1.27",
        "docker.io/v2/prom/prometheus/manifests/v1",
        "docker.io/v2/library/httpd/manifests/1",
        "quay.io/v2/x/y/manifests/1",
        "quay.io/v2/x/y/manifests/1?ns=quay.io",
        "quay.io/v2/team/one/manifests/1",
        "lab.test:5000/v2/app/manifests/1",
        "lab.test%3A5000/v2/app/manifests/1?ns=lab.test%3A5000",
        "lab.test_5000/v2/app/manifests/1",
        "reg.lab.test/v2/tools/app/manifests/1",
        "reg.lab.test/v2/later/app/manifests/1?ns=reg.lab.test",
        "lab/v2/tools/app/manifests/1?ns=reg.lab.test",
        "bare.test:5000/v2/rootless/app/manifests/1",
    ],
)
def test_the_upstream_may_come_before_the_version(server: Server, world: World, asked: str) -> None:
    """/<upstream>/v2/<repository>/ is what a mirror's address with a path becomes in containerd and Docker."""
    answer = server.ask(f"/{asked}")
    assert (answer.status, answer.body) == (200, world.image.manifest.raw)


def test_the_prefix_form_has_blobs_lists_and_referrers_too(server: Server, world: World) -> None:
    """A whole pull goes there, and the next page is found from where the first was."""
    layer, content = world.layer
    assert server.ask(f"/docker.io/v2/library/nginx/blobs/{layer}").body == content
    assert server.ask("/quay.io/v2/x/y/tags/list").json() == {"name": "quay.io/x/y", "tags": ["1"]}
    assert server.ask(f"/docker.io/v2/library/nginx/referrers/{world.image.digest}").json()["manifests"]
    page = server.ask("/docker.io/v2/library/nginx/tags/list?n=1")
    assert page.headers["link"] == '</v2/nginx/tags/list?n=1&last=1>; rel="next"'


@pytest.mark.parametrize("path", ["quay.io/v2/", "quay.io/v2", "lab.test:5000/v2/", "lab.test%3A5000/v2/", "lab/v2/"])
def test_the_prefix_form_answers_to_a_ping(server: Server, path: str) -> None:
    """Docker asks it of each mirror."""
    answer = server.ask(f"/{path}")
    assert (answer.status, answer.body) == (200, b"{}")


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/quay.io/v2/x/y/manifests/absent", 404, "MANIFEST_UNKNOWN"),
        ("/quay.io/v2/nginx/manifests/1.27", 404, "MANIFEST_UNKNOWN"),
        ("/quay.io/v2/x/y/manifests/1?ns=docker.io", 404, "MANIFEST_UNKNOWN"),
        ("/docker.io/v2/quay.io/x/y/manifests/1", 404, "MANIFEST_UNKNOWN"),
        (f"/quay.io/v2/x/y/blobs/sha256:{'0' * 64}", 404, "BLOB_UNKNOWN"),
        ("/quay.io/v2/absent/tags/list", 404, "NAME_UNKNOWN"),
        ("/quay.io/v2/absent/tags/list?n=1", 404, "NAME_UNKNOWN"),
        ("/quay.io/v2/x/y/blobs/sha256:0", 400, "DIGEST_INVALID"),
        ("/quay.io/v2/_blobs/manifests/1", 400, "NAME_INVALID"),
        ("/quay.io/v2/x/y/blobs/uploads/", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("/quay.io/v2/_catalog", 404, "NAME_UNKNOWN"),
        ("/quay.io/v2/manifests/1", 404, "NAME_UNKNOWN"),
        ("/_x/v2/", 404, "NAME_UNKNOWN"),
        ("/a/b/v2/", 404, "NAME_UNKNOWN"),
        ("/Quay.io/v2/x/y/manifests/1", 404, "NAME_UNKNOWN"),
        ("/quay.io:123456/v2/x/y/manifests/1", 404, "NAME_UNKNOWN"),
        ("/v2/v2/nginx/manifests/1.27", 404, "MANIFEST_UNKNOWN"),
        (f"/quay.io/v2/{'a' * 250}/manifests/1", 404, "MANIFEST_UNKNOWN"),
        (f"/quay.io/v2/{'a' * 256}/manifests/1", 400, "NAME_INVALID"),
        ("/../v2/nginx/manifests/1.27", 400, "NAME_INVALID"),
        ("/quay.io/../v2/nginx/manifests/1.27", 400, "NAME_INVALID"),
        ("/quay.io%2Fv2/x/y/manifests/1", 400, "NAME_INVALID"),
    ],
)
def test_the_prefix_form_refuses_alike(server: Server, target: str, status: int, code: str) -> None:
    """The same codes for the same mistakes, and nothing outside of a repository."""
    answer = server.ask(target)
    assert (answer.status, answer.code) == (status, code)

"""What clients are told: parsed back, each by a parser of its format, and held against what the mirror answers to."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.configs import config_of
from support.tree import ScratchTree

from mirrord.demo import images
from mirrord.errors import ConfigError
from mirrord.serve.clients import ClientSetup, ClientsSite, MirrorAddress, render, renderers
from mirrord.serve.clients_containerd import host_directory
from mirrord.serve.clients_upstreams import Upstream, upstreams_of

HUB = Upstream("docker.io", "https://registry-1.docker.io")
QUAY = Upstream("quay.io", "https://quay.io")
LAN = Upstream("registry.lan:5000", "http://registry.lan:5000")
TLS = MirrorAddress.parse("https://mirror.example")
PLAIN = MirrorAddress.parse("http://mirror.example:5000")
CA = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


def setup_of(client: str, site: ClientsSite) -> ClientSetup:
    """What one client is told."""
    (setup,) = render(site, [client])
    return setup


def files_of(client: str, site: ClientsSite) -> Mapping[str, str]:
    """Its files, by path."""
    return {each.path: each.content for each in setup_of(client, site).files}


def site(address: MirrorAddress = TLS, *upstreams: Upstream, ca: str = "", has_login: bool = False) -> ClientsSite:
    """A mirror of three hosts, unless others are given."""
    return ClientsSite(address, upstreams or (HUB, QUAY, LAN), ca, has_login)


def test_docker_mirrors_the_hub_without_a_path() -> None:
    """A path in registry-mirrors keeps Docker 20.10 from starting; a mirror with TLS is no insecure registry."""
    assert json.loads(files_of("docker", site())["daemon.json"]) == {"registry-mirrors": ["https://mirror.example"]}


def test_docker_is_told_of_plain_http() -> None:
    """By host and port, as it wants it."""
    assert json.loads(files_of("docker", site(PLAIN))["daemon.json"]) == {
        "registry-mirrors": ["http://mirror.example:5000"],
        "insecure-registries": ["mirror.example:5000"],
    }


def test_docker_without_anything_of_the_hub_gets_no_mirror() -> None:
    """Each pull would ask in vain; the notes say how other registries' images are pulled."""
    setup = setup_of("docker", site(TLS, QUAY))
    assert setup.files == ()
    assert any("docker pull mirror.example/quay.io/REPOSITORY:TAG" in note for note in setup.notes)


def test_docker_finds_the_authority_by_host_and_port() -> None:
    """In the directory that is named as images name the mirror."""
    address = MirrorAddress.parse("https://mirror.example:8443")
    assert files_of("docker", site(address, ca=CA))["certs.d/mirror.example:8443/ca.crt"] == CA


def test_containerd_has_a_file_for_each_host_and_for_the_mirror() -> None:
    """Directories as containerd names them, with the port between underscores."""
    assert list(files_of("containerd", site(PLAIN))) == [
        "certs.d/docker.io/hosts.toml",
        "certs.d/quay.io/hosts.toml",
        "certs.d/registry.lan_5000_/hosts.toml",
        "certs.d/mirror.example_5000_/hosts.toml",
    ]


def test_containerd_asks_the_mirror_for_tags_too_and_never_for_referrers() -> None:
    """Containerd 1.6 ignores the whole file for a capability that it doesn't know."""
    files = files_of("containerd", site(PLAIN))
    assert tomllib.loads(files["certs.d/registry.lan_5000_/hosts.toml"]) == {
        "server": "http://registry.lan:5000",
        "host": {"http://mirror.example:5000": {"capabilities": ["pull", "resolve"]}},
    }
    assert tomllib.loads(files["certs.d/docker.io/hosts.toml"])["server"] == "https://registry-1.docker.io"
    assert tomllib.loads(files["certs.d/mirror.example_5000_/hosts.toml"]) == {
        "server": "http://mirror.example:5000",
        "capabilities": ["pull", "resolve"],
        "host": {},
    }


@pytest.mark.parametrize("client", ["containerd", "kind"])
def test_the_authority_lies_once_where_every_hosts_file_finds_it(client: str) -> None:
    """The paths are relative to each hosts.toml, so that the directory may lie anywhere."""
    files = files_of(client, site(ca=CA))
    for path, content in files.items():
        if path.endswith("hosts.toml"):
            read = tomllib.loads(content)
            ca = read["ca"] if "ca" in read else read["host"]["https://mirror.example"]["ca"]
            parent = Path(path).parent
            assert files[str(parent.parent / ca.removeprefix("../") if ca.startswith("../") else parent / ca)] == CA


def test_containerd_is_shown_where_a_password_goes_but_not_given_one() -> None:
    """What is shown is right when its comment signs are taken away."""
    content = files_of("containerd", site(has_login=True))["certs.d/quay.io/hosts.toml"]
    assert "header" not in tomllib.loads(content)["host"]["https://mirror.example"]
    shown = content.replace("# [", "[").replace("#   ", "  ")
    assert tomllib.loads(shown)["host"]["https://mirror.example"]["header"] == {"authorization": "Basic BASE64"}


@pytest.mark.parametrize("client", ["podman", "cri-o"])
def test_registries_conf_maps_each_host_to_its_place_on_the_mirror(client: str) -> None:
    """With the host in the path, a port's colon as an underscore, and the mirror itself where it is plain."""
    content = files_of(client, site(PLAIN))["registries.conf.d/50-mirrord.conf"]

    def entry(host: str, place: str) -> dict[str, Any]:
        mirror = {"location": f"mirror.example:5000/{place}", "insecure": True}
        return {"prefix": host, "location": host, "mirror": [mirror]}

    assert tomllib.loads(content) == {
        "registry": [
            entry("docker.io", "docker.io"),
            entry("quay.io", "quay.io"),
            entry("registry.lan:5000", "registry.lan_5000"),
            {"location": "mirror.example:5000", "insecure": True},
        ]
    }


def test_registries_conf_with_tls_says_nothing_of_insecure() -> None:
    """Certificates are checked; an own authority lies in certs.d."""
    files = files_of("podman", site(ca=CA))
    assert "insecure" not in files["registries.conf.d/50-mirrord.conf"]
    assert files["certs.d/mirror.example/ca.crt"] == CA


def test_k3s_rewrites_each_path_to_the_hosts() -> None:
    """One rewrite a host, so that no order of rewrites matters; the authority by host and port."""
    files = files_of("k3s", site(ca=CA))
    read = yaml.safe_load(files["registries.yaml"])
    assert read["mirrors"]["registry.lan:5000"] == {
        "endpoint": ["https://mirror.example"],
        "rewrite": {"^(.*)$": "registry.lan_5000/$1"},
    }
    assert list(read["mirrors"]) == ["docker.io", "quay.io", "registry.lan:5000"]
    assert read["configs"] == {"mirror.example": {"tls": {"ca_file": "/etc/rancher/mirrord-ca.crt"}}}


def test_buildkit_names_mirrors_without_a_scheme() -> None:
    """The scheme is said in an entry of the mirror's own."""
    read = tomllib.loads(files_of("buildkit", site(PLAIN))["buildkitd.toml"])["registry"]
    assert read["quay.io"] == {"mirrors": ["mirror.example:5000/quay.io"]}
    assert read["mirror.example:5000"] == {"http": True}
    with_ca = tomllib.loads(files_of("buildkit", site(ca=CA))["buildkitd.toml"])["registry"]
    assert with_ca["mirror.example"] == {"ca": ["/etc/buildkit/mirrord-ca.crt"]}


def test_kind_mounts_the_directory_beside_the_cluster_config() -> None:
    """And has containerd read it; a mirror that only this host reaches is told of."""
    read = yaml.safe_load(files_of("kind", site())["cluster.yaml"])
    (patch,) = read["containerdConfigPatches"]
    registry = tomllib.loads(patch)["plugins"]["io.containerd.grpc.v1.cri"]["registry"]
    (mount,) = read["nodes"][0]["extraMounts"]
    assert registry["config_path"] == mount["containerPath"]
    assert mount["hostPath"] == "./certs.d"
    local = setup_of("kind", site(MirrorAddress.parse("http://127.0.0.1:5000")))
    assert any("not reachable from the nodes" in note for note in local.notes)


def test_openshift_has_an_object_for_digests_and_one_for_tags() -> None:
    """An own authority is a ConfigMap whose key has two dots for the port's colon."""
    address = MirrorAddress.parse("https://mirror.example:8443")
    files = files_of("openshift", site(address, ca=CA))
    digests, tags = yaml.safe_load_all(files["mirrors.yaml"])
    assert (digests["kind"], tags["kind"]) == ("ImageDigestMirrorSet", "ImageTagMirrorSet")
    assert digests["spec"]["imageDigestMirrors"] == tags["spec"]["imageTagMirrors"]
    assert {
        "source": "quay.io",
        "mirrors": ["mirror.example:8443/quay.io"],
        "mirrorSourcePolicy": "AllowContactingSource",
    } in tags["spec"]["imageTagMirrors"]
    assert yaml.safe_load(files["ca.yaml"])["data"] == {"mirror.example..8443": CA}


@pytest.mark.parametrize("client", list(renderers()))
def test_every_client_that_needs_a_login_is_told_of_it(client: str) -> None:
    """In a note, or as a comment where the password goes; no file holds one."""
    setup = setup_of(client, site(has_login=True))
    said = "\n".join([*setup.notes, *(each.content for each in setup.files)])
    assert "login" in said or "password" in said


@pytest.mark.parametrize("client", ["helm", "oras", "cosign"])
def test_tools_without_mirrors_get_a_line_with_the_mirrors_name(client: str) -> None:
    """And the option for plain HTTP or an own authority."""
    plain, private = setup_of(client, site(PLAIN)), setup_of(client, site(ca=CA))
    assert any("mirror.example:5000/quay.io/" in note and "http" in note for note in plain.notes)
    assert any("mirror.example/quay.io/" in note and "ca.crt" in note for note in private.notes)


def test_an_unknown_client_is_refused_with_those_that_are_known() -> None:
    """Rather than nothing printed."""
    with pytest.raises(ConfigError, match=r"'dokcer' is no client.*docker, containerd, podman"):
        render(site(), ["dokcer"])


def test_hosts_come_from_the_config_and_from_the_tree(tmp_path: Path) -> None:
    """Docker Hub first; also what a command added, and what is named by `as:`."""
    tree = ScratchTree(tmp_path / "root")
    tree.publish({"ghcr.io/a/b": {"v1": images.image("app")}})
    config = config_of(
        tmp_path,
        """
        registries:
          registry.lan:5000: {as: lab, plain_http: true}
          near.lan: {endpoint: "http://near.lan"}
          far.lan: {endpoint: "http://10.0.0.7:5000"}
          docker.io: {as: hub}
        images: ["registry.lan:5000/app", nginx, near.lan/x, far.lan/x, {name: quay.io/a/b, as: b}]
        """,
    )
    assert upstreams_of(config, tree.tree()) == (
        Upstream("docker.io", "https://registry-1.docker.io", is_renamed=True),
        Upstream("far.lan", "https://far.lan"),
        Upstream("near.lan", "http://near.lan"),
        Upstream("quay.io", "https://quay.io"),
        Upstream("registry.lan:5000", "http://registry.lan:5000", is_renamed=True),
        Upstream("registry.test", "https://registry.test"),
    )


def test_nothing_mirrored_is_no_host() -> None:
    """Neither a config nor a tree: nothing to point to."""
    assert upstreams_of(None, None) == ()


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://mirror.example", "mirror.example"),
        ("https://Mirror.Example:8443", "mirror.example:8443"),
        ("http://mirror", "mirror:80"),
        ("https://mirror", "mirror:443"),
        ("http://localhost", "localhost"),
        ("http://[::1]:5000", "[::1]:5000"),
    ],
)
def test_the_mirror_is_named_so_that_clients_take_it_for_a_host(url: str, authority: str) -> None:
    """A host without a dot gets its port: mirror/nginx would be an image of Docker Hub."""
    assert MirrorAddress.parse(url).authority == authority


@pytest.mark.parametrize("url", ["http://my_mirror", "https://mirror.example.", "http://a b"])
def test_an_address_that_can_be_no_part_of_a_name_is_refused(url: str) -> None:
    """No client could type it."""
    with pytest.raises(ConfigError, match="can't be named in image references"):
        MirrorAddress.parse(url)


def test_directories_of_hosts() -> None:
    """As containerd makes them of a host and its port."""
    assert host_directory("quay.io") == "quay.io"
    assert host_directory("registry.lan:5000") == "registry.lan_5000_"

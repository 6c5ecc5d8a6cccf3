"""`mirrord clients`, as typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.tree import ScratchTree

from mirrord.demo import images

CONFIG = "root: mirror\npublic_url: http://mirror.example:5000\nimages: [nginx, quay.io/a/b]\n"
CA = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


def mirrord(*arguments: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run `mirrord clients` in ``place``."""
    environment = {name: value for name, value in os.environ.items() if name != "MIRRORD_CONFIG"}
    command = [sys.executable, "-m", "mirrord", "clients", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a config, and no root yet."""
    (tmp_path / "mirrord.yaml").write_text(CONFIG)
    return tmp_path


def test_everything_is_printed_with_its_place(place: Path) -> None:
    """Before the first sync too: the config says what will be there. What two clients share is printed once."""
    done = mirrord(place=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "---- /etc/docker/daemon.json\n{\n" in done.stdout
    assert "---- /etc/containerd/certs.d/quay.io/hosts.toml\n# containerd" in done.stdout
    assert done.stdout.count('prefix = "quay.io"') == 1
    assert "(the same as podman, /etc/containers/registries.conf.d/50-mirrord.conf)" in done.stdout


def test_some_clients_and_json(place: Path) -> None:
    """One document with the same."""
    done = mirrord("docker", "k3s", "--json", place=place)
    document = json.loads(done.stdout)
    assert (document["schema"], document["url"]) == ("mirrord.clients/1", "http://mirror.example:5000")
    docker, k3s = document["clients"]
    assert (docker["client"], k3s["client"]) == ("docker", "k3s")
    (file,) = docker["files"]
    assert (file["path"], file["place"]) == ("daemon.json", "/etc/docker/daemon.json")
    assert "registry-mirrors" in file["content"]
    assert "written" not in docker


def test_a_root_and_a_url_need_no_config(tmp_path: Path) -> None:
    """The hosts come from what is served."""
    ScratchTree(tmp_path / "root").publish({"ghcr.io/a/b": {"v1": images.image("app")}})
    done = mirrord("podman", "--root", "root", "--url", "https://mirror.example", place=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'location = "mirror.example/registry.test"' in done.stdout


def test_a_root_with_nothing_in_it_is_told_of(tmp_path: Path) -> None:
    """There is no registry to point clients away from, and what is printed would do nothing."""
    ScratchTree(tmp_path / "root")
    done = mirrord("k3s", "--root", "root", "--url", "https://mirror.example", place=tmp_path)
    assert done.returncode == 0
    assert "nothing is mirrored yet" in done.stderr


def test_files_are_written_once_and_said(place: Path) -> None:
    """Below a directory a client; again is no change; what it says names both ends."""
    first = mirrord("--write", "out", place=place)
    assert first.returncode == 0, first.stderr
    assert "---- /etc/docker/daemon.json\nwritten: out/docker/daemon.json\n" in first.stdout
    assert (place / "out/containerd/certs.d/quay.io/hosts.toml").is_file()
    assert (place / "out/containerd/certs.d/mirror.example_5000_/hosts.toml").is_file()
    assert (place / "out/podman/registries.conf.d/50-mirrord.conf").is_file()
    again = mirrord("--write", "out", "--json", place=place)
    outcomes = {said for client in json.loads(again.stdout)["clients"] for said in client.get("written", {}).values()}
    assert outcomes == {"unchanged"}


def test_a_file_that_differs_stays_unless_told(place: Path) -> None:
    """Nothing at all is written then, and every such file is named; --force replaces them."""
    (place / "out/docker").mkdir(parents=True)
    mine = place / "out/docker/daemon.json"
    mine.write_text('{"debug": true}')
    done = mirrord("--write", "out", place=place)
    assert done.returncode == 2
    assert "out/docker/daemon.json; --force replaces them" in done.stderr
    assert mine.read_text() == '{"debug": true}'
    assert not (place / "out/containerd").exists()
    forced = mirrord("--write", "out", "--force", place=place)
    assert "replaced: out/docker/daemon.json" in forced.stdout
    assert "registry-mirrors" in mine.read_text()


def test_an_own_authority_is_written_where_each_client_looks(place: Path) -> None:
    """And a key beside it in the file is refused: it would be given away."""
    (place / "ca.pem").write_text(CA)
    done = mirrord("--url", "https://mirror.example", "--ca", "ca.pem", "--write", "out", place=place)
    assert done.returncode == 0, done.stderr
    for path in ("docker/certs.d/mirror.example", "podman/certs.d/mirror.example", "containerd/certs.d/mirror.example"):
        assert (place / "out" / path / "ca.crt").read_text() == CA
    (place / "both.pem").write_text(f"{CA}-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")
    refused = mirrord("--url", "https://mirror.example", "--ca", "both.pem", place=place)
    assert refused.returncode == 2
    assert "a key must never be given away" in refused.stderr


@pytest.mark.parametrize(
    ("config", "arguments", "status", "expected"),
    [
        ("", [], 2, "no root"),
        ("", ["--root", ".", "--url", "https://mirror.example"], 3, "not a mirrord root"),
        ("root: m\nimages: [nginx]\n", [], 2, "nothing says how clients reach this mirror; add public_url"),
        (CONFIG, ["dockre"], 2, "'dockre' is no client that is known here"),
        (CONFIG, ["--url", "mirror.example"], 2, "--url: "),
        (CONFIG, ["--url", "http://my_mirror"], 2, "can't be named in image references"),
        (CONFIG, ["--ca", "mirrord.yaml"], 2, "--ca is for a mirror with TLS"),
        (CONFIG, ["--url", "https://m.example", "--ca", "absent.pem"], 2, "absent.pem can't be read: No such file"),
        (CONFIG, ["--url", "https://m.example", "--ca", "mirrord.yaml"], 2, "is not a file of certificates alone"),
        (CONFIG, ["--write", "mirrord.yaml"], 3, "mirrord.yaml"),
    ],
)
def test_a_mistake_is_named_and_whose_it_is(
    tmp_path: Path, config: str, arguments: list[str], status: int, expected: str
) -> None:
    """Exit 2 for the command line or config, 3 for the host, and words that say what to do."""
    if config:
        (tmp_path / "mirrord.yaml").write_text(config)
    done = mirrord(*arguments, place=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert expected in done.stderr

"""The container image (docs/how-to/install.md): built by buildah, run by podman as a user of its own over a volume."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.containers import Containers
from support.programs import program

from mirrord import __version__

STEPS = Path(__file__).parent / "steps"


def promised(containers: Containers, version: str) -> None:
    """The image that a script has looked at is not root, has one volume, and says what it is."""
    (image,) = json.loads((containers.sandbox.changed / "srv" / "inspected.json").read_text())
    config: dict[str, Any] = image["Config"]
    assert config["User"] == "10001:10001"
    assert list(config["Volumes"]) == ["/var/lib/mirrord"]
    assert list(config["ExposedPorts"]) == ["5050/tcp"]
    assert (config["Entrypoint"], config["Cmd"]) == (["/usr/bin/mirrord"], ["run"])
    assert [each.partition("=")[0] for each in config["Env"]] == ["PATH"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert (labels["title"], labels["licenses"], labels["version"]) == ("mirrord", "Apache-2.0", version)


def test_the_containerfile_makes_what_is_promised() -> None:
    """On a base that has next to nothing: user, volume, port, command, version, config; apt's leavings are gone."""
    with Containers.made() as containers:
        containers.run((STEPS / "thin.sh").read_text())
        promised(containers, "1.2.4.dev5+gabc")
        update, install = (containers.sandbox.changed / "srv" / "asked").read_text().splitlines()
    assert update == "update"
    assert {"--no-install-recommends", "/tmp/mirrord.deb"} <= set(install.split())  # noqa: S108 - in the image


@pytest.mark.soak
def test_the_image_mirrors_and_serves(containers: Containers) -> None:
    """On a bare Debian: nothing is left of the build, it syncs, serves, ends when told, and its volume outlives it."""
    for name, package in (("docker-registry", "docker-registry"), ("skopeo", "skopeo"), ("curl", "curl")):
        program(name, package)
    containers.run((STEPS / "image.sh").read_text())
    promised(containers, __version__)

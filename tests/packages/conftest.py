"""What the tests of packages build once: the .deb, and a place for containers with the image of mirrord in it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.containers import Containers
from support.debian import bare
from support.packages import PROJECT, copied, packaged

from mirrord import __version__

NGINX = Path(__file__).parent / "nginx.Containerfile"


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package."""
    return Path(packaged(copied(tmp_path_factory.mktemp("package") / "checkout"), "deb"))


@pytest.fixture(scope="session")
def containers(deb: Path) -> Iterator[Containers]:
    """A place with the image, built of a bare Debian without a network, and with images such as nginx's own are."""
    with tempfile.TemporaryDirectory(prefix="debian-") as place, Containers.made() as made:
        debian = bare(Path(place) / "root", deb, "systemd-standalone-sysusers", "systemd-standalone-tmpfiles", "nginx")
        steps = [
            "container=$(buildah from scratch)",
            f"buildah add --quiet $container {debian} /",
            "buildah commit --quiet $container localhost/debian",
            "buildah rm $container",
            f"buildah build --quiet --file {NGINX} --target nginx --tag docker.io/library/nginx:1.27",
            f"buildah build --quiet --file {NGINX} --tag docker.io/nginxinc/nginx-unprivileged:1.27",
            f"DEB={deb} BASE=localhost/debian {PROJECT}/scripts/package image",
        ]
        assert made.run("\n".join(steps)).splitlines()[-1] == f"mirrord:{__version__}"
        yield made

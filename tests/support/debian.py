"""A bare Debian, as container images begin with, and beside it the packages that are added later without a network."""

import hashlib
import platform
from pathlib import Path

from support.clients import run
from support.programs import program

RELEASE = platform.freedesktop_os_release()["VERSION_CODENAME"]
"""This host's: the .deb needs the Python of the release that it was built on."""


def bare(place: Path, *packages: str | Path) -> Path:
    """Have in ``place`` what has nothing but apt, and a source of ``packages`` and of all that they need.

    A package is a name, or a .deb whose dependencies are meant: it is left out itself.
    """
    files = [each for each in packages if isinstance(each, Path)]
    wanted = [f"/srv/{each.name}" if isinstance(each, Path) else each for each in packages]
    fetch = ["apt-get", "install", "--yes", "--download-only", "--no-install-recommends", *wanted]
    hooks = [
        *(f"copy-in {each} /srv" for each in files),
        f'chroot "$1" {" ".join(fetch)}',
        'mkdir "$1/srv/debs" && mv "$1"/var/cache/apt/archives/*.deb "$1/srv/debs"',
        *(f'rm "$1/srv/{each.name}"' for each in files),
    ]
    options = ["--quiet", "--variant=apt", *(f"--customize-hook={each}" for each in hooks)]
    run(program("mmdebstrap", "mmdebstrap"), *options, RELEASE, place, timeout=600)
    debs = place / "srv" / "debs"
    (debs / "Packages").write_text("\n".join(_entry(each) for each in sorted(debs.glob("*.deb"))))
    (place / "etc" / "apt" / "sources.list").write_text("deb [trusted=yes] file:/srv/debs ./\n")
    return place


def _entry(deb: Path) -> str:
    """What an index says of a package."""
    fields = run("dpkg-deb", "--field", deb).rstrip()
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{fields}\nFilename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"

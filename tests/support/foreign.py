"""Trees of other tools, made by hand: images as an OCI layout, as the ancestor's files, as a registry's storage."""

from collections.abc import Iterable
from pathlib import Path

from mirrord.demo.images import BuiltImage
from mirrord.oci.digest import Digest


def contents(images: Iterable[BuiltImage]) -> dict[Digest, bytes]:
    """Every blob and manifest of ``images``."""
    found: dict[Digest, bytes] = {}
    for image in images:
        found |= {Digest.of(content): content for content in image.contents()}
        found |= {manifest.digest: manifest.raw for manifest in image.manifests()}
    return found


def oci_layout(place: Path, *images: BuiltImage) -> Path:
    """An OCI image layout."""
    for digest, content in contents(images).items():
        _write(place / "blobs" / digest.algorithm / digest.hex, content)
    (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return place


def registry_storage(place: Path, *images: BuiltImage) -> Path:
    """The storage of a docker-registry, as far as its blobs go."""
    for digest, content in contents(images).items():
        blobs = place / "docker" / "registry" / "v2" / "blobs"
        _write(blobs / digest.algorithm / digest.hex[:2] / digest.hex / "data", content)
    return place


def ancestor(place: Path, name: str, tag: str, image: BuiltImage) -> Path:
    """The files of the playbook: skopeo's ``dir:`` layout, and its registry's with symlinks to that."""
    directory = place / "docker_images" / name.replace(".", "_") / tag.replace(".", "_")
    for content in image.contents():
        _write(directory / Digest.of(content).hex, content)
        link = place / "v2" / "blobs" / Digest.of(content).hex
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(directory / Digest.of(content).hex)
    _write(directory / "manifest.json", image.manifest.raw)
    _write(directory / "version", b"Directory Transport Version: 1.1\n")
    _write(place / "v2" / "manifests" / f"{image.digest.hex}.json", image.manifest.raw)
    return place


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)

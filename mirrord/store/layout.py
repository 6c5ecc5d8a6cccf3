"""Where everything lies below a root: pure functions from names to paths, and back. Touches no disk.

The tree is drawn in docs/architecture.md. A component that begins with ``_`` can be no part of a repository name,
and ``!`` occurs in none, so nothing collides.
"""

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from mirrord.errors import InvalidDigestError
from mirrord.oci.digest import Digest, is_digest
from mirrord.oci.manifest import Kind

CURRENT: Final = "current"
MARK: Final = "root.json"
LOCK: Final = "lock"
CONTROL: Final = "control.sock"
"""The control socket of the daemon that holds the root, or a symlink to it."""
FORMAT: Final = 1
"""Version of this layout, in root.json."""

_SNAPSHOT = re.compile(r"(\d{8,})-(\d{8}T\d{6}Z)")
_KINDS = {str(kind): kind for kind in Kind}
_GENERATION = re.compile(r"_(\d{8,})-[0-9a-f]{16}")


class Layout(Struct, frozen=True):
    """The paths below one root."""

    root: Path

    @property
    def staging(self) -> Path:
        """Partial downloads and half-built directories; never served."""
        return self.root / "staging"

    @property
    def trash(self) -> Path:
        """What is being deleted: renamed here first."""
        return self.root / "staging" / "trash"

    @property
    def quarantine(self) -> Path:
        """Damaged files that nothing has replaced yet: kept for a week."""
        return self.root / "staging" / "quarantine"

    @property
    def snapshots(self) -> Path:
        """One flat directory a publication."""
        return self.root / "snapshots"

    @property
    def generations(self) -> Path:
        """By flat name, then by id: one repository's tags and referrers at one time."""
        return self.root / "generations"

    @property
    def content(self) -> Path:
        """By repository: ``_blobs`` and ``_manifests``, hardlinks into the pool."""
        return self.root / "content"

    @property
    def current(self) -> Path:
        """The symlink to the served snapshot: the only thing ever swapped."""
        return self.root / CURRENT

    @property
    def state(self) -> Path:
        """Private notes whose loss only costs time."""
        return self.root / "state"

    @property
    def status(self) -> Path:
        """What is told of the mirror itself, as documents; public, outside of snapshots."""
        return self.root / "status"

    @property
    def mark(self) -> Path:
        """The file that says this directory is a root."""
        return self.root / MARK

    def pooled(self, digest: Digest) -> Path:
        """Where the pool keeps the bytes of ``digest``."""
        return self.root.joinpath("pool", digest.algorithm, digest.hex[:2], digest.hex)

    def pooled_text(self, digest: Digest) -> str:
        """The same as a text: of a Path, Python keeps each part, in a table that never shrinks."""
        return f"{self.root}/pool/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}"

    def partial(self, digest: Digest) -> Path:
        """Where a download of ``digest`` grows."""
        return self.root.joinpath("staging", f"{digest}.part")

    def blobs(self, repository: str) -> Path:
        """The directory of a repository's blobs."""
        return self.root.joinpath("content", repository, "_blobs")

    def blob(self, repository: str, digest: Digest) -> Path:
        """A repository's link to a blob."""
        return self.root.joinpath("content", repository, "_blobs", str(digest))

    def blob_text(self, repository: str, digest: Digest) -> str:
        """The same as a text."""
        return f"{self.root}/content/{repository}/_blobs/{digest}"

    def manifests(self, repository: str) -> Path:
        """The directory of a repository's manifests."""
        return self.root.joinpath("content", repository, "_manifests")

    def manifest(self, repository: str, digest: Digest, kind: Kind) -> Path:
        """A repository's link to a manifest; the extension carries the media type."""
        return self.root.joinpath("content", repository, "_manifests", f"{digest}.{kind}")

    def manifest_text(self, repository: str, digest: Digest, kind: Kind) -> str:
        """The same as a text."""
        return f"{self.root}/content/{repository}/_manifests/{digest}.{kind}"


def flat_name(repository: str) -> str:
    """``quay.io/coreos/flannel`` as one path component: ``quay.io!coreos!flannel``."""
    return repository.replace("/", "!")


def snapshot_sequence(name: str) -> int | None:
    """The sequence number in a snapshot's name, or None where the name is no snapshot's."""
    found = _SNAPSHOT.fullmatch(name)
    return int(found[1]) if found else None


def generation_sequence(name: str) -> int | None:
    """The sequence number in a generation's name, or None where the name is no generation's."""
    found = _GENERATION.fullmatch(name)
    return int(found[1]) if found else None


def served_by(target: str) -> str | None:
    """The snapshot that ``current`` names, by what that link says; None where it leads anywhere else."""
    room, _, name = target.removesuffix("/").rpartition("/")
    return name if room == "snapshots" and snapshot_sequence(name) is not None else None


def tag_target(repository: str, digest: Digest, kind: Kind) -> str:
    """What the symlink ``generations/<flat>/<id>/tags/<tag>`` says: relative, the same from every generation."""
    return f"../../../../content/{repository}/_manifests/{digest}.{kind}"


def parse_manifest_name(name: str) -> tuple[Digest, Kind] | None:
    """The digest and kind in a manifest's file name (or in a path that ends in one), or None."""
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    if not dot:
        return None
    try:
        return Digest.parse(stem), Kind(extension)
    except (InvalidDigestError, ValueError):
        return None


def split_manifest_name(name: str) -> tuple[str, Kind] | None:
    """The same of a file's bare name, the digest as the text that it is there; for many of them."""
    stem, _, extension = name.rpartition(".")
    kind = _KINDS.get(extension)
    return (stem, kind) if kind is not None and is_digest(stem) else None

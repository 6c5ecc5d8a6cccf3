"""Reading the tree without a lock: what is served now, and where its files are. Writes nothing."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.store.layout import Layout, flat_name, parse_manifest_name
from mirrord.store.record import Record


@dataclass(frozen=True, slots=True)
class HeldManifest:
    """A manifest file in a repository's content."""

    path: Path
    digest: Digest
    kind: Kind


@dataclass(frozen=True, slots=True)
class Tree:
    """The served tree of one root. Every answer is taken from one snapshot; two calls may see two."""

    layout: Layout

    @classmethod
    def at(cls, root: Path) -> "Tree":
        """The tree of the root at ``root``. Raises HostError where that is no root."""
        layout = Layout(root)
        if not layout.mark.is_file():
            raise HostError(
                f"{root} is not a mirrord root (it has no {layout.mark.name}); make one with: mirrord init {root}"
            )
        return cls(layout)

    def snapshot(self) -> str | None:
        """The name of the served snapshot; None before the first publication."""
        try:
            target = os.readlink(self.layout.current)
        except FileNotFoundError:
            return None
        return target.rpartition("/")[2]

    def by_tag(self, repository: str, tag: str) -> HeldManifest | None:
        """The manifest that ``tag`` names: one readlink, so that digest and file can't disagree."""
        link = self.layout.current / flat_name(repository) / "tags" / tag
        try:
            target = os.readlink(link)
        except OSError as error:
            _raise_unless_absent(error)
            return None
        found = parse_manifest_name(target)
        return HeldManifest(self.layout.manifest(repository, *found), *found) if found else None

    def by_digest(self, repository: str, digest: Digest) -> HeldManifest | None:
        """The manifest of ``digest``, whether or not a tag names it."""
        for kind in Kind:
            path = self.layout.manifest(repository, digest, kind)
            if _is_file(path):
                return HeldManifest(path, digest, kind)
        return None

    def blob(self, repository: str, digest: Digest) -> Path | None:
        """The file of a blob."""
        path = self.layout.blob(repository, digest)
        return path if _is_file(path) else None

    def catalog_file(self) -> Path:
        """``{"repositories": [sorted]}`` of the served snapshot; absent before the first publication."""
        return self.layout.current / "_catalog.json"

    def tag_list_file(self, repository: str) -> Path:
        """``{"name": …, "tags": [sorted]}``; absent for an unknown repository."""
        return self.layout.current / flat_name(repository) / "list.json"

    def referrers_file(self, repository: str, digest: Digest) -> Path:
        """The index of what refers to ``digest``; absent where nothing does."""
        return self.layout.current / flat_name(repository) / "referrers" / f"{digest}.json"

    def repositories(self) -> tuple[str, ...]:
        """The names served now, sorted."""
        try:
            return tuple(json.loads(self.catalog_file().read_bytes())["repositories"])
        except FileNotFoundError:
            return ()

    def record(self, repository: str) -> Record | None:
        """What the served generation of ``repository`` holds; None where it is unknown."""
        try:
            return Record.parse((self.layout.current / flat_name(repository) / "record.json").read_bytes())
        except FileNotFoundError:
            return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # a name too long for the filesystem is held by nobody
        _raise_unless_absent(error)
        return False


def _raise_unless_absent(error: OSError) -> None:
    if error.errno not in {errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ENAMETOOLONG}:
        raise error

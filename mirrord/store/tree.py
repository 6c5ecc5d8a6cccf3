"""Reading the tree without a lock: what is served now, and where its files are. Writes nothing."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.oci.reference import is_local_name, is_tag
from mirrord.store.generation import load_record
from mirrord.store.layout import Layout, flat_name, parse_manifest_name, served_by
from mirrord.store.reading import MAX_LIST, file_size, parsing, read_json, read_link
from mirrord.store.record import Record


class HeldManifest(Struct, frozen=True):
    """A manifest file in a repository's content."""

    path: Path
    digest: Digest
    kind: Kind


class Tree(Struct, frozen=True):
    """The served tree of one root. Every answer is taken from one snapshot; two calls may see two."""

    layout: Layout

    @classmethod
    def at(cls, root: Path) -> "Tree":
        """The tree of the root at ``root``. Raises HostError where that is no root."""
        layout = Layout(root)
        if file_size(layout.mark) is None:
            raise HostError(
                f"{root} is not a mirrord root (it has no {layout.mark.name}); make one with: mirrord init {root}"
            )
        return cls(layout)

    def snapshot(self) -> str | None:
        """The name of the served snapshot; None before the first publication. Raises HostError where it is none."""
        try:
            target = read_link(self.layout.root, self.layout.current)
        except FileNotFoundError:
            return None
        if (name := served_by(target)) is None:
            raise HostError(f"{self.layout.current} points to {target}; point it to one of {self.layout.snapshots}")
        return name

    def by_tag(self, repository: str, tag: str) -> HeldManifest | None:
        """The manifest that ``tag`` names: one readlink, so that digest and file can't disagree."""
        try:
            target = read_link(self.layout.root, self.layout.current / flat_name(repository) / "tags" / tag)
        except FileNotFoundError:
            return None
        found = parse_manifest_name(target)
        return HeldManifest(self.layout.manifest(repository, *found), *found) if found else None

    def by_digest(self, repository: str, digest: Digest) -> HeldManifest | None:
        """The manifest of ``digest``, whether or not a tag names it."""
        for kind in Kind:
            path = self.layout.manifest(repository, digest, kind)
            if file_size(path) is not None:
                return HeldManifest(path, digest, kind)
        return None

    def blob(self, repository: str, digest: Digest) -> Path | None:
        """The file of a blob."""
        path = self.layout.blob(repository, digest)
        return None if file_size(path) is None else path

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
        """The names served now, sorted; none before the first publication. Raises HostError for damage."""
        if self.snapshot() is None:
            return ()
        try:
            return self._listed(self.catalog_file(), "repositories", is_local_name)
        except FileNotFoundError as error:
            raise HostError(f"{error.filename} is gone; point {self.layout.current} to another snapshot") from error

    def tags(self, repository: str) -> tuple[str, ...]:
        """The tags of ``repository`` that are served now, sorted; none where it is unknown. Raises HostError."""
        try:
            return self._listed(self.tag_list_file(repository), "tags", is_tag)
        except FileNotFoundError:
            return ()

    def _listed(self, path: Path, key: str, is_name: Callable[[str], bool]) -> tuple[str, ...]:
        """A list of names that others become paths of: each is of its grammar, or the document is damaged."""
        document = read_json(self.layout.root, path, MAX_LIST)
        with parsing(path):
            names: list[str] = document[key]
            if wrong := [name for name in names if not is_name(name)]:
                raise ValueError(f"{wrong[0]!r} is no name")
            return tuple(names)

    def record(self, repository: str) -> Record | None:
        """What the served generation of ``repository`` holds; None where it is unknown. Raises HostError."""
        path = self.layout.current / flat_name(repository) / "record.json"
        try:
            return load_record(self.layout, path, repository)
        except FileNotFoundError:
            return None

"""A served tree made by hand, in the layout of docs/architecture.md, for tests of what reads it."""

import itertools
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from mirrord.demo.images import BuiltImage, referrers_index
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Manifest
from mirrord.oci.reference import Repository
from mirrord.store.layout import CURRENT, FORMAT, Layout, flat_name, tag_target
from mirrord.store.record import Held, Record
from mirrord.store.tree import Tree

TIME = "20240101T000000Z"


class ScratchTree:
    """A root whose content and snapshots a test decides. Published generations are never changed, as in a real one."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self._sequence = itertools.count(1)
        self._served: dict[str, str] = {}
        for directory in (self.layout.snapshots, self.layout.generations, self.layout.content, self.layout.staging):
            _make(directory)
        _write(self.layout.mark, json.dumps({"format": FORMAT}).encode())

    @property
    def root(self) -> Path:
        """The directory."""
        return self.layout.root

    def tree(self) -> Tree:
        """The tree, as its readers open it."""
        return Tree.at(self.root)

    def add_blob(self, repository: str, content: bytes, digest: Digest | None = None) -> Digest:
        """Hold a blob in a repository's content."""
        digest = digest or Digest.of(content)
        self._hold(content, digest, self.layout.blob(repository, digest))
        return digest

    def add_manifest(self, repository: str, manifest: Manifest) -> None:
        """Hold a manifest in a repository's content; no tag names it."""
        path = self.layout.manifest(repository, manifest.digest, manifest.kind)
        self._hold(manifest.raw, manifest.digest, path)

    def add(self, repository: str, image: BuiltImage) -> None:
        """Hold an image whole: its manifests at every depth, and their blobs."""
        for content in image.contents():
            self.add_blob(repository, content)
        for manifest in image.manifests():
            self.add_manifest(repository, manifest)

    def publish(
        self,
        changed: Mapping[str, Mapping[str, BuiltImage] | None],
        referrers: Mapping[str, Mapping[Digest, Sequence[BuiltImage]]] | None = None,
    ) -> str:
        """Serve these tags of these repositories (None: the repository no more), all else as before; the snapshot."""
        for repository, tags in changed.items():
            if tags is None:
                self._served.pop(repository, None)
                continue
            for image in tags.values():
                self.add(repository, image)
            self._served[repository] = self._generation(repository, tags, (referrers or {}).get(repository, {}))
        name = f"{next(self._sequence):08d}-{TIME}"
        snapshot = self.layout.snapshots / name
        _make(snapshot)
        for repository, generation in self._served.items():
            flat = flat_name(repository)
            (snapshot / flat).symlink_to(f"../../generations/{flat}/{generation}")
        _write(snapshot / "_catalog.json", json.dumps({"repositories": sorted(self._served)}).encode())
        _write(snapshot / "_snapshot.json", json.dumps({"generations": self._served}).encode())
        self.serve(name)
        return name

    def serve(self, snapshot: str) -> None:
        """Serve this snapshot, by one rename."""
        fresh = self.root / f"{CURRENT}.new"
        fresh.symlink_to(f"snapshots/{snapshot}")
        fresh.rename(self.layout.current)

    def _generation(
        self, repository: str, tags: Mapping[str, BuiltImage], referrers: Mapping[Digest, Sequence[BuiltImage]]
    ) -> str:
        sequence = next(self._sequence)
        name = f"_{sequence:08d}-{sequence:016x}"
        directory = self.layout.generations / flat_name(repository) / name
        _make(directory / "tags")
        _make(directory / "referrers")
        for tag, image in tags.items():
            (directory / "tags" / tag).symlink_to(tag_target(repository, image.digest, image.manifest.kind))
        _write(directory / "list.json", json.dumps({"name": repository, "tags": sorted(tags)}).encode())
        for subject, listed in referrers.items():
            _write(directory / "referrers" / f"{subject}.json", referrers_index(listed))
        held = {tag: Held(image.digest, image.manifest.kind, len(image.manifest.raw)) for tag, image in tags.items()}
        _write(directory / "record.json", Record(repository, Repository("registry.test", "any"), held).encode())
        return name

    def _hold(self, content: bytes, digest: Digest, path: Path) -> None:
        pooled = self.layout.pooled(digest)
        if not pooled.exists():
            _make(pooled.parent)
            _write(pooled, content)
            pooled.chmod(0o444)
        if not path.exists():
            _make(path.parent)
            os.link(pooled, path)


def _make(directory: Path) -> None:
    """A directory that nginx's user may enter, whatever the umask."""
    missing = [parent for parent in (directory, *directory.parents) if not parent.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for made in missing:
        made.chmod(0o755)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o644)


@contextmanager
def readable_directory() -> Iterator[Path]:
    """A temporary directory that nginx's own user may enter; pytest's are private to who runs the tests."""
    with tempfile.TemporaryDirectory(prefix="mirrord-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory

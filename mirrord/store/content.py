"""A repository's content: which blobs and manifests it has, and the order in which new ones appear (B2)."""

import os
import stat
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE, Descriptor, Kind, Manifest, parse_manifest
from mirrord.oci.platform import PlatformChoice
from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.pool import link_out, size_in_pool
from mirrord.store.reading import file_size, parsing, read_file

_FEW = 8


class Survey(Struct, frozen=True):
    """Where the blobs of one manifest are."""

    held: tuple[Descriptor, ...]
    """In the repository already."""
    pooled: tuple[Descriptor, ...]
    """Another repository has them: a link, no request."""
    absent: tuple[Descriptor, ...]


class Completion(Struct, frozen=True):
    """A manifest of one repository whose blobs, children and own bytes are all in the pool or the repository."""

    repository: str
    manifest: Manifest
    blobs: tuple[Descriptor, ...]


class Demand(Struct, frozen=True):
    """An image, and what has to be here of it."""

    digest: Digest
    kind: Kind | None
    """As what it has to be here; None where that is not on record."""
    choice: PlatformChoice
    lacking: frozenset[Digest] = frozenset()
    """Parts of an index that it is complete without: the upstream itself lacks them."""
    with_foreign: bool = False
    """Whether layers that are to be had elsewhere have to be here too."""


def survey(layout: Layout, repository: str, blobs: Sequence[Descriptor]) -> Survey:
    """Find where each of ``blobs`` is; a file of another size than the descriptor's counts as absent."""
    held: list[Descriptor] = []
    pooled: list[Descriptor] = []
    absent: list[Descriptor] = []
    for blob in blobs:
        if file_size(layout.blob_text(repository, blob.digest)) == blob.size:
            held.append(blob)
        elif size_in_pool(layout, blob.digest) == blob.size:
            pooled.append(blob)
        else:
            absent.append(blob)
    return Survey(tuple(held), tuple(pooled), tuple(absent))


def read_manifest(layout: Layout, repository: str, digest: Digest) -> Manifest | None:
    """The manifest of ``digest`` in a repository, None where it is absent. Raises HostError for damage."""
    for kind in Kind:
        path = layout.manifest(repository, digest, kind)
        if file_size(path) is None:
            continue
        raw = read_file(layout.root, path, MAX_MANIFEST_SIZE)
        with parsing(path):
            manifest = parse_manifest(raw, kind.media_type, digest.algorithm)
        if manifest.digest != digest:
            pooled = layout.pooled(digest)
            raise HostError(f"{path} does not hash to its name; remove it and {pooled}, and the next sync mends it")
        return manifest
    return None


def check_rooms(layout: Layout, repository: str) -> None:
    """Raise HostError where something else stands in the place of a directory of a repository's content."""
    directories = list(accumulate((str(layout.content), *repository.split("/")), "{}/{}".format))
    for directory in (*directories, f"{directories[-1]}/_blobs", f"{directories[-1]}/_manifests"):
        try:
            is_directory = stat.S_ISDIR(os.lstat(directory).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not is_directory:
            raise HostError(f"{directory} is no directory, or a link to one; expected one that mirrord made")


def has_manifest(
    layout: Layout, repository: str, digest: Digest, size: int | None = None, kinds: Iterable[Kind] = Kind
) -> bool:
    """Whether a repository has the manifest of ``digest`` (of ``size`` bytes, where that is known)."""
    for kind in kinds:
        found = file_size(layout.manifest_text(repository, digest, kind))
        if found is not None:
            return found == size if size is not None else found > 0
    return False


def held_children(
    layout: Layout, repository: str, demand: Demand, suspects: frozenset[Digest]
) -> tuple[Digest, ...] | None:
    """The manifests below a complete image, at any depth; None where the image is not complete.

    An image manifest that is present is complete: it was linked after its blobs were durable. An index is complete
    when each child chosen *now* is present: a platform chosen since, or a kill in between, is seen. Those among
    ``suspects`` count as absent: damage was found since, and is not mended.
    """
    digest = demand.digest
    if digest in suspects:
        return None
    indexes = [kind for kind in _kinds(demand) if kind.is_index]
    if not any(file_size(layout.manifest_text(repository, digest, kind)) for kind in indexes):
        return () if _has_image(layout, repository, demand) else None
    index = read_manifest(layout, repository, digest)
    if index is None or not index.offers(demand.choice):
        return None
    below: list[Digest] = []
    for child in index.chosen(demand.choice):
        if not has_manifest(layout, repository, child.digest, child.size):
            if child.digest in demand.lacking:
                continue
            return None
        deeper = held_children(layout, repository, replace(demand, digest=child.digest, kind=None), suspects)
        if deeper is None:
            return None
        below += (child.digest, *deeper)
    return tuple(dict.fromkeys(below))


def _kinds(demand: Demand) -> Iterable[Kind]:
    return Kind if demand.kind is None else (demand.kind,)


def _has_image(layout: Layout, repository: str, demand: Demand) -> bool:
    if not demand.with_foreign:
        return has_manifest(layout, repository, demand.digest, kinds=_kinds(demand))
    manifest = read_manifest(layout, repository, demand.digest)
    foreign = [blob for blob in manifest.blobs if blob.is_foreign] if manifest else []
    return manifest is not None and len(survey(layout, repository, foreign).held) == len(foreign)


def complete(layout: Layout, batch: Sequence[Completion]) -> list[bool]:
    """Link a batch into its repositories: blobs, a barrier (B2), then manifests; the order within the batch is kept.

    False for each whose bytes left the pool meanwhile; nothing of it became visible. Raises HostError: then no
    manifest of the batch became visible.
    """
    touched: set[Path] = set()
    done = [_link_blobs(layout, item, touched) for item in batch]
    if len(touched) <= _FEW:
        for directory in touched:
            durable.sync_directory(directory)
    else:
        with durable.Barrier(layout.content) as barrier:
            barrier.wait()
    return [linked and _link_manifest(layout, item) for linked, item in zip(done, batch, strict=True)]


def _link_blobs(layout: Layout, item: Completion, touched: set[Path]) -> bool:
    directory = layout.blobs(item.repository)
    for room in (directory, layout.manifests(item.repository)):
        touched.update(durable.make_directories(room, layout.root))
    for blob in item.blobs:
        target = layout.blob_text(item.repository, blob.digest)
        if file_size(target) == blob.size:
            continue
        if not link_out(layout, blob.digest, blob.size, target):
            return False
        touched.add(directory)
    return True


def _link_manifest(layout: Layout, item: Completion) -> bool:
    manifest = item.manifest
    target = layout.manifest_text(item.repository, manifest.digest, manifest.kind)
    return link_out(layout, manifest.digest, len(manifest.raw), target)

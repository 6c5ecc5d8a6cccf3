"""What of one repository nothing names any more: found by proof, and kept whole at the first doubt.

What is present protects its children: generations on disk protect manifests, manifests on disk protect blobs.
Digests are texts here, as files are named by them: a value each would cost more than all that is done with them.
"""

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from mirrord.errors import InvalidManifestError, MirrordError
from mirrord.oci.digest import Digest, hashes_to, is_digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE
from mirrord.oci.outline import read_outline
from mirrord.oci.reference import is_local_name
from mirrord.store import durable
from mirrord.store.content import check_rooms
from mirrord.store.failures import host_errors
from mirrord.store.generation import read_record
from mirrord.store.layout import (
    Layout,
    flat_name,
    generation_sequence,
    parse_manifest_name,
    split_manifest_name,
    tag_target,
)
from mirrord.store.reading import opened_directory, read_beneath
from mirrord.store.record import Record
from mirrord.store.remembered import Remembered


class DoubtError(Exception):
    """Something in a repository can't be read or is nobody's: nothing of it may be deleted."""


def repositories_on_disk(layout: Layout) -> tuple[str, ...]:
    """Every repository that has content, served or not, sorted."""
    found = set()
    for directory, names, _ in os.walk(layout.content):
        if {"_blobs", "_manifests"} & set(names):
            found.add(str(Path(directory).relative_to(layout.content)))
        names[:] = [name for name in names if not name.startswith("_")]
    return tuple(sorted(found))


def linked_generations(layout: Layout, snapshot: str) -> Iterator[tuple[str, str]]:
    """Each repository and generation that a snapshot's links name. Raises HostError where it can't be read."""
    directory = layout.snapshots / snapshot
    with host_errors("read", directory):
        for entry in os.scandir(directory):
            if entry.is_symlink():
                yield entry.name.replace("!", "/"), os.readlink(entry.path).rpartition("/")[2]


def generations_on_disk(layout: Layout, repository: str) -> frozenset[str]:
    """The ids of a repository's generations. Raises DoubtError for an entry that is none."""
    room = layout.generations / flat_name(repository)
    if not is_local_name(repository) or (os.path.lexists(room) and not durable.is_directory(room)):
        raise DoubtError(f"{room} is none of mirrord's")
    names = frozenset(_names(repository, room))
    for name in names:
        if generation_sequence(name) is None:
            raise DoubtError(f"{repository}: {name!r} among its generations is none of mirrord's")
    return names


def named_digests(
    layout: Layout, repository: str, generations: Iterable[str], known: Remembered[frozenset[str]]
) -> frozenset[str]:
    """Every manifest that ``generations`` name. Raises DoubtError where one does not parse."""
    named: set[str] = set()
    for identity in generations:
        room = f"{layout.generations}/{flat_name(repository)}/{identity}"
        read = functools.partial(_named_by, layout, repository, identity)
        named |= known.of(read, f"{room}/record.json", f"{room}/tags")
    return frozenset(named)


def _named_by(layout: Layout, repository: str, identity: str) -> frozenset[str]:
    tags = f"{layout.generations}/{flat_name(repository)}/{identity}/tags"
    try:
        record = read_record(layout, repository, identity)
        named = set(map(str, digests_named(record)))
        with opened_directory(tags) as directory:
            links = {tag: os.readlink(tag, dir_fd=directory) for tag in os.listdir(directory)}
    except (MirrordError, OSError, LookupError, TypeError) as error:
        raise DoubtError(f"{repository}: {error}") from error
    for tag, said in links.items():
        held = record.tags.get(tag)
        if held is not None and said == tag_target(repository, held.digest, held.kind):
            continue
        target = parse_manifest_name(said)
        if target is None or held is None:
            raise DoubtError(f"{repository}: tag {tag!r} of generation {identity} is not as its record has it")
        named.add(str(target[0]))
    return frozenset(named)


def digests_named(record: Record) -> set[Digest]:
    """Every manifest that a record names: of tags, of digests, below both, and what refers to them."""
    held = [*record.tags.values(), *record.digests.values()]
    listed = (Digest.parse(entry["digest"]) for entries in record.referrers.values() for entry in entries)
    return {each.digest for each in held} | {child for each in held for child in each.children} | set(listed)


class Present(Struct, frozen=True):
    """One manifest that a repository has, as far as others depend on it: what it protects, and how much that is."""

    digest: str
    is_index: bool
    size: int
    children: tuple[str, ...]
    blobs: Mapping[str, int]
    """Its config and layers, as their files are named, and their sizes."""
    foreign: frozenset[str]
    """Those of them that are to be had elsewhere: the repository may lack them."""


def manifests_present(layout: Layout, repository: str, known: Remembered[Present]) -> Mapping[str, Present]:
    """Every manifest of a repository, by its file's name. Raises DoubtError for a file that is none, or is damaged."""
    room = f"{layout.content}/{repository}/_manifests"
    try:
        check_rooms(layout, repository)
        with opened_directory(room) as directory, os.scandir(directory) as entries:
            look = functools.partial(_present, directory, room, repository)
            return {entry.name: known.of(functools.partial(look, entry), f"{room}/{entry.name}") for entry in entries}
    except (MirrordError, OSError) as error:
        if isinstance(error, FileNotFoundError) and error.filename == room:
            return {}
        raise DoubtError(f"{repository}: {error}") from error


def _present(directory: int, room: str, repository: str, entry: "os.DirEntry[str]") -> Present:
    name = entry.name
    parsed = split_manifest_name(name)
    if parsed is None or not entry.is_file(follow_symlinks=False):
        raise DoubtError(f"{repository}: {name!r} among its manifests is none of mirrord's")
    digest, kind = parsed
    raw = read_beneath(directory, name, MAX_MANIFEST_SIZE + 1)
    try:
        found = read_outline(raw, kind)
    except InvalidManifestError as error:
        raise DoubtError(f"{repository}: {room}/{name} can't be read: {error}") from error
    if not hashes_to(raw, digest):
        raise DoubtError(f"{repository}: {room}/{name} does not hash to its name")
    children = tuple(child for child, _ in found.children)
    return Present(digest, found.kind.is_index, len(raw), children, found.blobs, found.foreign)


def unnamed_manifests(present: Mapping[str, Present], named: frozenset[str]) -> Sequence[str]:
    """The manifests that neither ``named`` holds nor a named index lists, at any depth: indexes before the rest."""
    by_digest = {manifest.digest: manifest for manifest in present.values()}
    marked: set[str] = set()
    waiting = [digest for digest in named if digest in by_digest]
    while waiting:
        digest = waiting.pop()
        if digest not in marked:
            marked.add(digest)
            waiting += [child for child in by_digest[digest].children if child in by_digest]
    unnamed = [name for name, manifest in present.items() if manifest.digest not in marked]
    return sorted(unnamed, key=lambda name: (not present[name].is_index, name))


def compared_blobs(layout: Layout, repository: str, left: Iterable[Present]) -> tuple[Sequence[str], frozenset[str]]:
    """The blobs that no manifest in ``left`` names, and those that one names and the repository lacks.

    Raises DoubtError for a file that is no blob.
    """
    named: set[str] = set()
    foreign: set[str] = set()
    for manifest in left:
        named |= manifest.blobs.keys()
        foreign |= manifest.foreign
    present = set(_names(repository, layout.blobs(repository)))
    unnamed = sorted(present - named)
    for name in unnamed:
        if not is_digest(name):
            raise DoubtError(f"{repository}: {name!r} among its blobs is none of mirrord's")
    return unnamed, frozenset(named - foreign - present)


def digests_present(layout: Layout, repository: str) -> frozenset[str]:
    """Every digest that a repository's content has, or should have, by the names of its files: none is opened."""
    found: set[str] = set()
    for room in (layout.blobs(repository), layout.manifests(repository)):
        with contextlib.suppress(OSError):
            found.update(name.partition(".")[0] for name in os.listdir(room))
    return frozenset(filter(is_digest, found))


def _names(repository: str, directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DoubtError(f"{repository}: {directory} can't be read: {error.strerror}") from error

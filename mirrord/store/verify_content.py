"""Every repository's content: its links into the pool, its manifests, and whether it has all its generations name.

Bytes are hashed here only where a file is not the pool's own.
"""

import contextlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from msgspec import Struct, field

from mirrord.errors import InvalidManifestError
from mirrord.oci.digest import Digest, hashes_to, is_digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE, Kind
from mirrord.oci.outline import Outline, read_outline
from mirrord.oci.reference import is_local_name
from mirrord.store import durable
from mirrord.store.blocks import Blocks
from mirrord.store.layout import Layout, split_manifest_name
from mirrord.store.record import Held, Record
from mirrord.store.verify_finding import Damage, Found, Image, Lost
from mirrord.store.verify_history import History, true_record
from mirrord.store.verify_look import Eye, Place, Room
from mirrord.store.verify_pool import Inode, PoolCheck

_ROOMS = ("_blobs", "_manifests")


class _Present(Struct, frozen=True):
    """A manifest that a repository has, and that is right."""

    kind: Kind
    lost: tuple[Digest, ...]
    """Its blobs that are absent or wrong."""


_WHOLE = {kind: _Present(kind, ()) for kind in Kind}


class _Repository(Struct):
    """What is known of one repository while it is looked at. Digests are texts, as files are named by them."""

    name: str
    blobs: set[str] = field(default_factory=set)
    """Names of its blobs that are right."""
    wrong: set[str] = field(default_factory=set)
    """Names of blobs that are there, and not what they should be."""
    present: dict[str, _Present] = field(default_factory=dict)
    listed: dict[str, Kind] = field(default_factory=dict)
    """The kind that an index says of each of its children."""
    rooms: set[Path] = field(default_factory=set)
    """Its directories that are there, and not behind a link."""


class ContentCheck(Struct):
    """One pass over all repositories."""

    layout: Layout
    eye: Eye
    pool: PoolCheck
    history: History
    blocks: Blocks
    repositories: set[str] = field(default_factory=set)
    """Those found on disk."""
    _right: set[Inode] = field(default_factory=set)
    """Files with several links that are not the pool's, and were hashed already."""
    _pool: str = ""

    def __post_init__(self) -> None:
        self._pool = f"{self.layout.root}/pool"

    def rooms(self, found: Found) -> Iterator[int]:
        """Check the directories above the repositories' own, and find the repositories."""
        named = {str(parent) for name in self.history.named for parent in (Path(name), *Path(name).parents)}
        waiting = [(self.layout.content, "")]
        while waiting:
            directory, name = waiting.pop()
            for entry in self.eye.names(found, Place(directory, "a directory of content", durable.DIRECTORY_MODE)):
                path, deeper = directory / entry, f"{name}/{entry}".lstrip("/")
                if entry in _ROOMS and name:
                    self.repositories.add(name)
                elif not is_local_name(deeper) or not (deeper in named or durable.is_directory(path)):
                    self.eye.foreign(found, path)
                elif self.eye.directory(found, Place(path, "a directory of content", durable.DIRECTORY_MODE)):
                    waiting.append((path, deeper))
            yield 0

    def repository(self, name: str, found: Found) -> Iterator[int]:
        """Check one repository."""
        seen = _Repository(name)
        yield from self._blobs(seen, found)
        yield from self._manifests(seen, found)
        for identity in self.history.served_first(name):
            record = self.blocks.leave(true_record(self.layout, name, identity))
            if record is not None:
                self._demand_all(seen, record, identity, found)
            yield 0
        for each in found.incomplete:
            if (name, each.digest) not in found.names:
                for blob in seen.present[str(each.digest)].lost:
                    found.name(name, blob, Image(f"{name}@{each.digest}"))

    def _blobs(self, seen: _Repository, found: Found) -> Iterator[int]:
        room = self.layout.blobs(seen.name)
        names = self._files(seen, room, found)
        with self.eye.opened(room) as opened:
            for name in names:
                if not is_digest(name):
                    self.eye.foreign(found, room / name)
                    continue
                is_right = self._is_pooled(opened, name, name) or (
                    yield from self._file(seen.name, room / name, Digest.parse(name), found)
                )
                (seen.blobs if is_right else seen.wrong).add(name)

    def _manifests(self, seen: _Repository, found: Found) -> Iterator[int]:
        room = self.layout.manifests(seen.name)
        names = self._files(seen, room, found)
        with self.eye.opened(room) as opened:
            for name in names:
                parsed = split_manifest_name(name)
                if parsed is None:
                    self.eye.foreign(found, room / name)
                    continue
                is_right = self._is_pooled(opened, name, parsed[0]) or (
                    yield from self._file(seen.name, room / name, Digest.parse(parsed[0]), found)
                )
                outline = self._outline(seen, parsed, opened, found) if is_right else None
                if outline is not None:
                    self._take(seen, parsed[0], outline, found)

    def _take(self, seen: _Repository, digest: str, outline: Outline, found: Found) -> None:
        lost = tuple(self._lost_blobs(seen, digest, outline, found))
        seen.present[digest] = _Present(outline.kind, lost) if lost else _WHOLE[outline.kind]
        if lost:
            found.incomplete.add(Lost(seen.name, Digest.parse(digest), outline.kind))
        for child, media_type in outline.children:
            kind = Kind.of_media_type(media_type)
            if kind is not None:
                seen.listed[child] = kind

    def _files(self, seen: _Repository, room: Path, found: Found) -> Iterable[str]:
        place = Place(room, "a directory of content", durable.DIRECTORY_MODE)
        above = room.parents[: len(room.relative_to(self.layout.content).parts)]
        if self.eye.status(found, place) is None or not all(map(durable.is_directory, above)):
            return ()  # what should be in it is missed by those who name it
        if not self.eye.directory(found, place):
            return ()
        seen.rooms.add(room)
        return self.eye.names(found, place)

    def _is_pooled(self, opened: Room | None, name: str, digest: str) -> bool:
        """Whether a file is the pool's own, and right: the usual case."""
        if opened is None or (self.pool.wrong and Digest.parse(digest) in self.pool.wrong):
            return False
        algorithm, _, digits = digest.partition(":")
        return opened.is_file(name, f"{self._pool}/{algorithm}/{digits[:2]}/{digits}")

    def _file(self, name: str, path: Path, digest: Digest, found: Found) -> Generator[int, None, bool]:
        """Check one file against the pool's: the same one, or one with the same bytes."""
        place = Place(path, "a link to the pool's file", digest=digest, repository=name)
        status = self.eye.status(found, place)
        if status is None or not self.eye.is_regular(found, place, status):
            return False
        self.eye.permissions(found, place, status)
        inode = (status.st_dev, status.st_ino)
        pooled = Place(self.layout.pooled(digest), "a file of the pool: a repository has it", digest=digest)
        in_pool = self.eye.status(found, pooled)
        if in_pool is not None and inode == (in_pool.st_dev, in_pool.st_ino):
            if self.pool.wrong.get(digest) == inode:
                self.eye.report(found, place, Damage.BYTES, str(digest), "the pool's file, whose bytes are wrong")
                return False
            return True
        is_right = inode in self._right or (yield from self.pool.hashes(found, place, digest))
        if is_right and status.st_nlink > 1:
            self._right.add(inode)
        if in_pool is None and self.eye.status(found, place) is not None:
            self.eye.report(found, pooled, Damage.MISSING, pooled.what)
        elif in_pool is not None and is_right and status.st_nlink == 1:
            self.eye.report(found, place, Damage.APART, "one file with the pool's")
        return is_right

    def _outline(
        self, seen: _Repository, parsed: tuple[str, Kind], opened: Room | None, found: Found
    ) -> Outline | None:
        """What a manifest depends on; None, and a finding, where it is none of its kind."""
        digest, kind = parsed
        raw = opened.contents(f"{digest}.{kind}", MAX_MANIFEST_SIZE + 1) if opened else None
        if raw is not None and hashes_to(raw, digest):
            with contextlib.suppress(InvalidManifestError):
                outline = read_outline(raw, kind)
                if outline.kind is kind:
                    return outline
        return self._misread(seen.name, Digest.parse(digest), kind, found)

    def _misread(self, name: str, digest: Digest, kind: Kind, found: Found) -> Outline | None:
        """Read a manifest again that seemed to be none, and tell why it is none."""
        path = self.layout.manifest(name, digest, kind)
        place = Place(path, f"a manifest of kind {kind}", digest=digest, repository=name)
        raw = self.eye.contents(found, place, MAX_MANIFEST_SIZE + 1)
        if raw is None:
            return None
        try:
            outline = read_outline(raw, kind, digest.algorithm)
        except InvalidManifestError as error:
            self.eye.report(found, place, Damage.DOCUMENT, place.what, str(error))
            return None
        if not digest.matches(raw):
            got = f"bytes that hash to {Digest.of(raw, digest.algorithm)}"
            self.eye.report(found, place, Damage.BYTES, str(digest), got)
            return None
        if outline.kind is not kind:
            self.eye.report(found, place, Damage.LINK, place.what, f"one of kind {outline.kind}")
            return None
        return outline

    def _lost_blobs(self, seen: _Repository, digest: str, outline: Outline, found: Found) -> Iterator[Digest]:
        for name in outline.blobs:
            if name in seen.blobs or name in outline.foreign:
                continue
            blob = Digest.parse(name)
            path = self.layout.blob(seen.name, blob)
            place = Place(path, f"a blob of {digest}", digest=blob, repository=seen.name)
            if name in seen.wrong:
                yield blob
            elif path.parent not in seen.rooms or self.eye.status(found, place) is None:
                self.eye.report(found, place, Damage.MISSING, place.what)
                yield blob

    def _demand_all(self, seen: _Repository, record: Record, identity: str, found: Found) -> None:
        """Miss what ``record`` names and the repository has not."""
        name, before = record.name, self.history.mark(record.name, identity)
        missed = [(f"{name}:{tag}", held) for tag, held in record.tags.items() if not _is_whole(seen, held)]
        missed += [(f"{name}@{digest}", held) for digest, held in record.digests.items() if not _is_whole(seen, held)]
        for image, held in ((Image(words, before), held) for words, held in missed):
            self._demand(seen, Lost(name, held.digest, held.kind), image, found)
            for child in held.children:
                self._demand(seen, Lost(name, child, None), image, found)
        for subject, entries in record.referrers.items():
            for entry in entries:
                kind = Kind.of_media_type(str(entry.get("mediaType", "")))
                wanted = Lost(name, Digest.parse(str(entry["digest"])), kind)
                self._demand(seen, wanted, Image(f"{name}@{subject}", f", which it refers to{before}"), found)

    def _demand(self, seen: _Repository, wanted: Lost, image: Image, found: Found) -> None:
        digest, held = wanted.digest, seen.present.get(str(wanted.digest))
        if held is not None and wanted.kind in {None, held.kind}:
            for lost in (*held.lost, digest) if held.lost else ():
                found.name(seen.name, lost, image)
            return
        kind = wanted.kind or seen.listed.get(str(digest))
        found.lost.add(Lost(seen.name, digest, kind))
        found.name(seen.name, digest, image)
        room = self.layout.manifests(seen.name)
        path = room / str(digest) if kind is None else self.layout.manifest(seen.name, digest, kind)
        place = Place(path, "a manifest that a generation names", digest=digest, repository=seen.name)
        if room not in seen.rooms or self.eye.status(found, place) is None:
            self.eye.report(found, place, Damage.MISSING, place.what)


def _is_whole(seen: _Repository, held: Held) -> bool:
    """Whether a repository has all of an image: the usual case, told cheaply."""
    if seen.present.get(str(held.digest)) is not _WHOLE[held.kind]:
        return False
    return all((child := seen.present.get(str(each))) is not None and not child.lost for each in held.children)

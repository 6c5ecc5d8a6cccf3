"""Writing a bundle: what the served snapshot has that another had not, hashed on its way. Takes no lock."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, field

from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, Manifest
from mirrord.store import durable
from mirrord.store.bundle import END, HEADER, Bundle, Member, Role, length_of, padded, tar_header
from mirrord.store.content import read_manifest
from mirrord.store.failures import host_errors
from mirrord.store.history import find_snapshot, served
from mirrord.store.layout import Layout, flat_name
from mirrord.store.pool import size_in_pool
from mirrord.store.reading import MAX_RECORD, file_size, open_file, parsing, read_file
from mirrord.store.record import Record
from mirrord.store.snapshot import Snapshot

T = TypeVar("T")
Write = Callable[[bytes], None]

_CHUNK = 1 << 20
_MEND = "mirrord verify --repair says more, and mends it"


class Content(Struct):
    """What one snapshot names, by digest with its size: manifests and blobs of all repositories."""

    manifests: dict[Digest, tuple[int, Kind]] = field(default_factory=dict)
    blobs: dict[Digest, int] = field(default_factory=dict)


class Plan(Struct, frozen=True):
    """A bundle to be written."""

    layout: Layout
    snapshot: Snapshot
    bundle: Bundle

    @property
    def length(self) -> int:
        """Its bytes."""
        return length_of(len(self.bundle.encode()), self.bundle.members)


def plan(layout: Layout, since: str | None) -> Plan:
    """The bundle of what is served now, without what the snapshot ``since`` has. Blocks.

    Raises ConfigError where nothing is served, or there is no such snapshot; HostError for damage.
    """
    snapshot = served(layout)
    base = None if since is None else find_snapshot(layout, since)
    wanted = _content(layout, snapshot, is_strict=True)
    had = Content() if base is None else _content(layout, base, is_strict=False)
    records = [_record_member(layout, name, snapshot) for name in sorted(snapshot.generations)]
    members = (
        *records,
        *(
            Member(Role.MANIFEST, digest, size, kind=kind)
            for digest, (size, kind) in _new(wanted.manifests, had.manifests)
        ),
        *(Member(Role.BLOB, digest, size) for digest, size in _new(wanted.blobs, had.blobs)),
    )
    published = snapshot.published.isoformat(timespec="seconds")
    return Plan(layout, snapshot, Bundle(snapshot.name, published, _host(), base.name if base else None, members))


def write(planned: Plan, put: Write, moved: Callable[[int], None]) -> None:
    """Write a bundle by ``put``; each number of bytes written is told to ``moved``. Raises HostError for damage."""

    def step(raw: bytes) -> None:
        put(raw)
        moved(len(raw))

    header = planned.bundle.encode()
    step(tar_header(HEADER, len(header)) + header + bytes(padded(len(header)) - len(header)))
    for member in planned.bundle.members:
        step(tar_header(member.name, member.size))
        for chunk in _verified(planned, member):
            step(chunk)
        step(bytes(padded(member.size) - member.size))
    step(END)


def write_file(planned: Plan, path: Path, moved: Callable[[int], None]) -> None:
    """Write a bundle to ``path``: whole and durable, or not at all: ``path.part`` grows meanwhile.

    Raises HostError.
    """
    part = path.with_name(f"{path.name}.part")
    durable.unlink(part, missing_ok=True)
    descriptor = durable.create_file(part, durable.PUBLIC_MODE)
    try:
        write(planned, lambda raw: durable.write_all(descriptor, raw, part), moved)
        durable.sync_file(descriptor, part)
        durable.rename(part, path)
    except BaseException:
        with contextlib.suppress(HostError):
            durable.unlink(part, missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    durable.sync_directory(path.parent)


def _new(wanted: dict[Digest, T], had: dict[Digest, T]) -> list[tuple[Digest, T]]:
    return sorted((each for each in wanted.items() if each[0] not in had), key=lambda each: str(each[0]))


def _content(layout: Layout, snapshot: Snapshot, *, is_strict: bool) -> Content:
    """What ``snapshot`` names; what is gone is damage, or (not ``is_strict``) left out."""
    found = Content()
    for name in sorted(snapshot.generations):
        walk = _Walk(layout, name, found, is_strict)
        with parsing(_record_file(layout, name, snapshot)):
            walk.record(Record.parse(_record_bytes(layout, name, snapshot)))
    return found


class _Walk(Struct, frozen=True):
    """What one repository's record names."""

    layout: Layout
    name: str
    found: Content
    is_strict: bool
    seen: set[Digest] = field(default_factory=set)

    def record(self, record: Record) -> None:
        """All of a record."""
        for held in (*record.tags.values(), *record.digests.values()):
            for digest in (held.digest, *held.children):
                self.manifest(digest)
        for listed in record.referrers.values():
            for entry in listed:
                self.referrer(Digest.parse(entry["digest"]))

    def manifest(self, digest: Digest) -> Manifest | None:
        """One manifest, and its blobs; its children are named apart. None where it was met before."""
        if digest in self.seen:
            return None
        self.seen.add(digest)
        manifest = read_manifest(self.layout, self.name, digest)
        if manifest is None:
            if self.is_strict:
                raise HostError(f"{self.name}@{digest} is gone from {self.layout.root}; {_MEND}")
            return None
        self.found.manifests[digest] = len(manifest.raw), manifest.kind
        for blob in manifest.blobs:
            is_here = file_size(self.layout.blob(self.name, blob.digest)) == blob.size
            if is_here and size_in_pool(self.layout, blob.digest) == blob.size:
                self.found.blobs[blob.digest] = blob.size
            elif self.is_strict and not blob.is_foreign:
                raise HostError(f"{self.name} lacks the blob {blob.digest} of {digest}; {_MEND}")
        return manifest

    def referrer(self, digest: Digest) -> None:
        """What refers to something: no record lists its children, so those come that are here."""
        manifest = self.manifest(digest)
        for child in manifest.children if manifest else ():
            if read_manifest(self.layout, self.name, child.digest) is not None:
                self.referrer(child.digest)


def _record_member(layout: Layout, name: str, snapshot: Snapshot) -> Member:
    raw = _record_bytes(layout, name, snapshot)
    return Member(Role.RECORD, Digest.of(raw), len(raw), name)


def _record_file(layout: Layout, name: str, snapshot: Snapshot) -> Path:
    return layout.generations / flat_name(name) / snapshot.generations[name] / "record.json"


def _record_bytes(layout: Layout, name: str, snapshot: Snapshot) -> bytes:
    path = _record_file(layout, name, snapshot)
    try:
        return read_file(layout.root, path, MAX_RECORD)
    except FileNotFoundError as error:
        raise HostError(f"{path} is gone; {_MEND}") from error


def _verified(planned: Plan, member: Member) -> Iterator[bytes]:
    """The bytes of a member, piece by piece. Raises HostError where they are not what its digest says."""
    layout = planned.layout
    path = layout.pooled(member.digest)
    if member.role is Role.RECORD:
        path = _record_file(layout, member.repository, planned.snapshot)
    hasher, left = member.digest.hasher(), member.size
    try:
        descriptor = open_file(layout.root, path)
    except FileNotFoundError as error:
        raise HostError(f"{path} went while the bundle was written; export again") from error
    try:
        with host_errors("read", path):
            while left and (chunk := os.read(descriptor, min(_CHUNK, left))):
                hasher.update(chunk)
                left -= len(chunk)
                yield chunk
    finally:
        os.close(descriptor)
    if left or hasher.hexdigest() != member.digest.hex:
        raise HostError(f"{path} does not hash to its name; {_MEND}")


def _host() -> str:
    """What this host calls itself, of the grammar that a bundle has for it."""
    name = "".join(
        each if each.isascii() and (each.isalnum() or each in "._-") else "-" for each in socket.gethostname()
    )
    return name.lstrip("._-")[:253] or "localhost"

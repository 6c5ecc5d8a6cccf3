"""Loading a bundle: each byte hashed on its way into the pool, then completed and published as a run's images are.

Nothing of it is served before all of it is here: until the one publication at its end, readers see what they saw.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from mirrord.errors import DigestMismatchError, InvalidManifestError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE, Descriptor, Kind, Manifest, parse_manifest
from mirrord.oci.reference import Repository
from mirrord.store.adopt import Meter
from mirrord.store.blocks import Blocks, read_blocks
from mirrord.store.bundle import Bundle, BundleError, Member, Role
from mirrord.store.bundle_read import OpenBundle, open_bundle
from mirrord.store.change import Brake, Change
from mirrord.store.content import check_rooms, has_manifest
from mirrord.store.many import each
from mirrord.store.pool import begin_grace, size_in_pool
from mirrord.store.reading import file_size, read_file
from mirrord.store.record import Held, Record, Source
from mirrord.store.snapshot import Reason
from mirrord.store.store import SMALL, Published, Store

_AT_ONCE = 32
_REPOSITORIES = 8
"""Repositories in work at once."""
_CHUNK = 4 << 20

Kinds = Mapping[Digest, Kind | None]


class Taken(Struct):
    """What became of a bundle's members."""

    bytes: int = 0
    """Of those that were not here."""
    here_already: int = 0
    """Bytes of those that were."""


class Loaded(Struct, frozen=True):
    """What came of loading a bundle."""

    bundle: Bundle
    taken: Taken
    published: Published


async def load(store: Store, path: Path, typed: str, brake: Brake | None, meter: Meter) -> Loaded:
    """Bring all of the bundle at ``path`` (as it was ``typed``) here, and serve what its snapshot served.

    Raises ConfigError, BundleError, BrakeError, HostError: then nothing that is served has changed, and what was right
    stays in the pool for the next attempt.
    """
    with contextlib.ExitStack() as files:
        opened = await store.run(lambda: files.enter_context(open_bundle(path)))
        work = _Load(store, opened, await store.run(lambda: read_blocks(store.layout)), meter)
        async with contextlib.AsyncExitStack() as locks:
            served = await store.repositories()
            for name in sorted({member.repository for member in opened.bundle.of(Role.RECORD)} | set(served)):
                await locks.enter_async_context(store.repository_lock(name))
            await work.require_base()
            await work.take_members()
            await each(work.complete, opened.bundle.of(Role.RECORD), _REPOSITORIES)
            changes = [*work.changes, *await work.dropped(served)]
            reason = Reason("", f"load {typed} ({opened.bundle.origin})")
            published = await store.publish([change for change in changes if not change.is_empty], reason, brake)
    return Loaded(opened.bundle, work.taken, published)


class _Load(Struct):
    """One bundle on its way into one root."""

    store: Store
    opened: OpenBundle
    blocks: Blocks
    meter: Meter
    taken: Taken = field(default_factory=Taken)
    brought: dict[Digest, Kind | None] = field(default_factory=dict)
    """The manifests of the bundle."""
    changes: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        members = self.opened.bundle.members
        self.brought = {member.digest: member.kind for member in members if member.role is Role.MANIFEST}
        self.meter.bytes_total = sum(member.size for member in members if member.role is not Role.RECORD)

    async def require_base(self) -> None:
        """Raise BundleError where the bundle leaves out what this root lacks too, before anything is copied."""
        for member in self.opened.bundle.of(Role.RECORD):
            await self.store.run(lambda member=member: self._require(member))  # type: ignore[misc] # awaited here

    def _require(self, member: Member) -> None:
        record = self.blocks.leave(self.opened.record(member))
        for digest in _named(record) - self.brought.keys():
            if not self._has(member.repository, digest) and size_in_pool(self.store.layout, digest) is None:
                raise self._lacking(f"{member.repository}@{digest}")

    async def take_members(self) -> None:
        """Have every manifest and blob of the bundle in the pool, verified and durable."""
        members = (member for member in self.opened.bundle.members if member.role is not Role.RECORD)
        await each(self._take, members, _AT_ONCE)

    async def _take(self, member: Member) -> None:
        if await self.store.run(lambda: self._is_here(member)):
            self.taken.here_already += member.size
        elif member.size < SMALL or member.role is Role.MANIFEST:
            await self.store.add_small(member.digest, await self.store.run(lambda: self.opened.whole(member)))
            self.taken.bytes += member.size
        else:
            await self._take_large(member)
            self.taken.bytes += member.size
        self.meter.bytes_done += member.size
        self.meter.files_done += 1

    def _is_here(self, member: Member) -> bool:
        if size_in_pool(self.store.layout, member.digest) != member.size:
            return False
        begin_grace(self.store.layout, member.digest)
        return True

    async def _take_large(self, member: Member) -> None:
        async with self.store.download(Descriptor("", member.digest, member.size)) as partial:
            if partial is None:  # a run has just brought it
                return
            if partial.offset:  # another's download: copying is as fast as hashing
                await partial.restart()
            while (at := partial.offset) < member.size:
                size = min(_CHUNK, member.size - at)
                await partial.write([await self.store.run(lambda at=at, size=size: self.opened.read(member, at, size))])  # type: ignore[misc] # awaited here
            try:
                await partial.finish()
            except DigestMismatchError as error:
                raise self.opened.wrong(member) from error

    async def complete(self, member: Member) -> None:
        """Make all manifests of a repository visible by digest, children first; then its change is among `changes`."""
        name = member.repository
        record = self.blocks.leave(await self.store.run(lambda: self.opened.record(member)))
        await self.store.run(lambda: check_rooms(self.store.layout, name))
        kinds = {held.digest: held.kind for held in _held(record)} | self.brought
        wanted = await self.store.run(lambda: self._missing(name, record, kinds))
        while wanted:
            ready = [digest for digest, children in wanted.items() if children.isdisjoint(wanted)]
            await each(lambda digest: self._complete(name, digest, kinds.get(digest)), ready, _AT_ONCE)
            for digest in ready:
                del wanted[digest]
        await self.store.run(lambda: self._require_kinds(name, record))
        self.changes.append(self._change(await self.store.record(name), record, name))

    def _missing(self, name: str, record: Record | None, kinds: Kinds) -> dict[Digest, frozenset[Digest]]:
        """The manifests of its record that a repository lacks, and the children of each.

        No record lists the children of what refers to something: those come that the origin had.
        """
        found: dict[Digest, frozenset[Digest]] = {}
        waiting, referrers = sorted(_named(record), key=str), _referrers(record)
        while waiting:
            digest = waiting.pop()
            if digest in found or self._has(name, digest):
                continue
            manifest = self._from_pool(name, digest, kinds.get(digest))
            found[digest] = frozenset(child.digest for child in manifest.children)
            if digest in referrers:
                below = [child for child in found[digest] if size_in_pool(self.store.layout, child) is not None]
                referrers.update(below)
                waiting += below
        return found

    def _has(self, name: str, digest: Digest) -> bool:
        return has_manifest(self.store.layout, name, digest) and not self.store.is_suspect(name, digest)

    def _from_pool(self, name: str, digest: Digest, kind: Kind | None) -> Manifest:
        layout = self.store.layout
        try:
            raw = read_file(layout.root, layout.pooled(digest), MAX_MANIFEST_SIZE)
            manifest = parse_manifest(raw, kind.media_type if kind else "", digest.algorithm)
        except FileNotFoundError as error:
            raise self._lacking(f"{name}@{digest}") from error
        except InvalidManifestError as error:
            raise BundleError(f"{self.opened.path}: {name}@{digest} is no manifest: {error}") from error
        if manifest.digest != digest:
            raise BundleError(f"{layout.pooled(digest)} does not hash to its name; mirrord verify --repair mends it")
        return manifest

    async def _complete(self, name: str, digest: Digest, kind: Kind | None) -> None:
        manifest = await self.store.run(lambda: self._from_pool(name, digest, kind))
        blobs = await self.store.run(lambda: self._blobs_of(name, manifest))
        if not await self.store.complete(name, manifest, blobs):
            raise self._lacking(f"a blob of {name}@{manifest.digest}")

    def _blobs_of(self, name: str, manifest: Manifest) -> list[Descriptor]:
        """The blobs to link: all, but for layers from elsewhere that the origin does not have either."""
        layout = self.store.layout
        here = [
            blob
            for blob in manifest.blobs
            if file_size(layout.blob(name, blob.digest)) == blob.size or size_in_pool(layout, blob.digest) == blob.size
        ]
        if lacking := [blob for blob in manifest.blobs if blob not in here and not blob.is_foreign]:
            raise self._lacking(f"the blob {lacking[0].digest} of {name}@{manifest.digest}")
        return here

    def _require_kinds(self, name: str, record: Record | None) -> None:
        """Whatever a tag will lead to is there under the kind that the record has for it."""
        for held in _held(record):
            if file_size(self.store.layout.manifest(name, held.digest, held.kind)) is None:
                raise BundleError(f"{self.opened.path}: {name}@{held.digest} is no {held.kind}, as its record has it")

    def _change(self, current: Record | None, record: Record | None, name: str) -> Change:
        gone = _dropping(current, name)
        if record is None:  # all of it is blocked
            return gone
        now = datetime.now(UTC).isoformat(timespec="seconds")

        def loaded(held: Held) -> Held:
            return replace(held, source=Source.LOAD, first_seen=now)

        subjects: Mapping[Digest, tuple[Mapping[str, Any], ...]] = dict.fromkeys(
            current.referrers if current else (), ()
        )
        return Change(
            name,
            record.upstream,
            {tag: loaded(held) for tag, held in record.tags.items()},
            gone.dropped_tags - record.tags.keys(),
            {digest: loaded(held) for digest, held in record.digests.items()},
            gone.dropped_digests - record.digests.keys(),
            {**subjects, **record.referrers},
        )

    async def dropped(self, served: Sequence[str]) -> list[Change]:
        """What an earlier bundle brought, of repositories that the origin no longer serves."""
        names = {member.repository for member in self.opened.bundle.of(Role.RECORD)}
        return [_dropping(await self.store.record(name), name) for name in served if name not in names]

    def _lacking(self, what: str) -> BundleError:
        bundle = self.opened.bundle
        if bundle.since is None:
            return BundleError(f"{self.opened.path} lacks {what}, which {bundle.origin} names; export it again")
        return BundleError(
            f"{self.opened.path} has what is new since snapshot {bundle.since} of {bundle.host}, and "
            f"{self.store.layout.root} lacks what that one had ({what}): load a bundle of it first, or one that was "
            "exported without --since"
        )


def _dropping(current: Record | None, name: str) -> Change:
    """The change that drops all that bundles brought of a repository."""
    tags = frozenset(tag for tag, held in (current.tags if current else {}).items() if held.source is Source.LOAD)
    digests = frozenset(one for one, held in (current.digests if current else {}).items() if held.source is Source.LOAD)
    upstream = current.upstream if current else Repository.parse(name)
    return Change(name, upstream, dropped_tags=tags, dropped_digests=digests)


def _held(record: Record | None) -> Iterable[Held]:
    return (*record.tags.values(), *record.digests.values()) if record else ()


def _named(record: Record | None) -> set[Digest]:
    """Every manifest that a record names."""
    held = {digest for one in _held(record) for digest in (one.digest, *one.children)}
    return held | _referrers(record)


def _referrers(record: Record | None) -> set[Digest]:
    listed = record.referrers.values() if record else ()
    return {Digest.parse(entry["digest"]) for entries in listed for entry in entries}

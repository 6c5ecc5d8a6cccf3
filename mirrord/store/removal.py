"""Taking blocked content out of reach by digest too: once no served tag names it, its manifests are unlinked."""

import contextlib
import os
from collections.abc import Iterable, Mapping

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.store import durable
from mirrord.store.blocks import Block, read_blocks, write_blocks
from mirrord.store.change import Change
from mirrord.store.content import read_manifest
from mirrord.store.garbage import digests_named, repositories_on_disk
from mirrord.store.generation import read_record
from mirrord.store.layout import Layout, flat_name, generation_sequence, parse_manifest_name
from mirrord.store.publish import Publication, publish, served_snapshot
from mirrord.store.record import Record
from mirrord.store.snapshot import Reason, Turn


def blocks_of(layout: Layout, block: Block) -> tuple[Block, ...]:
    """``block`` and, where it is of a blob's digest, one of each manifest here that names the blob."""
    if block.digest is None:
        return (block,)
    found = [block]
    for repository in repositories_on_disk(layout):
        if (layout.blobs(repository) / str(block.digest)).exists():
            why = f"names {block.digest}" + (f": {block.why}" if block.why else "")
            found += [
                Block(digest=digest, why=why, since=block.since)
                for digest in _manifests_naming(layout, repository, block.digest)
            ]
    return tuple(found)


def _manifests_naming(layout: Layout, repository: str, blob: Digest) -> Iterable[Digest]:
    for path in layout.manifests(repository).iterdir():
        parsed = parse_manifest_name(path.name)
        if parsed is None:
            continue
        try:
            manifest = read_manifest(layout, repository, parsed[0])
        except HostError:  # damage: verify tells of it
            continue
        if manifest is not None and any(each.digest == blob for each in manifest.blobs):
            yield manifest.digest


def unlink_manifests(layout: Layout, repository: str, digests: Iterable[Digest]) -> int:
    """Unlink manifests from a repository's content, durably; gives how many there were. Raises HostError."""
    gone = 0
    for digest in digests:
        for kind in Kind:
            path = layout.manifest(repository, digest, kind)
            if path.exists():
                durable.unlink(path)
                gone += 1
    if gone:
        durable.sync_directory(layout.manifests(repository))
    return gone


class Removed(Struct, frozen=True):
    """What a block took out."""

    blocks: tuple[Block, ...]
    """The block, and those of manifests that name a blocked blob."""
    publication: Publication | None
    tags: tuple[str, ...]
    """What is no longer served, as clients name it."""
    manifests: int
    """Files that were reachable by digest, and no longer are."""
    unnamed: Mapping[str, frozenset[Digest]]
    """By repository, manifests that what is served named before and may still be reachable: `unlink_unnamed`."""


def apply_block(layout: Layout, block: Block, turn: Turn) -> Removed:
    """Put a block in force: write it down, publish without it, and unlink what is blocked by its digest.

    Nobody can publish that any more, so a run may have it in work. The caller holds the publish mutex.
    Raises HostError.
    """
    added = blocks_of(layout, block)
    blocks = read_blocks(layout).adding(*added)
    write_blocks(layout, blocks)
    serving = served_snapshot(layout)
    generations = serving.generations if serving else {}
    wanted = [block.repository] if block.repository else list(generations)
    records = {name: read_record(layout, name, generations[name]) for name in wanted if name in generations}
    left = {name: blocks.leave(record) for name, record in records.items()}
    changed = [record for name, record in records.items() if left[name] != record]
    publication = publish(
        layout, [Change(each.name, each.upstream) for each in changed], turn, Reason("", f"block of {block.what}")
    )
    gone = 0
    for name in repositories_on_disk(layout) if block.digest else ():
        gone += unlink_manifests(layout, name, (each.digest for each in added if each.digest))
    unnamed = {record.name: _named_by(record) - _named_by(left[record.name]) for record in changed}
    tags = [f"{record.name}:{tag}" for record in changed for tag in _lost(record, left[record.name])]
    return Removed(added, publication, tuple(sorted(tags)), gone, unnamed)


def unlink_unnamed(layout: Layout, repository: str, digests: frozenset[Digest]) -> int:
    """Unlink those of ``digests`` that no generation names any more but for what is blocked; gives how many files.

    The caller holds the repository's lock: what a run found present it will publish. Raises HostError.
    """
    blocks, named = read_blocks(layout), frozenset[Digest]()
    room = layout.generations / flat_name(repository)
    for identity in filter(generation_sequence, os.listdir(room) if durable.is_directory(room) else ()):
        with contextlib.suppress(HostError):  # a damaged one can't be served: verify tells of it
            left = blocks.leave(read_record(layout, repository, identity))
            named |= digests_named(left) if left else set()
    return unlink_manifests(layout, repository, digests - named)


def _lost(before: Record, after: Record | None) -> Iterable[str]:
    return before.tags.keys() - (after.tags.keys() if after else set())


def _named_by(record: Record | None) -> frozenset[Digest]:
    """The manifests that a record's tags and digests name."""
    if record is None:
        return frozenset()
    held = [*record.tags.values(), *record.digests.values()]
    return frozenset(digest for each in held for digest in (each.digest, *each.children))

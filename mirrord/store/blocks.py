"""What an operator took out of what is served, and keeps out: digests, tags, whole repositories.

Written durably before anything follows from it. A publication leaves out what is blocked, whoever asks for it.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.record import Held, Record
from mirrord.store.state import read_state, write_state

_FILE = "blocks.json"


class Block(Struct, frozen=True):
    """One thing that is kept out: a digest, or a repository (by its name here), or one tag of it."""

    digest: Digest | None = None
    repository: str | None = None
    tag: str | None = None
    why: str = ""
    since: str = ""

    @property
    def what(self) -> str:
        """As a person names it."""
        if self.digest is not None:
            return str(self.digest)
        return f"{self.repository}:{self.tag}" if self.tag else str(self.repository)

    def document(self) -> dict[str, str]:
        """As it stands in the file and in `--json`."""
        return {"what": self.what, "why": self.why, "since": self.since}


class Blocks(Struct, frozen=True):
    """All blocks in force."""

    entries: tuple[Block, ...] = ()

    @classmethod
    def read(cls, documents: Iterable[Mapping[str, str]]) -> Self:
        """Out of each one's document. Raises KeyError, TypeError, InvalidDigestError."""
        return cls(tuple(map(_read, documents)))

    @property
    def digests(self) -> frozenset[Digest]:
        """The blocked digests: of manifests, or of blobs."""
        return frozenset(entry.digest for entry in self.entries if entry.digest is not None)

    def of_tag(self, repository: str, tag: str) -> Block | None:
        """The block that keeps a tag out by its name."""
        return next((each for each in self.entries if each.repository == repository and each.tag in {None, tag}), None)

    def of_digests(self, digests: "frozenset[Digest] | set[Digest]") -> Block | None:
        """The block that keeps out one of ``digests``."""
        return next((each for each in self.entries if each.digest in digests), None)

    def leave(self, record: Record | None) -> Record | None:
        """``record`` without what is blocked; None where nothing is left of it."""
        if record is None or not self.entries:
            return record
        tags = {tag: held for tag, held in record.tags.items() if not self._is_out(record.name, tag, held)}
        digests = {digest: held for digest, held in record.digests.items() if not self._is_out(record.name, "", held)}
        if not tags and not digests:
            return None
        blocked = self.digests
        referrers = {
            subject: tuple(entry for entry in entries if Digest.parse(entry["digest"]) not in blocked)
            for subject, entries in record.referrers.items()
        }
        left = {subject: entries for subject, entries in referrers.items() if entries and subject not in blocked}
        return replace(record, tags=tags, digests=digests, referrers=left)

    def _is_out(self, repository: str, tag: str, held: Held) -> bool:
        return self.of_tag(repository, tag) is not None or self.of_digests({held.digest, *held.children}) is not None

    def adding(self, *blocks: Block) -> Self:
        """These and ``blocks``; a new one replaces the same one of before."""
        by_name = {each.what: each for each in (*self.entries, *blocks)}
        return replace(self, entries=tuple(by_name.values()))

    def without(self, what: str) -> Self:
        """These without the one that ``what`` names."""
        return replace(self, entries=tuple(each for each in self.entries if each.what != what))


def read_blocks(layout: Layout) -> Blocks:
    """The blocks in force. Raises HostError where they can't be read: then nothing may be published."""
    content = read_state(layout, _FILE)
    if content is None:
        return Blocks()
    with parsing(layout.state / _FILE):
        documents = json.loads(content)
        if not isinstance(documents, list):
            raise TypeError("it is no list of blocks")
        return Blocks.read(documents)


def write_blocks(layout: Layout, blocks: Blocks) -> None:
    """Put ``blocks`` in force; durable on return. Raises HostError."""
    write_state(layout, _FILE, json.dumps([each.document() for each in blocks.entries], indent=1).encode())


def parse_block(what: str, why: str) -> Block:
    """A block of a digest, or of a name on the mirror with or without a tag. Raises InvalidDigestError."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(_target(what), why=why, since=since)


def _read(document: Mapping[str, str]) -> Block:
    return replace(_target(document["what"]), why=document["why"], since=document["since"])


def _target(what: str) -> Block:
    head, colon, rest = what.rpartition(":")
    if head in {"sha256", "sha512"}:
        return Block(digest=Digest.parse(what))
    return Block(repository=head, tag=rest) if colon and "/" not in rest else Block(repository=what)

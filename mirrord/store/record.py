"""What one generation of a repository holds, as values and as the ``record.json`` that tools read.

Nothing here changes from run to run while the content stays (no "last checked"): a run that finds nothing new
makes the same record, and so publishes nothing.
"""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, Self

from msgspec import DecodeError, Raw, Struct, field
from msgspec.json import Decoder

from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.oci.reference import Repository, is_local_name, is_tag

SCHEMA = "mirrord.record/1"
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_PLAIN = re.compile(r"[A-Za-z0-9_./:+ -]*")
"""What platforms and times are made of."""


class Source(StrEnum):
    """Who asked for an image: the config, somebody's command (kept until `mirrord remove`), or a bundle.

    What a bundle brought is no config's to drop, nor a command's: the next bundle of its origin does.
    """

    CONFIG = "config"
    COMMAND = "command"
    LOAD = "load"


class Held(Struct, frozen=True):
    """One tagged (or pinned) manifest and what of it is held."""

    digest: Digest
    kind: Kind
    size: int
    """Bytes of the manifest and of all that is held below it, each digest counted once."""
    platforms: tuple[str, ...] = ()
    children: tuple[Digest, ...] = ()
    """Manifests below an index, at any depth, that were chosen: `verify` demands them."""
    first_seen: str = ""
    """When this tag first had this digest here: UTC, ISO 8601, whole seconds."""
    source: Source = Source.CONFIG

    def document(self) -> dict[str, Any]:
        """As it stands in record.json."""
        return {
            "digest": str(self.digest),
            "kind": str(self.kind),
            "size": self.size,
            "platforms": list(self.platforms),
            "children": [str(child) for child in self.children],
            "first_seen": self.first_seen,
            "source": str(self.source),
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``document`` wrote. Raises ValueError, KeyError and the like, or MirrordError for anything else."""
        return cls(
            digest=Digest.parse(document["digest"]),
            kind=Kind(document["kind"]),
            size=int(document["size"]),
            platforms=tuple(map(_plain, document["platforms"])),
            children=tuple(Digest.parse(child) for child in document["children"]),
            first_seen=_plain(document["first_seen"]),
            source=Source(document["source"]),
        )


class Record(Struct, frozen=True):
    """One repository at one time: its tags, the digests kept without a tag, and who refers to whom."""

    name: str
    upstream: Repository
    tags: Mapping[str, Held] = field(default_factory=dict)
    digests: Mapping[Digest, Held] = field(default_factory=dict)
    """Images configured by digest alone."""
    referrers: Mapping[Digest, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """By subject: the descriptors its referrers document lists."""

    def encode(self) -> bytes:
        """The bytes of record.json: keys sorted, so that equal records are equal bytes."""
        upstream = {"host": self.upstream.host, "path": self.upstream.path}
        digests = {str(digest): held for digest, held in self.digests.items()}
        referrers = {str(subject): list(listed) for subject, listed in self.referrers.items()}
        content = io.BytesIO()  # written entry by entry: the documents of all tags are never there at once
        content.write(b'{"digests":')
        content.writelines(_entries_of(digests))
        content.write(f',"name":{_encode(self.name)},"referrers":{_encode(referrers)}'.encode())
        content.write(f',"schema":{_encode(SCHEMA)},"tags":'.encode())
        content.writelines(_entries_of(self.tags))
        content.write(f',"upstream":{_encode(upstream)}}}'.encode())
        return content.getvalue()

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read record.json, whose names become paths and requests: each must be of its grammar.

        Raises ValueError, KeyError and the like, or MirrordError, for what this version did not write.
        """
        written = _written(content)
        if written is not None:
            return cls(
                name=_of_grammar(is_local_name, written.name),
                upstream=Repository.of(written.upstream.host, written.upstream.path),
                tags={_of_grammar(is_tag, tag): held.value(Held) for tag, held in written.tags.items()},
                digests={Digest.parse(digest): held.value(Held) for digest, held in written.digests.items()},
                referrers=_referrers(json.loads(bytes(written.referrers))),
            )
        document = json.loads(content)
        if document["schema"] != SCHEMA:
            raise ValueError(f"record schema {document['schema']!r}; expected {SCHEMA!r}")
        return cls(
            name=_of_grammar(is_local_name, document["name"]),
            upstream=Repository.of(**document["upstream"]),
            tags={_of_grammar(is_tag, tag): Held.read(held) for tag, held in document["tags"].items()},
            digests={Digest.parse(digest): Held.read(held) for digest, held in document["digests"].items()},
            referrers=_referrers(document["referrers"]),
        )


class _Held(Struct, forbid_unknown_fields=True):
    """What `Held` writes, of the types that it writes."""

    digest: str
    kind: Kind
    size: Any  # as it was written: of what is no whole number the usual parser makes one, or says why not
    platforms: list[str]
    children: list[str]
    first_seen: str
    source: Source

    def value(self, held: type[Held]) -> Held:
        """The value, once its words are of their grammar. Raises as `Held.read` does."""
        return held(
            Digest.parse(self.digest),
            self.kind,
            self.size,
            tuple(map(_known_plain, self.platforms)),
            tuple(map(Digest.parse, self.children)) if self.children else (),
            _known_plain(self.first_seen),
            self.source,
        )


class _Upstream(Struct, forbid_unknown_fields=True):
    host: str
    path: str


class _Written(Struct, forbid_unknown_fields=True):
    """What `Record.encode` writes. Descriptors are an upstream's own words: they are left to the usual parser."""

    schema: Literal["mirrord.record/1"]
    name: str
    upstream: _Upstream
    tags: dict[str, _Held]
    digests: dict[str, _Held]
    referrers: Raw


_decoder = Decoder(_Written)


def _written(content: bytes) -> _Written | None:
    """A record as it is usually written, read several times as quickly; None for any other, be it right or wrong."""
    if not content.isascii():
        return None
    try:
        found = _decoder.decode(content)
    except (DecodeError, RecursionError):
        return None
    is_whole = all(type(held.size) is int for every in (found.tags, found.digests) for held in every.values())
    return found if is_whole else None


def _entries_of(every: Mapping[str, Held]) -> Iterator[bytes]:
    """A JSON object of what is held, in pieces."""
    between = "{"
    for name in sorted(every):
        yield f"{between}{_encode(name)}:{_encode(every[name].document())}".encode()
        between = ","
    yield b"}" if every else b"{}"


def _of_grammar(is_name: Callable[[str], bool], text: str) -> str:
    if not is_name(text):
        raise ValueError(f"{text!r} is no name")
    return text


def _plain(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{text!r} is neither a platform nor a time")
    return sys.intern(text)  # most tags of a repository have the same


_known_plain = lru_cache(1024)(_plain)


def _referrers(document: Mapping[str, Sequence[Mapping[str, Any]]]) -> Mapping[Digest, tuple[Mapping[str, Any], ...]]:
    return {Digest.parse(digest): _entries(listed) for digest, listed in document.items()}


def _entries(listed: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    for entry in listed:
        Digest.parse(entry["digest"])
    return tuple(listed)

"""What a manifest depends on, and nothing else of it: for whoever reads them by the hundred thousand.

A manifest that is written plainly, as nearly all are, is taken to its parts by one call of a compiled decoder. Whatever
that leaves any doubt about is read by `parse_manifest`, so both give the same, or refuse it in the same words.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import DecodeError, Struct, field
from msgspec.json import Decoder

from mirrord.oci.digest import Algorithm, is_digest
from mirrord.oci.manifest import MAX_CONTENT_SIZE, Kind, parse_manifest

_PLAIN_SIZE: Final = 64 << 10
"""Bytes of a manifest above which its values and entries are counted first, as `parse_manifest` does."""
_SCHEMA: Final = 2
_STRINGS: Final = 5
"""Texts in a descriptor of three keys, those included."""


class Outline(Struct, frozen=True):
    """What one manifest depends on. Digests are texts that were checked: the names of files."""

    kind: Kind
    children: tuple[tuple[str, str], ...]
    """Of an index: the digest and the media type of each entry."""
    blobs: Mapping[str, int]
    """Of an image: its config and layers, each once, and their sizes."""
    foreign: frozenset[str]
    """Those of the blobs that are to be had elsewhere."""


class _Entry(Struct, forbid_unknown_fields=True):
    """A descriptor of the usual keys; one with any other is not plain."""

    media_type: str = field(name="mediaType")
    digest: str
    size: Any  # as it was written: 1.0 is no number of bytes
    annotations: dict[str, str] | None = None
    platform: dict[str, str] | None = None


class _Document(Struct, forbid_unknown_fields=True, kw_only=True):
    schema: Any = field(name="schemaVersion")
    media_type: str | None = field(name="mediaType", default=None)
    artifact_type: str | None = field(name="artifactType", default=None)
    subject: _Entry | None = None
    annotations: dict[str, str] | None = None


class _Index(_Document, forbid_unknown_fields=True, kw_only=True):
    manifests: list[_Entry]


class _Image(_Document, forbid_unknown_fields=True, kw_only=True):
    config: _Entry
    layers: list[_Entry]


_index: "Final[Decoder[_Index | _Image]]" = Decoder(_Index)
_image: "Final[Decoder[_Index | _Image]]" = Decoder(_Image)


def read_outline(raw: bytes, kind: Kind, algorithm: Algorithm = "sha256") -> Outline:
    """Read what the manifest ``raw`` depends on. Raises InvalidManifestError as `parse_manifest` does."""
    plain = _plain(raw, kind)
    if plain is not None:
        return plain
    manifest = parse_manifest(raw, kind.media_type, algorithm)
    return Outline(
        manifest.kind,
        tuple((str(child.digest), child.media_type) for child in manifest.children),
        {str(blob.digest): blob.size for blob in manifest.blobs},
        frozenset(str(blob.digest) for blob in manifest.blobs if blob.is_foreign),
    )


def _plain(raw: bytes, kind: Kind) -> Outline | None:
    """The outline of a manifest of that kind that is written plainly; None for any other, be it right or wrong.

    Keys that none knows, or of the wrong type, the decoder refuses. It takes the last of two that are the same: then
    there are more texts in the document than were taken from it, which can be counted where none has an escape.
    """
    if len(raw) > _PLAIN_SIZE or b"\\" in raw or not raw.isascii():
        return None
    try:
        found = (_index if kind.is_index else _image).decode(raw)
    except (DecodeError, RecursionError):
        return None
    listed = found.manifests if isinstance(found, _Index) else [found.config, *found.layers]
    sizes = _sizes(listed)
    is_plain = (
        sizes is not None
        and type(found.schema) is int
        and found.schema == _SCHEMA
        and found.media_type in {None, kind.media_type}
        and (found.subject is None or _sizes((found.subject,)) is not None)
        and raw.count(b'"') == 2 * (_texts_above(found) + _texts(listed))
    )
    if sizes is None or not is_plain:
        return None
    if isinstance(found, _Index):
        return Outline(kind, tuple((each.digest, each.media_type) for each in listed), {}, frozenset())
    return Outline(kind, (), sizes, frozenset())


def _texts_above(found: _Index | _Image) -> int:
    """How many texts there are in a document beside its descriptors' own, keys included."""
    count = 2 if isinstance(found, _Index) else 3
    count += 2 * ((found.media_type is not None) + (found.artifact_type is not None))
    if found.annotations is not None:
        count += 1 + 2 * len(found.annotations)
    return count if found.subject is None else count + 1 + _texts((found.subject,))


def _texts(entries: Iterable[_Entry]) -> int:
    """How many texts there are in descriptors, keys included."""
    count = 0
    for entry in entries:
        count += _STRINGS
        if entry.annotations is not None:
            count += 1 + 2 * len(entry.annotations)
        if entry.platform is not None:
            count += 1 + 2 * len(entry.platform)
    return count


def _sizes(entries: Iterable[_Entry]) -> dict[str, int] | None:
    """The size of each digest; None where one of them is none, or they don't agree."""
    sizes: dict[str, int] = {}
    for entry in entries:
        digest, size = entry.digest, entry.size
        if type(size) is not int or not 0 <= size <= MAX_CONTENT_SIZE or not is_digest(digest):
            return None
        if sizes.setdefault(digest, size) != size:
            return None
    return sizes

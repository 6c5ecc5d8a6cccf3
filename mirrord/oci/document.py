"""Strict reading of JSON documents from registries: what two readers could understand differently is refused."""

import json
from collections.abc import Iterable, Mapping

from mirrord.errors import InvalidManifestError

_MAX_PARTS = 400_000
"""Values a document may hold: 8 MiB of ``{},{},…`` would cost twenty times as much memory as they have bytes."""
_KEYS = {
    key.casefold(): key
    for key in (
        "annotations", "artifactType", "config", "data", "digest", "fsLayers", "layers", "manifests", "mediaType",
        "platform", "schemaVersion", "size", "subject", "urls",
    )
}  # fmt: skip


def read_document(raw: bytes) -> Mapping[str, object]:
    """Read a JSON object: UTF-8, no key twice in one object. Raises InvalidManifestError."""
    if sum(map(raw.count, (b"{", b"[", b","))) > _MAX_PARTS:
        raise InvalidManifestError(f"the document has more than {_MAX_PARTS} values")
    try:
        document = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidManifestError(f"the document is not JSON: {reason}") from error
    if not isinstance(document, dict):
        raise InvalidManifestError("the document is JSON, but not an object")
    return document


def check_spelling(document: Mapping[str, object], where: str) -> None:
    """Refuse keys that a reader blind to case, as Go's is, would take for others: ``Layers`` beside ``layers``."""
    for key in document:
        meant = _KEYS.get(key.casefold(), key)
        if key != meant:
            raise InvalidManifestError(f"{where} has the key {key!r}, which some clients read as {meant!r}")


def text_of(document: Mapping[str, object], key: str) -> str:
    """The text under ``key``; empty where there is none, or something else."""
    value = document.get(key)
    return value if isinstance(value, str) else ""


def items_of(value: object) -> Iterable[object]:
    """The items of a list; none where it is none."""
    return value if isinstance(value, list) else ()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")

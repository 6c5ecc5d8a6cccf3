"""Building one generation: a repository's tags and referrers at one time, as an immutable directory."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mirrord.oci.manifest import Kind
from mirrord.store import durable
from mirrord.store.failures import host_error
from mirrord.store.layout import Layout, flat_name, tag_target
from mirrord.store.reading import MAX_RECORD, parsing, read_file
from mirrord.store.record import Record


def build_generation(layout: Layout, record: Record, sequence: int, previous: tuple[str, Record] | None) -> str:
    """Write the generation of ``record`` under ``generations/<flat>/`` and give its id.

    ``previous`` is the id and record it follows: unchanged tags are hardlinks of its symlinks, so that they cost one
    directory entry. Durable only after the publication's barrier.
    """
    content = record.encode()
    flat = flat_name(record.name)
    identity = f"_{sequence:08d}-{hashlib.sha256(content).hexdigest()[:16]}"
    staged = layout.staging / identity  # without the name, which alone may be as long as a file's name can be
    durable.make_directory(staged)
    _write_tags(layout, record, staged / "tags", previous)
    _write_referrers(record, staged / "referrers")
    durable.write_file(staged / "list.json", tag_list(record.name, record.tags))
    durable.write_file(staged / "record.json", content)
    durable.make_directory(layout.generations / flat)
    durable.rename(staged, layout.generations / flat / identity)
    return identity


def _write_tags(layout: Layout, record: Record, target: Path, previous: tuple[str, Record] | None) -> None:
    durable.make_directory(target)
    links = {tag: tag_target(record.name, held.digest, held.kind) for tag, held in record.tags.items()}
    unchanged: dict[str, str] = {}
    if previous is not None:
        identity, old = previous
        source = layout.generations / flat_name(record.name) / identity / "tags"
        unchanged = {
            tag: links[tag]
            for tag, held in record.tags.items()
            if (before := old.tags.get(tag)) is not None and (before.digest, before.kind) == (held.digest, held.kind)
        }
        durable.link_symlinks(unchanged, source, target)
    for tag in links.keys() - unchanged.keys():
        durable.symlink(links[tag], target / tag)


def _write_referrers(record: Record, target: Path) -> None:
    durable.make_directory(target)
    for subject, listed in record.referrers.items():
        durable.write_file(target / f"{subject}.json", referrers_document(listed))


def tag_list(name: str, tags: Iterable[str]) -> bytes:
    """The bytes of ``list.json``."""
    return json.dumps({"name": name, "tags": sorted(tags)}, separators=(",", ":")).encode()


def referrers_document(listed: Iterable[Mapping[str, Any]]) -> bytes:
    """The bytes of a document in ``referrers/``, of the descriptors it lists."""
    index = {"schemaVersion": 2, "mediaType": Kind.OCI_INDEX.media_type, "manifests": list(listed)}
    return json.dumps(index, sort_keys=True, separators=(",", ":")).encode()


def read_record(layout: Layout, name: str, identity: str) -> Record:
    """The record of one generation. Raises HostError where it is absent or does not parse."""
    path = layout.generations / flat_name(name) / identity / "record.json"
    try:
        return load_record(layout, path, name)
    except FileNotFoundError as error:
        raise host_error("read", path, error) from error


def load_record(layout: Layout, path: Path, name: str) -> Record:
    """The record in ``path``, of repository ``name``. Raises FileNotFoundError, and HostError for what is no such."""
    content = read_file(layout.root, path, MAX_RECORD)
    with parsing(path):
        record = Record.parse(content)
        if record.name != name:
            raise ValueError(f"it is the record of {record.name!r}")
        return record


def generation_target(name: str, identity: str) -> str:
    """Where a generation lies, as a snapshot's link says it."""
    return f"../../generations/{flat_name(name)}/{identity}"

"""What is told of one repository: each tag with its digest, platforms, sizes, what is attached to it, and its past."""

import io
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from mirrord.oci.digest import Digest
from mirrord.oci.reference import followed_digest, is_follower
from mirrord.store.garbage import DoubtError, Present, manifests_present
from mirrord.store.record import Held, Record
from mirrord.store.seen import Seen
from mirrord.store.snapshot import Snapshot

SCHEMA: Final = "mirrord.repository/1"
MOMENTS: Final = 10
"""Moments of a tag's past that are told, the newest ones."""
GONE: Final = 100
"""Tags that are served no more and whose past is told, those gone last."""
WEIGHED: Final = 500
"""Tags of a repository above which it is not counted what each has alone: that takes a look at all their manifests."""
_ATTACHED: Final = 20
"""Signatures and the like of a tag that are told one by one."""
_SHOWN: Final = 100
"""Characters of a type that an upstream chose."""
_WORDS: Final = {
    "signature": ("signature", "cosign", "sigstore", ".sig"),
    "sbom": ("spdx", "cyclonedx", "syft", "sbom"),
    "attestation": ("in-toto", "attest", "slsa", "provenance", ".att"),
}

_encode = json.JSONEncoder(separators=(",", ":")).encode

Past = Mapping[str, Sequence[Mapping[str, Any]]]
"""By tag, its moments, newest first: the snapshot, when it was published, and the digest (null: not served)."""


class Stage(Struct, frozen=True):
    """What a repository was from one snapshot on; no record: it was not served."""

    snapshot: Snapshot
    record: Record | None


def past_after(before: Past, stages: Sequence[Stage]) -> Past:
    """The past of each tag after further stages, oldest first. Pure."""
    past = {tag: list(moments) for tag, moments in before.items()}
    for stage in stages:
        tags = stage.record.tags if stage.record else {}
        named = {tag: str(held.digest) for tag, held in tags.items() if not is_follower(tag)}
        when = stage.snapshot.published.isoformat(timespec="seconds")
        for tag in named.keys() | past.keys():
            moments = past.setdefault(tag, [])
            digest = named.get(tag)
            if (moments[0]["digest"] if moments else None) == digest:
                continue
            moments.insert(0, {"snapshot": stage.snapshot.name, "published": when, "digest": digest})
            del moments[MOMENTS:]
    gone = sorted((moments[0]["published"], tag) for tag, moments in past.items() if moments[0]["digest"] is None)
    for _, tag in gone[: max(0, len(gone) - GONE)]:
        del past[tag]
    return past


def repository_content(seen: Seen, record: Record, generation: str, snapshot: str, past: Past) -> bytes:
    """All that is told of a repository, as JSON; written tag by tag: what is told of all is never there at once.

    Looks at its manifests; one that can't be read leaves its sizes untold.
    """
    images = {tag: held for tag, held in record.tags.items() if not is_follower(tag)}
    alone = _alone(seen, record.name, images.values()) if len(images) <= WEIGHED else {}
    attached = _attached(record)
    head = {
        "schema": SCHEMA,
        "name": record.name,
        "upstream": str(record.upstream),
        "generation": generation,
        "snapshot": snapshot,
    }
    digests = [_told(held, alone, attached) for _, held in sorted(record.digests.items(), key=_by_name)]
    content = io.BytesIO()
    content.write(f'{_encode(head)[:-1]},"tags":{{'.encode())
    content.writelines(_entries((tag, _told(images[tag], alone, attached)) for tag in sorted(images)))
    content.write(f'}},"digests":{_encode(digests)},"history":{{'.encode())
    content.writelines(_entries((tag, list(past[tag])) for tag in sorted(past)))
    content.write(b"}}")
    return content.getvalue()


def _entries(named: Iterable[tuple[str, object]]) -> Iterator[bytes]:
    """What stands in a JSON object, piece by piece."""
    between = ""
    for name, value in named:
        yield f"{between}{_encode(name)}:{_encode(value)}".encode()
        between = ","


def named_bytes(record: Record) -> int:
    """The bytes of all images of a record, as if each tag were kept for itself."""
    held = [each for tag, each in record.tags.items() if not is_follower(tag)]
    return sum(each.size for each in (*held, *record.digests.values()))


def image_count(record: Record) -> int:
    """The tags of a record, without signatures and the like."""
    return sum(not is_follower(tag) for tag in record.tags)


def _by_name(entry: tuple[Digest, Held]) -> str:
    return str(entry[0])


def _told(held: Held, alone: Mapping[Digest, int], attached: Mapping[Digest, Sequence[Mapping[str, str]]]) -> object:
    found = [each for digest in (held.digest, *held.children) for each in attached.get(digest, ())]
    return {
        "digest": str(held.digest),
        "kind": str(held.kind),
        "size": held.size,
        "alone": alone.get(held.digest),
        "platforms": list(held.platforms),
        "first_seen": held.first_seen,
        "source": str(held.source),
        "attached": found[:_ATTACHED],
        "attached_count": len(found),
    }


def _attached(record: Record) -> Mapping[Digest, Sequence[Mapping[str, str]]]:
    """By subject, what refers to it: by a tag that follows it, and by the referrers' documents."""
    found: dict[Digest, list[Mapping[str, str]]] = {}
    for tag, held in sorted(record.tags.items()):
        subject = followed_digest(tag)
        if subject is not None and "." in tag:  # the fallback tag itself is only their list
            kind = f"tag .{tag.rpartition('.')[2]}"
            found.setdefault(subject, []).append({"what": _what(kind), "type": kind, "digest": str(held.digest)})
    for subject, entries in record.referrers.items():
        for entry in entries:
            kind = str(entry.get("artifactType") or entry.get("mediaType") or "")[:_SHOWN]
            found.setdefault(subject, []).append({"what": _what(kind), "type": kind, "digest": str(entry["digest"])})
    return found


def _what(kind: str) -> str:
    """What something attached is, by the type that its maker gave it."""
    lower = kind.lower()
    return next((what for what, words in _WORDS.items() if any(word in lower for word in words)), "other")


def _alone(seen: Seen, repository: str, images: Collection[Held]) -> Mapping[Digest, int]:
    """By image, the bytes that no other image of the repository has; nothing where a manifest can't be read."""
    every: dict[Digest, Mapping[str, int]] = {}
    try:
        present = {each.digest: each for each in manifests_present(seen.layout, repository, seen.manifests).values()}
    except DoubtError:  # a collection tells of it, and `verify`
        return {}
    for held in images:
        if held.digest not in every:
            every[held.digest] = dict(_parts(present, held))
    users = Counter(digest for parts in every.values() for digest in parts)
    return {image: sum(size for each, size in parts.items() if users[each] == 1) for image, parts in every.items()}


def _parts(present: Mapping[str, Present], held: Held) -> Iterator[tuple[str, int]]:
    """The manifests and blobs of an image that are held, with their sizes."""
    for digest in map(str, (held.digest, *held.children)):
        manifest = present.get(digest)
        if manifest is not None:
            yield digest, manifest.size
            yield from ((blob, size) for blob, size in manifest.blobs.items() if blob not in manifest.foreign)

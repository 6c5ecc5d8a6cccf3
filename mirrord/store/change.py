"""What a run wants changed in one repository, and the record that results: pure, so that a publication can rebase."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from mirrord.errors import BrakeError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository, is_follower
from mirrord.store.record import Held, Record

_NAMED = 10
_QUICK = 1
"""How hard zlib tries: what it finds soon is that records repeat themselves; a digest has nothing to be found."""
_encode = json.JSONEncoder(separators=(",", ":")).encode
_Entries = tuple[Mapping[str, Any], ...]


class Brake(Struct, frozen=True):
    """Stops a publication that would drop more than a share of the tags held, and more than a few."""

    share: float
    """``delete.max``."""
    floor: int = 20
    """So many may always go."""
    command: str = "mirrord sync"
    """What has the option that lets it pass."""

    def check(self, dropped: Mapping[str, frozenset[str]], held: Callable[[], int]) -> None:
        """Raise BrakeError where ``dropped`` (by repository) are too many of the tags ``held`` counts.

        Signatures and the like don't count, on neither side: they go whenever their image moves on, and a mirror may
        have several for each image.
        """
        names = [
            f"{name}:{tag}" for name, tags in sorted(dropped.items()) for tag in sorted(tags) if not is_follower(tag)
        ]
        if len(names) <= self.floor or len(names) / (total := held()) <= self.share:
            return
        shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        raise BrakeError(
            f"this would drop {len(names)} of {total} tags, more than {self.share * 100:g}% (delete.max): {shown}; "
            "they left the config, its rules, or the upstream's lists. "
            f"If that is meant: {self.command} --allow-deletes"
        )


class Change(Struct, frozen=True):
    """Changes to one repository, tag by tag: what they don't name stays as the newest snapshot has it."""

    name: str
    upstream: Repository
    tags: Mapping[str, Held] = field(default_factory=dict)
    """Tags that are complete and shall name these manifests from now on."""
    dropped_tags: frozenset[str] = frozenset()
    digests: Mapping[Digest, Held] = field(default_factory=dict)
    dropped_digests: frozenset[Digest] = frozenset()
    referrers: Mapping[Digest, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """By subject, the descriptors of all that refers to it; a subject named here is replaced whole."""

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return not (self.tags or self.dropped_tags or self.digests or self.dropped_digests or self.referrers)

    def opened(self) -> "Change":
        """Itself."""
        return self

    def packed(self) -> "PackedChange":
        """The same, small, for as long as nobody needs it: a tag takes some 80 bytes instead of 500."""
        compressor = zlib.compressobj(_QUICK)
        lines = [compressor.compress(f"{_encode(row)}\n".encode()) for row in self._rows()]
        content = b"".join([*lines, compressor.flush()])
        return PackedChange(self.name, self.upstream, content, self.dropped_tags, self.dropped_digests)

    def _rows(self) -> Iterator[tuple[str, str, object]]:
        """What it adds, one thing after the other: the documents of all are never there at once."""
        yield from (("tag", tag, held.document()) for tag, held in self.tags.items())
        yield from (("digest", str(digest), held.document()) for digest, held in self.digests.items())
        yield from (("referrers", str(subject), list(listed)) for subject, listed in self.referrers.items())


class PackedChange(Struct, frozen=True):
    """A change that is not empty, kept small."""

    name: str
    upstream: Repository
    content: bytes
    """What it adds: compressed lines of JSON."""
    dropped_tags: frozenset[str]
    dropped_digests: frozenset[Digest]

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing."""
        return False

    def opened(self) -> Change:
        """The change."""
        tags: dict[str, Held] = {}
        digests: dict[Digest, Held] = {}
        referrers: dict[Digest, _Entries] = {}
        for line in zlib.decompress(self.content).splitlines():
            what, name, entry = json.loads(line)
            match what:
                case "tag":
                    tags[name] = Held.read(entry)
                case "digest":
                    digests[Digest.parse(name)] = Held.read(entry)
                case _:
                    referrers[Digest.parse(name)] = tuple(entry)
        return Change(self.name, self.upstream, tags, self.dropped_tags, digests, self.dropped_digests, referrers)


def rebased(current: Record | None, change: Change) -> Record | None:
    """The record after ``change`` on top of ``current``; None where nothing is left to serve.

    An unchanged tag keeps when it was first seen. Referrers of what is no longer held go with it.
    """
    tags = dict(current.tags) if current else {}
    digests = dict(current.digests) if current else {}
    referrers = dict(current.referrers) if current else {}
    for tag in change.dropped_tags:
        tags.pop(tag, None)
    for digest in change.dropped_digests:
        digests.pop(digest, None)
    tags |= {tag: _seen(held, tags.get(tag)) for tag, held in change.tags.items()}
    digests |= {digest: _seen(held, digests.get(digest)) for digest, held in change.digests.items()}
    referrers |= change.referrers
    if not tags and not digests:
        return None
    kept = _reached(_present(tags, digests), {subject: listed for subject, listed in referrers.items() if listed})
    return Record(change.name, change.upstream, tags, digests, kept)


def _seen(new: Held, old: Held | None) -> Held:
    if old is None or old.digest != new.digest:
        return new
    return Held(new.digest, new.kind, new.size, new.platforms, new.children, old.first_seen, new.source)


def _reached(present: set[Digest], referrers: Mapping[Digest, _Entries]) -> dict[Digest, _Entries]:
    """The referrers of what is present, and of these in turn: they have no tag of their own."""
    reached: set[Digest] = set()
    waiting = [subject for subject in referrers if subject in present]
    while waiting:
        subject = waiting.pop()
        if subject not in reached:
            reached.add(subject)
            listed = (Digest.parse(entry["digest"]) for entry in referrers[subject])
            waiting += [digest for digest in listed if digest in referrers]
    return {subject: listed for subject, listed in referrers.items() if subject in reached}


def _present(tags: Mapping[str, Held], digests: Mapping[Digest, Held]) -> set[Digest]:
    held = [*tags.values(), *digests.values()]
    return {each.digest for each in held} | {child for each in held for child in each.children}

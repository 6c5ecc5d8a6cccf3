"""What people are told of every image and run, as values and as the documents that say it. Pure.

The documents are public: they go to ``status/`` of the root, where nginx serves them.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from msgspec import Struct, field

from mirrord.registry.pulls import Pulls
from mirrord.sync.documents import ImageDocument, RunDocument, TroubleDocument, UpstreamDocument
from mirrord.sync.outcome import Report

SCHEMA = "mirrord.status/1"
RUNS_KEPT = 1000
"""Lines of ``runs.jsonl``."""
_PIECE = 64 << 10
"""Bytes that are written at once."""


class Trouble(Struct, frozen=True):
    """An error as people are told of it: whose move it is, and in what words."""

    owner: str
    text: str
    since: str
    """When it was first met without a success in between."""
    retry: str | None = None
    """When the upstream said that it may be asked again."""

    def document(self) -> TroubleDocument:
        """As it stands in the status."""
        return {"owner": self.owner, "text": self.text, "since": self.since, "retry": self.retry}


class ImageStatus(Struct, frozen=True):
    """How one image stands: a tag, a digest, or an entry of the config whose tags could not be found out."""

    group: str
    stale_after: float
    """Seconds since ``succeeded`` after which it is stale."""
    digest: str | None = None
    checked: str | None = None
    """When its upstream was last asked."""
    succeeded: str | None = None
    """When it was last known to be what its upstream has."""
    changed: str | None = None
    """When its digest last became another."""
    state: str = ""
    """What became of it in its last run: one of `Status`."""
    note: str = ""
    trouble: Trouble | None = None

    def is_stale(self, now: datetime) -> bool:
        """Whether its last success is too old, or there never was one."""
        if self.succeeded is None:
            return True
        return (now - datetime.fromisoformat(self.succeeded)).total_seconds() > self.stale_after

    def document(self) -> ImageDocument:
        """As it stands in the status."""
        return {
            "group": self.group,
            "stale_after": self.stale_after,
            "digest": self.digest,
            "checked": self.checked,
            "succeeded": self.succeeded,
            "changed": self.changed,
            "state": self.state,
            "note": self.note,
            "error": self.trouble.document() if self.trouble else None,
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """The same back. Raises KeyError, TypeError, ValueError."""
        fields = {
            name: value if name == "digest" else _once(value) for name, value in document.items() if name != "error"
        }
        error = document["error"]
        return cls(**fields, trouble=Trouble(**error) if error else None)


class UpstreamStatus(Struct, frozen=True):
    """The pulls that an upstream last said are left."""

    remaining: int
    limit: int
    window_seconds: int
    """Seconds within which as many as ``limit`` may be made."""
    seen: str
    """When it said so."""
    resumes: str | None
    """By when at the latest manifests are asked for again, where they are held back."""

    @classmethod
    def of(cls, pulls: Pulls) -> Self:
        """What is told of them."""
        resumes = None if pulls.resumes is None else moment(pulls.resumes)
        return cls(pulls.remaining, pulls.limit, pulls.window, moment(pulls.at), resumes)

    def is_over(self, now: datetime) -> bool:
        """Whether the window has passed since: all pulls are there again, whatever was left then."""
        return (now - datetime.fromisoformat(self.seen)).total_seconds() >= self.window_seconds

    def document(self) -> UpstreamDocument:
        """As it stands in the status."""
        return {
            "remaining": self.remaining,
            "limit": self.limit,
            "window_seconds": self.window_seconds,
            "seen": self.seen,
            "resumes": self.resumes,
        }


def moment(seconds: float) -> str:
    """A time since the epoch, as it stands in the status."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


class Wanted(Struct, frozen=True):
    """What a run was to look at, as far as its report does not say it."""

    groups: Mapping[str, str]
    """By repository, its group."""
    stale_after: Mapping[str, float]
    """By repository, seconds."""
    whole: frozenset[str]
    """Repositories that were looked at whole: of them, what the report does not name is gone."""


class MirrorStatus(Struct, frozen=True):
    """Every image, by its name on the mirror."""

    images: Mapping[str, ImageStatus] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """What was known of each group's runs."""
    upstreams: Mapping[str, UpstreamStatus] = field(default_factory=dict)
    """By host of the config, where it counts pulls."""

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read ``status.json``. Raises KeyError, TypeError, ValueError."""
        document = json.loads(content, object_hook=image_or_other)
        if document["schema"] != SCHEMA:
            raise ValueError(f"it is no {SCHEMA}")
        images = {
            str(name): image if isinstance(image, ImageStatus) else ImageStatus.read(image)
            for name, image in document["images"].items()
        }
        upstreams = {str(host): UpstreamStatus(**each) for host, each in document.get("upstreams", {}).items()}
        return cls(images, {str(name): dict(group) for name, group in document["groups"].items()}, upstreams)

    def encode(self, more: Mapping[str, object]) -> bytes:
        """The bytes of ``status.json``, with what else is to stand in it."""
        return encoded(more, ((name, encoded_image(self.images[name])) for name in sorted(self.images)))


def encoded(more: Mapping[str, object], images: Iterable[tuple[str, str]]) -> bytes:
    """The bytes of ``status.json`` from what else stands in it and the text of each image, sorted by their names."""
    return b"".join(encoded_pieces(more, images))


def encoded_pieces(more: Mapping[str, object], images: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    """The same, piece after piece."""
    piece = bytearray(f'{_compact({"schema": SCHEMA, **more})[:-1]},"images":{{'.encode())
    between = ""
    for name, text in images:
        piece += f"{between}{json.dumps(name)}:{text}".encode()
        between = ","
        if len(piece) >= _PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + b"}}")


def encoded_image(image: ImageStatus) -> str:
    """The text of one image in ``status.json``."""
    return _compact(image.document())


_compact = json.JSONEncoder(separators=(",", ":")).encode


def image_or_other(document: dict[str, Any]) -> Any:  # noqa: ANN401 - what json takes for an object
    """An image as soon as its document is read: of a large mirror, all documents would be three times as large."""
    return ImageStatus.read(document) if document.keys() == _OF_IMAGE else document


_OF_IMAGE = ImageStatus("", 0.0).document().keys()


def _once(value: Any) -> Any:  # noqa: ANN401 - as json gives it
    """A text that many images share, such as a time, once in memory."""
    return sys.intern(value) if isinstance(value, str) else value


def run_line(report: Report, group: str, begun: datetime, ended: datetime) -> RunDocument:
    """One run as a line of ``runs.jsonl``."""
    return {
        "run": report.run_id,
        "group": group,
        "begun": begun.isoformat(timespec="seconds"),
        "ended": ended.isoformat(timespec="seconds"),
        "seconds": round(report.seconds, 3),
        "counts": {str(status): count for status, count in sorted(report.counts.items())},
        "failed_by_owner": dict(report.owners),
        "snapshots": list(report.snapshots),
        "requests": report.requests,
        "bytes_fetched": report.progress.bytes_fetched,
        "blobs_fetched": report.progress.blobs_fetched,
        "bytes_linked": report.progress.bytes_linked,
        "pulls_left": {host: pulls.remaining for host, pulls in sorted(report.pulls.items())},
        "problem": {"owner": str(report.problem.owner), "text": str(report.problem)} if report.problem else None,
        "held": report.held or None,
    }


def with_line(content: bytes, line: Mapping[str, object], kept: int = RUNS_KEPT) -> bytes:
    """The bytes of ``runs.jsonl`` with one more line, and without the oldest where there are too many."""
    if content and not content.endswith(b"\n"):  # a person's editor
        content += b"\n"
    start = 0  # not split: a thousand small pieces a run leave the memory of a daemon in pieces
    for _ in range(content.count(b"\n") + 1 - kept):
        start = content.index(b"\n", start) + 1
    return b"%s%s\n" % (memoryview(content)[start:], json.dumps(line, separators=(",", ":")).encode())

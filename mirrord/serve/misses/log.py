"""Reading nginx's access log, rotated and compressed files too: each request for a manifest or a tag list that missed.

Whoever can send a request can write into that log. A line is read up to a length, and what it says of names counts only
where the grammars allow it.
"""

import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.oci.reference import is_follower, is_local_name
from mirrord.serve.routes import NO_TERMS, DigestManifest, TaggedManifest, TagList, parse_target

STANDARD_INPUT: Final = Path("-")
MAX_LINE: Final = 256 << 10
"""Bytes of a line; nginx writes at most some 100 kB."""
_MISSED: Final = re.compile(rb'"status": ?404[,}]')
_ROTATED: Final = re.compile(r"\.[0-9]+(?:\.gz)?|-[0-9]{8}(?:[0-9T.-]*)(?:\.gz)?")
_GZIP: Final = b"\x1f\x8b"


class Missed(Struct, frozen=True):
    """One request for what was not there."""

    repository: str
    """The mirror's own name of it."""
    reference: str
    """A tag or a digest; "" for a tag list."""
    at: datetime
    client: str
    target: str
    """As it was sent."""
    ns: str


class Reading(Struct):
    """What was read, beside the misses themselves."""

    lines: int = 0
    nameless: int = 0
    """Requests that missed, and whose name can be no image's."""
    unreadable: int = 0
    """Lines that are no document of this log."""


def rotated(path: Path) -> list[Path]:
    """``path`` and what log rotation made of it, the newest last as far as names tell; those that are there."""
    try:
        beside = [each for each in path.parent.iterdir() if each.name.startswith(path.name)]
    except OSError:
        beside = []  # the log itself may be readable still
    old = sorted(each for each in beside if _ROTATED.fullmatch(each.name[len(path.name) :]))
    return [*old, path]


def read_misses(path: Path, reading: Reading) -> Iterator[Missed]:
    """Each miss in one log file (``-``: standard input), in its order. Raises HostError where it can't be read."""
    with _opened(path) as stream:
        for line in _lines(stream, reading):
            reading.lines += 1
            if _MISSED.search(line) is None:
                continue
            document = _document(line)
            if document is None:
                reading.unreadable += 1
            elif (missed := _missed(document)) is not None:
                yield missed
            elif _is_asked(document):
                reading.nameless += 1


def _lines(stream: IO[bytes], reading: Reading) -> Iterator[bytes]:
    """The lines of a file; what is longer than one may be is passed over."""
    is_rest = False
    while line := stream.readline(MAX_LINE):
        is_whole = line.endswith(b"\n") or len(line) < MAX_LINE
        if is_whole and not is_rest:
            yield line
        elif is_whole:
            reading.unreadable += 1
        is_rest = not is_whole


def _document(line: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _is_asked(document: dict[str, Any]) -> bool:
    target = document.get("target")
    return isinstance(target, str) and ("/manifests/" in target or "/tags/list" in target)


def _missed(document: dict[str, Any]) -> Missed | None:
    """The miss of a document of the log; None where it tells of none, or of a name that can be no image's."""
    words = [document.get(key) for key in ("repository", "target", "ns", "client", "time", "method")]
    if document.get("status") != 404 or not all(isinstance(each, str) for each in words):  # noqa: PLR2004 - HTTP
        return None
    repository, target, ns, client, time, method = map(str, words)
    if method not in {"GET", "HEAD"} or not is_local_name(repository):
        return None
    reference, at = _reference(target), _moment(time)
    if reference is None or at is None:
        return None
    return Missed(repository, reference, at, client, target, ns)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # the last hours of the year 9999 are in no other time zone
        return None


def _reference(target: str) -> str | None:
    """The tag or digest that a target asks for, "" for a list; None for anything else, signatures by their tag too."""
    route = parse_target(target, "", NO_TERMS)
    if isinstance(route, TaggedManifest):
        return None if is_follower(route.tag) else route.tag
    if isinstance(route, DigestManifest):
        return str(route.digest)
    return "" if isinstance(route, TagList) else None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file as it was before it was compressed."""
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as plain:
            is_compressed = plain.read(2) == _GZIP
            plain.seek(0)
            if is_compressed:
                with gzip.open(plain) as stream:
                    yield stream  # type: ignore[misc] # a GzipFile reads bytes as an IO does
            else:
                yield plain
    except FileNotFoundError:
        raise HostError(
            f"{path} is not there: nginx has logged nothing, or logs elsewhere (access_log in its configuration); "
            "name the log: mirrord misses FILE"
        ) from None
    except PermissionError:
        raise HostError(
            f"{path} may not be read by this user: it is nginx's log; read it as root (sudo mirrord misses), or add "
            "this user to the group that owns it (adm on Debian) and log in again"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise HostError(f"{path} can't be read as an access log: {error}; leave this file out") from error

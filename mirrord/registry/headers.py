"""The response headers that decide something, read from untrusted text. Pure functions: what can't be read is None."""

import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime

from msgspec import Struct, field

MAX_RETRY_AFTER = 86_400.0
"""Seconds; who asks for more is asked again tomorrow."""

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"[\s,]*({_NAME})")
_PARAMETER = re.compile(rf'[\s,]*({_NAME})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))', re.DOTALL)
_OPAQUE = re.compile(r"\s+[A-Za-z0-9._~+/-]+=*\s*(?=,|$)")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]*))', re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"\s*bytes\s+([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)\s*", re.IGNORECASE)
_SECONDS = re.compile(r"\s*([0-9]{1,18})(?:\.[0-9]*)?\s*")


class Challenge(Struct, frozen=True):
    """One challenge of a ``WWW-Authenticate`` header (RFC 9110, 11.6.1): scheme and parameter names in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges in ``WWW-Authenticate`` headers, in order; a part that breaks the grammar ends its header."""
    return tuple(challenge for value in values for challenge in _challenges(value))


def _challenges(value: str) -> Iterable[Challenge]:
    position = 0
    while scheme := _SCHEME.match(value, position):
        position = scheme.end()
        parameters: dict[str, str] = {}
        if opaque := _OPAQUE.match(value, position):
            position = opaque.end()
        while parameter := _PARAMETER.match(value, position):
            name, quoted, bare = parameter.groups()
            parameters.setdefault(name.lower(), bare if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted))
            position = parameter.end()
        yield Challenge(scheme[1].lower(), parameters)


def next_link(values: Iterable[str]) -> str | None:
    """The target of the first link whose relation is ``next`` (RFC 8288), as it stands in the header."""
    for value in values:
        for target, parameters in _LINK.findall(value):
            relation = _RELATION.search(parameters)
            if relation and "next" in (relation[1] or relation[2] or "").lower().split():
                return str(target).strip()
    return None


class ContentRange(Struct, frozen=True):
    """The part of a document that a 206 carries (RFC 9110, 14.4): both ends count; the total may be unknown."""

    first: int
    last: int
    total: int | None


def parse_content_range(value: str) -> ContentRange | None:
    """Read ``bytes 0-9/100``; None for anything that is no such range, or contradicts itself."""
    found = _CONTENT_RANGE.fullmatch(value)
    if not found:
        return None
    total = None if found[3] is None else int(found[3])
    given = ContentRange(int(found[1]), int(found[2]), total)
    if given.first > given.last or (total is not None and given.last >= total):
        return None
    return given


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds to wait from ``now`` (Unix time) by a ``Retry-After`` of seconds or a date; None for any other text."""
    if seconds := _SECONDS.fullmatch(value):
        return min(float(seconds[1]), MAX_RETRY_AFTER)
    try:
        then = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):  # what the parser raises for texts that are no dates
        return None
    return min(max(then - now, 0.0), MAX_RETRY_AFTER)

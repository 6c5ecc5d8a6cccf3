"""Versions in tags: which tags are versions, which of them are pre-releases or variants, and in what order they stand.

There is no specification of this. The cases are those of real tag lists; `tests/support/versions.py` has them.
"""

import re
from typing import Final

from msgspec import Struct

from mirrord.oci.reference import is_tag

MAX_NUMBERS: Final = 4
_NUMBER = r"[0-9]{1,18}"  # a date with a time has 14 digits; a longer one is no number of a version
_NUMBERS = re.compile(rf"(v?)({_NUMBER}(?:\.{_NUMBER}){{0,{MAX_NUMBERS - 1}}})(?![0-9])")
_BUILD = re.compile(r"_[0-9][A-Za-z0-9._]*")
_EARLY, _ALPHA, _BETA, _PREVIEW, _CANDIDATE = range(5)
_RANKS = {
    "dev": _EARLY,
    "nightly": _EARLY,
    "snapshot": _EARLY,
    "canary": _EARLY,
    "unstable": _EARLY,
    "experimental": _EARLY,
    "next": _EARLY,
    "ea": _EARLY,
    "alpha": _ALPHA,
    "beta": _BETA,
    "milestone": _PREVIEW,
    "prerelease": _PREVIEW,
    "preview": _PREVIEW,
    "pre": _PREVIEW,
    "rc": _CANDIDATE,
    "cr": _CANDIDATE,
}
_SHORT = {"a": _ALPHA, "b": _BETA, "m": _PREVIEW}
"""Letters that say the same, where a number follows."""
_WORDS = "|".join(sorted(_RANKS, key=len, reverse=True))
_TAIL = r"(?:[.]?[0-9]+(?:[.][0-9]+)*|[-_][0-9]+)?(?![A-Za-z0-9])"
_JOINED = re.compile(rf"[.]?(?:(?:{_WORDS}){_TAIL}|[abm](?=[0-9]){_TAIL})", re.IGNORECASE)
"""Right after the numbers: ``3.13.0rc1`` (python), ``1.23rc1`` (golang), ``17beta3`` (postgres), ``3.14.0a7``."""
_APART = re.compile(rf"(?:[-_.])(?:(?:{_WORDS}){_TAIL}|m(?=[0-9]){_TAIL})", re.IGNORECASE)
"""Anywhere in the suffix: ``-rc.1``, ``-ubi9-rc``, ``-M20-jdk21``."""
_NAMED = re.compile(rf"[-_.]?(?:{_WORDS})(?![A-Za-z])", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+")
_PIECE = re.compile(r"[0-9]+|[A-Za-z]+")

Natural = tuple[tuple[int, int, str], ...]
Stage = tuple[int, int, Natural]
"""Where a version stands among those of its numbers: before all of them, a pre-release, or the release."""
Place = tuple[tuple[int, ...], Stage]
"""What ranges compare: four numbers and a stage; builds and variants don't count."""

FIRST: Final[Stage] = (0, 0, ())
RELEASE: Final[Stage] = (2, 0, ())


class Version(Struct, frozen=True):
    """A tag that is a version: ``v1.30.0-rc.1-alpine`` is 1.30.0, pre-release ``rc.1``, variant ``-alpine``."""

    text: str
    numbers: tuple[int, ...]
    """One to four, as they are written: ``3.20`` has two, and is 3.20.0.0 for comparing."""
    prerelease: str = ""
    """Without what sets it apart: ``rc.1``."""
    build: str = ""
    """What follows ``_`` and begins with a digit (a tag has no ``+``): ``9`` of ``21.0.3_9-jre``."""
    variant: str = ""
    """All else of the suffix, from its ``-`` or ``_`` on: ``-alpine3.20``."""
    suffix: str = ""
    """All that follows the numbers, as it is written."""

    @property
    def place(self) -> Place:
        """Where it stands for a range."""
        return padded(self.numbers), stage_of(self.prerelease)

    @property
    def key(self) -> tuple[object, ...]:
        """A total order over tags: later ones are newer.

        By numbers, then pre-releases before their release, then build and variant. Equal ones have an order too: more
        numbers are newer (1.2 before 1.2.0), then without ``v``, then by text.
        """
        return (
            *self.place,
            _natural(self.build),
            _natural(self.variant),
            len(self.numbers),
            not self.text.startswith("v"),
            self.text,
        )

    def __lt__(self, other: "Version") -> bool:
        return self.key < other.key


def parse_version(tag: str) -> Version | None:
    """The version that ``tag`` is, or None: ``v?``, one to four numbers, and perhaps a suffix from ``-`` or ``_`` on.

    A pre-release may stand without either (``1.23rc1``), as python's, golang's, php's and postgres' do.
    """
    found = _NUMBERS.match(tag)
    if found is None or not is_tag(tag):
        return None
    numbers = tuple(map(int, found[2].split(".")))
    rest = suffix = tag[found.end() :]
    build = _BUILD.match(rest)
    if build:
        rest = rest[build.end() :]
    prerelease = "" if build else _prerelease_at_start(rest)
    if prerelease:
        rest = rest[len(prerelease) :]
    elif rest and rest[0] not in "-_":
        return None
    elif inside := _APART.search(rest):
        prerelease = inside[0]
        rest = rest[: inside.start()] + rest[inside.end() :]
    variant = f"-{rest[1:]}" if rest.startswith(".") else rest
    return Version(tag, numbers, prerelease.lstrip("-_."), build[0][1:] if build else "", variant, suffix)


def _prerelease_at_start(rest: str) -> str:
    found = _JOINED.match(rest)
    return found[0] if found else ""


def begins_as_prerelease(suffix: str) -> bool:
    """Whether a suffix, or a glob of suffixes, itself names pre-releases: ``-rc*``, ``-dev``."""
    return _NAMED.match(suffix) is not None


def stage_of(prerelease: str) -> Stage:
    """Where a pre-release stands among those of its release: dev and nightly, alpha, beta, previews, candidates."""
    if not prerelease:
        return RELEASE
    word = _WORD.match(prerelease)
    name = word[0].lower() if word else ""
    rank = _RANKS.get(name, _SHORT.get(name, _EARLY))
    return 1, rank, _natural(prerelease[len(name) :])


def padded(numbers: tuple[int, ...]) -> tuple[int, ...]:
    """Four numbers: ``3.20`` is 3.20.0.0."""
    return numbers + (0,) * (MAX_NUMBERS - len(numbers))


def _natural(text: str) -> Natural:
    """``alpine3.9`` before ``alpine3.10``."""
    return tuple((0, int(piece), "") if piece.isdigit() else (1, 0, piece.lower()) for piece in _PIECE.findall(text))

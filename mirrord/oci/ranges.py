"""Ranges of versions, as package managers write them: which versions are within. Knows no tag rule."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

from msgspec import Struct

from mirrord.oci.version import FIRST, MAX_NUMBERS, Place, Version, padded, parse_version

MAX_LENGTH: Final = 500
"""Characters of a range."""
_OPERATOR = re.compile(r"(>=|<=|!=|==|>|<|=|\^|~>|~)?(.*)")
_SPACED = re.compile(r"(>=|<=|!=|==|~>|[<>=^~])\s+")
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")
_WILD = frozenset({"x", "X", "*"})


class _Span(Struct, frozen=True):
    """All versions from one place up to another: the second is not in it, and None is no end."""

    low: Place | None
    high: Place | None

    def holds(self, place: Place) -> bool:
        return (self.low is None or self.low <= place) and (self.high is None or place < self.high)


class _Test(Struct, frozen=True):
    """One comparison: within a span, or (``!=``) outside of it."""

    span: _Span
    is_inside: bool = True


class _Bound(Struct, frozen=True):
    """A version of a range: a partial one stands for all that begin so."""

    numbers: tuple[int, ...]
    place: Place
    is_partial: bool
    """Whether fewer than three numbers are written, and no pre-release."""

    @property
    def start(self) -> Place:
        """Where it begins: a partial one with its pre-releases."""
        return (self.place[0], FIRST) if self.is_partial else self.place

    @property
    def line(self) -> Place:
        """Before it and all its pre-releases."""
        return self.place[0], FIRST

    def after(self, kept: int) -> Place | None:
        """Before the next version whose first ``kept`` numbers are others; None where all have them."""
        if kept == 0:
            return None
        bumped = (*self.place[0][: kept - 1], self.place[0][kept - 1] + 1)
        return padded(bumped), FIRST

    @property
    def end(self) -> Place | None:
        """Right after it; after all that begin so, where it is partial."""
        if self.is_partial:
            return self.after(len(self.numbers))
        numbers, (state, rank, natural) = self.place
        return numbers, (state, rank, (*natural, (-1, 0, "")))


class Range(Struct, frozen=True):
    """Which versions are meant: ``>=2.50 <4``, ``^1.2 || 3.x``, ``1.2 - 1.4``."""

    alternatives: tuple[tuple[_Test, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range. Raises ValueError, its message what is wrong with it, or empty where it is no range at all."""
        if len(text) > MAX_LENGTH:
            raise ValueError(f"a range has at most {MAX_LENGTH} characters")
        return cls(tuple(tuple(_tests(side.strip())) for side in text.split("||")))

    def includes(self, version: Version) -> bool:
        """Whether a version is within; neither its build nor its variant counts."""
        place = version.place
        return any(all(test.span.holds(place) is test.is_inside for test in tests) for tests in self.alternatives)


def _tests(side: str) -> Sequence[_Test]:
    between = _HYPHEN.fullmatch(side)
    if between:
        low, high = _bound(between[1]), _bound(between[2])
        return [_Test(_Span(low.start, high.end))]
    words = _SPACED.sub(r"\1", side).replace(",", " ").split()
    if not words:
        raise ValueError
    return [_test(word) for word in words]


def _test(word: str) -> _Test:
    found = _OPERATOR.fullmatch(word)
    if found is None:  # a line break within
        raise ValueError
    operator, bound = found[1] or "=", _bound(found[2])
    if operator == ">":  # after all versions, which * means, is none
        return _Test(_Span(bound.end, None), is_inside=bool(bound.numbers))
    return _Test(_SPANS[operator](bound), is_inside=operator != "!=")


def _below(bound: _Bound) -> _Span:
    """Below 4 is neither 4 nor one of its pre-releases; below one of those are the earlier ones too."""
    is_prerelease = bound.place[1][0] == 1
    return _Span(None, bound.place if is_prerelease else bound.line)


def _compatible(bound: _Bound) -> _Span:
    """Up to the next version whose first number that is not 0 is another."""
    kept = len(bound.numbers)
    leading = next((at for at, number in enumerate(bound.numbers) if number), max(kept - 1, 0))
    return _Span(bound.start, bound.after(min(leading + 1, kept)))


def _near(bound: _Bound) -> _Span:
    """Up to the next version whose first two numbers (or its one) are others."""
    return _Span(bound.start, bound.after(min(len(bound.numbers), 2)))


def _exactly(bound: _Bound) -> _Span:
    return _Span(bound.start, bound.end)


_SPANS: Mapping[str, Callable[[_Bound], _Span]] = {
    "=": _exactly,
    "==": _exactly,
    "!=": _exactly,
    ">=": lambda bound: _Span(bound.start, None),
    "<": _below,
    "<=": lambda bound: _Span(None, bound.end),
    "^": _compatible,
    "~": _near,
    "~>": _near,
}


def _bound(text: str) -> _Bound:
    parts = text.removeprefix("v").split(".")
    if any(part in _WILD for part in parts):
        wild = next(at for at, part in enumerate(parts) if part in _WILD)
        if len(parts) > MAX_NUMBERS or not all(part in _WILD for part in parts[wild:]):
            raise ValueError
        text = ".".join(parts[:wild])
        if not text:
            return _Bound((), (padded(()), FIRST), is_partial=True)
        version = parse_version(text)
        if version is None or version.suffix:
            raise ValueError
        return _Bound(version.numbers, version.place, is_partial=True)
    version = parse_version(text)
    if version is None:
        raise ValueError
    if version.variant or version.build:
        raise ValueError(f"a range compares numbers; what follows them in {text!r} belongs into suffix:")
    is_partial = len(version.numbers) < MAX_NUMBERS - 1 and not version.prerelease
    return _Bound(version.numbers, version.place, is_partial=is_partial)

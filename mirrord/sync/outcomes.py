"""All outcomes of a run, sorted by name: packed, for a large mirror has many, and in most of them little is new."""

import json
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any, Final, Self

from msgspec import Struct

from mirrord.oci.digest import Digest
from mirrord.sync.outcome import Outcome, Status, repository_in

_PAGE: Final = 256
"""Outcomes that are packed together, and unpacked."""
_QUICK: Final = 1
"""How hard zlib tries: half of a row is a digest, of which it saves what hexadecimal wastes."""
_STATUSES: Final = tuple(Status)
_NUMBERS: Final = {status: number for number, status in enumerate(_STATUSES)}
_SAME: Final = 0
"""Written for a digest that was the same before."""
_encode = json.JSONEncoder(separators=(",", ":")).encode


class _Page(Struct, frozen=True):
    """Some outcomes whose names begin alike, sorted."""

    beginning: str
    packed: bytes
    open: tuple[Outcome, ...]
    """Those with an error, as they are."""

    def __iter__(self) -> Iterator[Outcome]:
        still_open = iter(self.open)
        for row in json.loads(zlib.decompress(self.packed)):
            yield next(still_open) if row is None else _outcome(self.beginning, row)


class Outcomes(Collection[Outcome]):
    """Some 60 bytes for an ordinary outcome instead of 400. Only what is added is not yet sorted into the others."""

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        """Images by what became of them."""
        self._parts: dict[str, list[_Page]] = {}
        """By how names begin: the repository, and what divides it from the rest. No beginning begins with another."""

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Self:
        """All of these."""
        found = cls()
        found.take(pack(outcomes))
        return found

    def take(self, packed: "Packed") -> None:
        """Take up more outcomes."""
        self.counts += packed.counts
        for beginning, pages in packed.parts.items():
            if beginning in self._parts:  # a repository that is worked on twice: no run does, but nothing is lost
                both = (outcome for page in (*self._parts[beginning], *pages) for outcome in page)
                self._parts |= pack(both).parts
            else:
                self._parts[beginning] = pages

    @property
    def open(self) -> Iterator[Outcome]:
        """Those with an error, sorted by name."""
        return (outcome for page in self._pages() for outcome in page.open)

    def __len__(self) -> int:
        return self.counts.total()

    def __iter__(self) -> Iterator[Outcome]:
        return (outcome for page in self._pages() for outcome in page)

    def __contains__(self, outcome: object) -> bool:
        return any(outcome == each for each in self)

    def _pages(self) -> Iterator[_Page]:
        """In the order of names: that of their beginnings, as far as these differ."""
        return (page for _, pages in sorted(self._parts.items()) for page in pages)


class Packed(Struct, frozen=True):
    """Outcomes made small."""

    parts: dict[str, list[_Page]]
    counts: Counter[Status]


def pack(outcomes: Iterable[Outcome]) -> Packed:
    """Make outcomes small. Takes a millisecond for some hundred."""
    parts: dict[str, list[Outcome]] = {}
    counts: Counter[Status] = Counter()
    for outcome in outcomes:
        counts[outcome.status] += 1
        parts.setdefault(_beginning(outcome.name), []).append(outcome)
    for part in parts.values():
        part.sort(key=attrgetter("name"))
    return Packed(
        {
            beginning: [_page(beginning, part[start : start + _PAGE]) for start in range(0, len(part), _PAGE)]
            for beginning, part in parts.items()
        },
        counts,
    )


def _beginning(name: str) -> str:
    return name[: len(repository_in(name)) + 1]


def _page(beginning: str, outcomes: list[Outcome]) -> _Page:
    rows = [_row(beginning, outcome) if outcome.error is None else None for outcome in outcomes]
    packed = zlib.compress(_encode(rows).encode(), _QUICK)
    return _Page(beginning, packed, tuple(outcome for outcome in outcomes if outcome.error is not None))


def _row(beginning: str, outcome: Outcome) -> list[Any]:
    digest, previous = outcome.digest, outcome.previous
    before = _SAME if previous == digest else str(previous) if previous else None
    row = [outcome.name[len(beginning) :], _NUMBERS[outcome.status], str(digest) if digest else None, before]
    return [*row, outcome.warning, outcome.until] if outcome.warning or outcome.until is not None else row


def _outcome(beginning: str, row: list[Any]) -> Outcome:
    name, status, text, before, *rest = row
    digest = _digest(text)
    previous = digest if before == _SAME else _digest(before)
    return Outcome(f"{beginning}{name}", _STATUSES[status], digest, previous, None, *rest)


def _digest(text: str | None) -> Digest | None:
    if text is None:
        return None
    algorithm, _, digits = text.partition(":")
    return Digest("sha512" if algorithm == "sha512" else "sha256", digits)

"""Texts and documents that were good once: strategies that spoil them, as a hostile or careless hand would."""

import copy
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

PIECES = (
    *("\0", "..", "../../x", "/", "//", "\\", "%2e%2e", "%00", " ", "\t", "\r\n", "\n", '"', "'", ",", ";", "=", ":"),
    *("@", "*", "?", "#", "-", "_", ".", "[", "]", "{", "}", "<", ">", "|", "!", "$", "&", "~", "^", "+"),
    *("\u212a", "\u0130", "\u0660", "\u202e", "\x1b[31m", "\ud800", "\U0001f4a5", "é", "ß"),  # K, İ, 0, turned text
    *("a" * 300, "9" * 25, "0", "-1", "1e999", "NaN", "null", "true", "sha256:", "f" * 64, "localhost", "[::1]"),
)
"""What is put into good texts."""
NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, 1e308, float("inf"), float("nan"))
VALUES: tuple[Any, ...] = (None, True, False, *NUMBERS, [], {}, [[]], {"": {}}, [None], "", *PIECES)
"""What is put in the place of a document's values."""


def taken(call: Callable[[], T], *refusals: type[Exception]) -> tuple[T | None, str]:
    """What ``call`` gives, or the words with which it refuses; any other exception is the test's failure."""
    try:
        return call(), ""
    except refusals as error:
        return None, str(error) or type(error).__name__


def spoiled_text(*seeds: str) -> st.SearchStrategy[str]:
    """One of ``seeds`` with pieces put in, cut out or doubled; or any text at all."""

    def spoil(seed: str, edits: Sequence[tuple[int, int, str]]) -> str:
        for start, length, piece in edits:
            at = start % (len(seed) + 1)
            seed = seed[:at] + piece + seed[at + length :]
        return seed

    edits = st.lists(
        st.tuples(st.integers(0, 1000), st.integers(0, 12), st.sampled_from(PIECES) | st.text(max_size=3)), max_size=4
    )
    return st.builds(spoil, st.sampled_from(seeds), edits) | st.text(max_size=80)


def spoiled_bytes(*seeds: bytes) -> st.SearchStrategy[bytes]:
    """One of ``seeds`` with bytes put in, cut out or replaced; or any bytes at all."""

    def spoil(seed: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
        for start, length, piece in edits:
            at = start % (len(seed) + 1)
            seed = seed[:at] + piece + seed[at + length :]
        return seed

    pieces = st.binary(max_size=6) | st.sampled_from([piece.encode("utf-8", "surrogatepass") for piece in PIECES])
    edits = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 40), pieces), min_size=1, max_size=4)
    return st.builds(spoil, st.sampled_from(seeds), edits) | st.binary(max_size=100)


def spoiled_json(*seeds: object) -> st.SearchStrategy[bytes]:
    """The JSON of one of ``seeds`` with values and keys replaced, removed or doubled; or spoiled as bytes."""

    def spoil(seed: object, edits: Sequence[tuple[int, Any, int]]) -> bytes:
        document = copy.deepcopy(seed)
        for number, value, how in edits:
            places = list(_places(document))
            if not places:
                return json.dumps(value).encode()
            holder, key = places[number % len(places)]
            if how == 0:
                holder[key] = copy.deepcopy(value)
            elif how == 1:
                del holder[key]
            elif isinstance(holder, dict):
                holder[str(value)] = holder.pop(key)
            else:
                holder.append(copy.deepcopy(holder[key]))
        return json.dumps(document).encode()

    values = st.sampled_from(VALUES) | st.text(max_size=5) | st.integers()
    edits = st.lists(st.tuples(st.integers(0, 10_000), values, st.integers(0, 2)), min_size=1, max_size=3)
    return st.builds(spoil, st.sampled_from(seeds), edits) | spoiled_bytes(*(json.dumps(s).encode() for s in seeds))


def _places(document: Any) -> Any:  # noqa: ANN401 - JSON
    """Every place of a value: what holds it, and its key or number."""
    if isinstance(document, dict):
        items: Any = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    else:
        return
    for key, value in list(items):
        yield document, key
        yield from _places(value)

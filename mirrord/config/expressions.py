"""Regular expressions of the config: whether one can be read, and whether it could take for ever on an upstream's tags.

Python's `re` backtracks: ``(a+)+b`` doubles its time with each character of a tag, and a tag is anybody's. Nothing can
interrupt it, so an expression is tried on tags made to hurt it, of growing length, before any upstream's.
"""

import functools
import re
import time
import warnings
from typing import Final

from mirrord.config.document import shown

MAX_LENGTH: Final = 500
"""Characters of an expression. A tag has 128 at most."""
MAX_SECONDS: Final = 0.05
"""Processor time that one tag may take. An ordinary expression takes a thousandth of it."""
_LENGTHS = (*range(8, 32), 48, 64, 96, 128)
_USUAL = ("a", "0", "A", ".", "-", "_", "1.", "a-", "0a", ".a")
_SAMPLED = 16


@functools.lru_cache(maxsize=1024)
def check_expression(text: str) -> None:
    """Raise ValueError where ``text`` is no expression that may be matched with tags; the message says why."""
    if not text or len(text) > MAX_LENGTH:
        raise ValueError(f"{shown(text)} is not an expression of 1 to {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about syntax of a future Python: nothing a person here can act on
            pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{shown(text)} is not a regular expression: {error}; correct it, e.g. '3\\.\\d+'") from None
    if is_slow(pattern):
        raise ValueError(
            f"{shown(text)} can take very long on some tags; write it without a repeat in a repeat, "
            r"e.g. \d+(\.\d+)* for (\d+\.?)*"
        )


def is_slow(pattern: re.Pattern[str]) -> bool:
    """Whether a tag of at most 128 characters is known that takes ``pattern`` longer than MAX_SECONDS.

    The tags tried repeat what the expression is made of, and end in what it can't fit: it has to try every way.
    """
    letters = dict.fromkeys(character for character in pattern.pattern if character.isalnum() or character in "._-")
    for piece in (*_USUAL, *list(letters)[:_SAMPLED]):
        for length in _LENGTHS:
            tag = (piece * length)[: length - 1] + "\n"
            begun = time.thread_time()
            pattern.fullmatch(tag)
            if time.thread_time() - begun > MAX_SECONDS:
                return True
    return False

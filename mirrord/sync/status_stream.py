"""``status/status.json`` image by image: read as it was written, so that a large one is never in memory whole."""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from msgspec import Struct

from mirrord.store.layout import Layout
from mirrord.store.reading import MAX_NOTE, open_file, parsing
from mirrord.sync.status import SCHEMA, ImageStatus, image_or_other
from mirrord.sync.status_file import STATUS

_PIECE: Final = 64 << 10
"""Characters that are read at once; more, where a value has more."""
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder(object_hook=image_or_other)


class StatusStream(Struct, frozen=True):
    """A status that is being read."""

    groups: Mapping[str, Mapping[str, object]]
    """What was known of each group's runs."""
    images: Iterator[tuple[str, ImageStatus]]
    """Sorted by name. Raises HostError where it comes upon what is none, or not sorted."""


@contextlib.contextmanager
def open_status(layout: Layout) -> Iterator[StatusStream]:
    """The status as it lies there; an empty one where there is none.

    Raises HostError for what is none of ours, and for one that was not written as ours is, with its images last.
    """
    path = layout.status / STATUS
    try:
        descriptor = open_file(layout.root, path)
    except FileNotFoundError:
        yield StatusStream({}, iter(()))
        return
    with open(descriptor, encoding="utf-8", newline="") as file:
        text = _Text(file)
        with parsing(path):
            if os.fstat(descriptor).st_size > MAX_NOTE:
                raise ValueError(f"it has more than {MAX_NOTE} bytes")
            head = _head(text)
            if head["schema"] != SCHEMA:
                raise ValueError(f"it is no {SCHEMA}")
            groups = {str(name): dict(group) for name, group in head["groups"].items()}
        yield StatusStream(groups, _images(text, path))


class _Text:
    """The text of a file, as much of it as the next value has."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._is_over = False

    def next(self) -> str:
        """The next character that is no space; it is still to be read. Raises ValueError at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                raise ValueError("it ends too early")

    def expect(self, *marks: str) -> str:
        """Read one of these characters. Raises ValueError for another."""
        mark = self.next()
        if mark not in marks:
            raise ValueError(f"{mark!r} where {' or '.join(marks)} was expected")
        self._at += 1
        return mark

    def value(self) -> Any:  # noqa: ANN401 - JSON
        """The next value. Raises ValueError."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if self._more():
                    continue
                raise
            if end < len(self._text) or not self._more():  # a number may go on
                self._at = end
                return value

    def _more(self) -> bool:
        rest = self._text[self._at :]
        piece = self._file.read(max(_PIECE, len(rest)))
        self._text, self._at = rest + piece, 0
        return piece != ""


def _head(text: _Text) -> Mapping[str, Any]:
    """All that stands before the images."""
    head: dict[str, Any] = {}
    text.expect("{")
    while (name := text.value()) != "images":
        text.expect(":")
        head[name] = text.value()
        text.expect(",")
    text.expect(":")
    text.expect("{")
    return head


def _images(text: _Text, path: Path) -> Iterator[tuple[str, ImageStatus]]:
    """The images, to the end of the file."""
    with parsing(path):
        last, mark = "", "," if text.next() != "}" else text.expect("}")
        while mark == ",":
            name = text.value()
            if name <= last:
                raise ValueError(f"{name!r} stands after {last!r}")
            last = name
            text.expect(":")
            image = text.value()
            yield name, image if isinstance(image, ImageStatus) else ImageStatus.read(image)
            mark = text.expect(",", "}")
        text.expect("}")

"""Range requests (RFC 9110, section 14) over a file of known size: pure."""

import re

from msgspec import Struct

_ONE_RANGE = re.compile(r"bytes=[ \t]*(?:(?P<first>[0-9]{1,18})-(?P<last>[0-9]{0,18})|-(?P<suffix>[0-9]{1,18}))[ \t]*")


class Part(Struct, frozen=True):
    """Bytes ``start`` to ``stop`` (exclusive) of a file of ``size`` bytes."""

    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        """Bytes in it."""
        return self.stop - self.start

    @property
    def content_range(self) -> str:
        """The Content-Range header of a 206."""
        return f"bytes {self.start}-{self.stop - 1}/{self.size}"


class RangeRequest(Struct, frozen=True):
    """What a request says of the part it wants."""

    wanted: str = ""
    """The Range header."""
    condition: str = ""
    """The If-Range header: the range counts only while this is the file's ETag."""

    def part_of(self, size: int, etag: str) -> tuple[int, Part] | None:
        """The status to answer with and the part to send, or None where the range is not satisfiable (416).

        Several ranges are answered with the whole file, as is a header that can't be read: a client that asks for
        parts has to take a 200 too.
        """
        whole = Part(0, size, size)
        found = _ONE_RANGE.fullmatch(self.wanted)
        if not found or (self.condition and self.condition != etag):
            return 200, whole
        if found["suffix"]:
            start, stop = max(0, size - int(found["suffix"])), size
        else:
            start = int(found["first"])
            stop = min(size, int(found["last"]) + 1) if found["last"] else size
            if found["last"] and int(found["last"]) < start:
                return 200, whole
        return (206, Part(start, stop, size)) if start < stop else None

"""What the doctor says of one thing: how it stands, what was looked at, and what to do."""

from enum import StrEnum

from msgspec import Struct


class Grade(StrEnum):
    """How one thing stands."""

    OK = "ok"
    WARN = "warn"
    """Worth knowing; the mirror does its work."""
    FAIL = "fail"
    """Something is to be done."""


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    area: str
    """``disk``, ``nginx``, ``upstream`` and so on."""
    what: str
    """What was looked at."""
    grade: Grade
    saw: str
    """What it found there."""
    do: str = ""
    """What to do; "" where there is nothing."""

    def document(self) -> dict[str, str]:
        """As `--json` prints it."""
        return {"area": self.area, "what": self.what, "grade": str(self.grade), "saw": self.saw, "do": self.do}


def fine(area: str, what: str, saw: str) -> Finding:
    """Nothing is to be done."""
    return Finding(area, what, Grade.OK, saw)


def note(area: str, what: str, saw: str, do: str = "") -> Finding:
    """Worth knowing."""
    return Finding(area, what, Grade.WARN, saw, do)


def wrong(area: str, what: str, saw: str, do: str) -> Finding:
    """Something is to be done."""
    return Finding(area, what, Grade.FAIL, saw, do)

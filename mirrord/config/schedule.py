"""Schedules as text: whether they are written rightly. When they come is decided elsewhere."""

import re

from msgspec import Struct

from mirrord.config.document import shown
from mirrord.config.scalars import format_duration, parse_duration, text_like

_NAMED_CRON = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
NAMED = tuple(_NAMED_CRON)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(?:\*|([0-9]{1,4}|[a-z]{3})(?:-([0-9]{1,4}|[a-z]{3}))?)(?:/([0-9]{1,4}))?")
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _WEEKDAYS),
)


def parse_schedule(text: str) -> str:
    """One spelling of a cron line, ``@daily`` or ``every 30m``. Raises ValueError that says which part is wrong."""
    words = text.lower().split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0] not in NAMED:
            raise ValueError(f"{shown(text)} is not a schedule; the names are {', '.join(NAMED)}")
        return words[0]
    if words and words[0] == "every":
        return _interval(text, "".join(text.split()[1:]))
    if len(words) != len(_FIELDS):
        raise ValueError
    values = [_field(text, word, index) for index, word in enumerate(words)]
    days, months = values[2], values[3]
    if words[4].startswith("*") and not any(day <= _LONGEST_MONTH[month - 1] for month in months for day in days):
        raise ValueError(f"{shown(text)} never comes: no such day is in those months")
    return " ".join(words)


class Cron(Struct, frozen=True):
    """What a cron line means, field by field: every value that fits."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Whether a day fits by its number or by its weekday: cron's rule where both are restricted."""


def read_cron(schedule: str) -> Cron:
    """A schedule of ``parse_schedule`` that is no interval."""
    words = _NAMED_CRON.get(schedule, schedule).split()
    minutes, hours, days, months, weekdays = (frozenset(_field(schedule, word, at)) for at, word in enumerate(words))
    restricted = [not words[at].startswith("*") for at in (2, 4)]
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either_day=all(restricted))


def read_interval(schedule: str) -> float | None:
    """The seconds of an ``every 30m``; None for any other schedule of ``parse_schedule``."""
    return parse_duration(schedule.removeprefix("every ")) if schedule.startswith("every ") else None


def _interval(text: str, written: str) -> str:
    try:
        seconds = parse_duration(written)
    except ValueError:
        raise ValueError(f'{shown(text)} is not a schedule; write "every" and a duration, e.g. every 30m') from None
    if seconds < 1:
        raise ValueError(f"{shown(text)} is too often; at least every 1s")
    return f"every {format_duration(seconds)}"


def _field(text: str, field: str, index: int) -> set[int]:
    name, low, high, words = _FIELDS[index]
    values: set[int] = set()
    for part in field.split(","):
        found = _PART.fullmatch(part)
        if not found:
            raise ValueError(f"{shown(text)}: {shown(part)} is no {name}; cron fields are *, 5, 1-5, */10 or 1,2")
        first, last, step = found.groups()
        begin = low if first is None else _value(first, words, low)
        end = begin if last is None else _value(last, words, low)
        if first is None or (step and last is None):
            end = high
        if words == _WEEKDAYS and last in {"0", "sun"} and begin > end:
            end = 7  # sat-sun: Sunday is 0 and 7
        if not low <= begin <= end <= high or step in {"0", "00", "000", "0000"}:
            raise ValueError(f"{shown(text)}: {shown(part)} is no {name} from {low} to {high}; e.g. 23 */6 * * *")
        values.update(range(begin, end + 1, int(step or 1)))
    return values


def _value(word: str, words: tuple[str, ...], low: int) -> int:
    if word.isdigit():
        return int(word)
    return words.index(word) + low if word in words else -1


SCHEDULE = text_like(
    "a schedule",
    'five cron fields, @daily or the like, or "every 30m"; e.g. "23 */6 * * *"',
    parse_schedule,
)

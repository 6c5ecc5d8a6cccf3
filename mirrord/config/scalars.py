"""Scalars of the config: how their text is read, bounded and written back. Knows no key and no file."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Generic, Self, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from mirrord.config.document import shown

T = TypeVar("T")

CENTURY = 3_153_600_000.0
_NUMBER = r"[0-9]{1,19}(?:\.[0-9]{1,9})?"
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(rf"({_NUMBER})(ms|[smhdw])")
_SECONDS = {
    "w": Decimal(604_800),
    "d": Decimal(86_400),
    "h": Decimal(3_600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
_SIZE = re.compile(rf"({_NUMBER}) ?([A-Za-z]+)")
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_WRITTEN_UNITS = ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "kB")
_PERCENT = re.compile(rf"({_NUMBER}) ?%")


class Scalar(Struct, Generic[T], frozen=True, eq=False):
    """One kind of scalar, put beside a type: ``Annotated[float, DURATION]``."""

    what: str
    """With its article: ``a duration``."""
    write_so: str
    """What would be right, for an error: ``a number and a unit, e.g. 30s, 5m or 2d``."""
    read: Callable[[str], T]
    """Raises ValueError, its message the whole error, or empty for the usual words."""
    write: Callable[[T], object]
    """The inverse of ``read``: what `config show` prints."""
    types: tuple[type, ...]
    """What a caller in Python may give instead of text."""
    schema: JsonSchemaValue
    low: Any = None
    high: Any = None

    def within(self, low: T, high: T) -> Self:
        """The same kind, with bounds (both allowed)."""
        return replace(self, low=low, high=high)

    def __call__(self, value: object) -> T:
        """Read one value of the file. Raises ValueError that says what was found and what would be right."""
        result: Any = value
        if isinstance(value, str):
            try:
                result = self.read(value)
            except ValueError as error:
                raise ValueError(str(error) or f"{shown(value)} is not {self.what}; write {self.write_so}") from None
        elif not isinstance(value, self.types):
            raise ValueError(f"{shown(value)} is not {self.what}; write {self.write_so}")  # noqa: TRY004 - pydantic asks for it
        if result is not None and self.low is not None and not self.low <= result <= self.high:
            bound = f"at least {self.write(self.low)}" if result < self.low else f"at most {self.write(self.high)}"
            raise ValueError(f"{shown(value)} is out of bounds; {self.what} here is {bound}")
        return result  # type: ignore[no-any-return] # of one of self.types

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic reads and writes a field of this kind."""
        write = core_schema.plain_serializer_function_ser_schema(self.write, when_used="unless-none")
        return core_schema.no_info_plain_validator_function(self, serialization=write)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """What an editor may accept."""
        return dict(self.schema)


def text_like(what: str, write_so: str, read: Callable[[str], str]) -> Scalar[str]:
    """A kind of scalar that stays text, checked (and brought to one spelling) by ``read``."""
    return Scalar(what, write_so, read, str, (str,), {"type": "string"})


def parse_duration(text: str) -> float:
    """Seconds of ``5m``, ``1h30m``, ``250ms`` or ``0``. Raises ValueError for anything else."""
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        if re.fullmatch(_NUMBER, text):
            raise ValueError(f"{shown(text)} has no unit; write {text}s, {text}m, {text}h or {text}d")
        raise ValueError
    return float(sum(Decimal(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)))


def format_duration(seconds: float) -> str:
    """The shortest text that ``parse_duration`` reads as ``seconds`` (whole milliseconds)."""
    left = round(seconds * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Bytes of ``8MiB``, ``1.5GB`` or ``0``. Raises ValueError for anything else."""
    if text == "0":
        return 0
    found = _SIZE.fullmatch(text)
    if found and found[2] in _BYTES:
        return int(Decimal(found[1]) * _BYTES[found[2]])
    if re.fullmatch(_NUMBER, text):
        raise ValueError(f"{shown(text)} has no unit; write {text}B, {text}MB or {text}MiB")
    spelled = {unit.lower(): unit for unit in _BYTES}
    meant = spelled.get(found[2].lower()) or spelled.get(f"{found[2].lower()}ib") if found else None
    if found and meant:
        raise ValueError(f"{shown(text)} is not a size; did you mean {found[1]}{meant}?")
    raise ValueError


def format_size(size: int) -> str:
    """The shortest exact text that ``parse_size`` reads as ``size``."""
    for unit in _WRITTEN_UNITS:
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return f"{size}B"


def parse_rate(text: str) -> int | None:
    """Bytes a second of ``50MB/s``, None of ``none``. Raises ValueError for anything else."""
    if text == "none":
        return None
    size, slash, per = text.partition("/")
    if slash and per == "s" and (rate := parse_size(size)) > 0:
        return rate
    if not slash and _SIZE.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a rate; did you mean {text}/s?")
    raise ValueError


def parse_percent(text: str) -> float:
    """A share between 0 and 1, of ``25%``. Raises ValueError for anything else."""
    found = _PERCENT.fullmatch(text)
    if not found or (share := float(Decimal(found[1]) / 100)) > 1:
        if re.fullmatch(_NUMBER, text):
            raise ValueError(f"{shown(text)} has no unit; write {text}%")
        raise ValueError
    return share


def format_percent(share: float) -> str:
    """The text that ``parse_percent`` reads as ``share``."""
    return f"{round(share * 100, 9):.9f}".rstrip("0").rstrip(".") + "%"


def _parse_boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError
    return text == "true"


def _parse_integer(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text):
        raise ValueError
    return int(text)


def _parse_frequency(text: str) -> float | None:
    if text == "none":
        return None
    if not re.fullmatch(_NUMBER, text) or float(text) == 0:
        raise ValueError
    return float(text)


def _write_frequency(value: float) -> object:
    return int(value) if value == int(value) else value


_TEXT_OR_NUMBER: JsonSchemaValue = {"type": ["integer", "string"], "pattern": "^[0-9]+$"}

DURATION: Scalar[float] = Scalar(
    "a duration",
    "a number and a unit, e.g. 30s, 5m, 1h30m or 2d",
    parse_duration,
    format_duration,
    (float, int),
    {"type": "string", "pattern": r"^([0-9.]+(ms|s|m|h|d|w))+$|^0$", "examples": ["30s", "5m", "2d"]},
    0.0,
    CENTURY,
)
SIZE: Scalar[int] = Scalar(
    "a size",
    "a number and a unit, e.g. 512KiB, 8MiB or 50MB",
    parse_size,
    format_size,
    (int,),
    {"type": "string", "examples": ["512KiB", "8MiB"]},
)
RATE: Scalar[int | None] = Scalar(
    "a rate",
    "none, or a size a second, e.g. 50MB/s",
    parse_rate,
    lambda rate: "none" if rate is None else f"{format_size(rate)}/s",
    (int, type(None)),
    {"type": "string", "examples": ["none", "50MB/s"]},
)
PERCENT: Scalar[float] = Scalar(
    "a percentage",
    "a number from 0 to 100 and a %, e.g. 25%",
    parse_percent,
    format_percent,
    (float, int),
    {"type": "string", "pattern": "^[0-9.]+ ?%$", "examples": ["25%"]},
)
BOOLEAN: Scalar[bool] = Scalar(
    "true or false",
    "true or false, in small letters and nothing else",
    _parse_boolean,
    bool,
    (bool,),
    {"enum": [True, False, "true", "false"]},
)
INTEGER: Scalar[int] = Scalar("a whole number", "digits alone, e.g. 8", _parse_integer, int, (int,), _TEXT_OR_NUMBER)
COUNT_OR_NONE: Scalar[int | None] = Scalar(
    "a whole number or none",
    "none, or digits alone, e.g. 100",
    lambda text: None if text == "none" else _parse_integer(text),
    lambda count: count,
    (int, type(None)),
    _TEXT_OR_NUMBER | {"pattern": "^([0-9]+|none)$"},
)
FREQUENCY: Scalar[float | None] = Scalar(
    "a number of requests a second",
    "none, or a number, e.g. 20 or 0.5",
    _parse_frequency,
    lambda value: None if value is None else _write_frequency(value),
    (float, int, type(None)),
    {"type": ["number", "string"], "examples": ["none", 20]},
)

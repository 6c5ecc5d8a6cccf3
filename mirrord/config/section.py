"""What every section of the config model has in common: it is frozen, it refuses unknown keys, it knows its place."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from msgspec import Struct
from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mirrord.config.document import Block, Text, shown
from mirrord.config.problem import HIDDEN
from mirrord.config.scalars import Scalar

COMMAND_LINE = "command line"
"""Where an image is from that no file names."""


class Origin(Struct, frozen=True):
    """What a section's text needs to be understood: the file it is from, and where relative paths begin."""

    file: str
    base: Path


class Section(BaseModel):
    """A mapping of the config file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)


class PlacedSection(Section):
    """A section that other parts of the config may contradict, so that an error has to name its line."""

    _where: str = PrivateAttr(COMMAND_LINE)

    @property
    def where(self) -> str:
        """Its place: ``mirrord.yaml:12``."""
        return self._where

    @classmethod
    def from_short(cls, written: object) -> object:
        """The mapping that ``written`` is short for; ``written`` itself where it is a mapping."""
        return written

    @model_validator(mode="wrap")
    @classmethod
    def _place(cls, written: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:  # noqa: ANN401 - pydantic hands over whatever was written
        section = handler(cls.from_short(written))
        if isinstance(written, Block | Text) and isinstance(info.context, Origin):
            section._where = f"{info.context.file}:{written.line}"  # noqa: SLF001 - this class's own
        return section


def problem_at(key: str, message: str) -> PydanticCustomError:
    """The error of a section whose keys contradict each other, told at one of them. Messages hold no ``{``."""
    return PydanticCustomError("at_key", "{said}", {"key": key, "said": message})


class _OneOrMany:
    """A list that may be written as its one item."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


def _listed(written: object) -> object:
    return [written] if isinstance(written, str | Mapping | BaseModel) else written


ONE_OR_MANY = _OneOrMany()


def _path(written: object, info: ValidationInfo) -> Path:
    if isinstance(written, Path):
        return written
    if not isinstance(written, str) or not written:
        raise ValueError(f"{shown(written)} is not a path")
    path = Path(str(written))
    if written.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError:
            raise ValueError(f"{shown(written)}: no such home directory; write the whole path") from None
    return info.context.base / path if isinstance(info.context, Origin) else path


FilePath = Annotated[
    Path,
    PlainValidator(_path),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "Relative to this file; ~ is a home directory."}),
]
"""A path: relative ones begin at the config file's directory."""


def secret(what: str, write_so: str, check: Callable[[str], str]) -> Scalar[SecretStr]:
    """A kind of scalar that is never shown: not in errors, not in ``repr``, not by `config show`."""

    def read(text: str) -> SecretStr:
        if not text:
            raise ValueError
        return SecretStr(check(str(text)))

    return Scalar(what, write_so, read, lambda _: HIDDEN, (SecretStr,), {"type": "string", "writeOnly": True})

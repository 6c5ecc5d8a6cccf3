"""The JSON Schema of a config file, for editors; what a key means is the sentence below it in the model."""

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from mirrord.config.model import Config
from mirrord.config.section import Section

_TEXT: JsonSchemaValue = {"type": ["string", "number"]}
_SHORT = {"ImageConfig": {"type": "string"}, "TagRule": _TEXT}
"""What may stand for a whole entry. A tag may look like a number: mirrord reads it as text."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a config file, for editors: every key with its meaning and its default."""
    schema = Config.model_json_schema(by_alias=True, schema_generator=_Generator)
    sections = {section.__name__: section for section in _sections(Section)}
    definitions = schema["$defs"]
    for name, definition in {**definitions, "Config": schema}.items():
        for key, meaning in _meanings(sections[name]).items():
            definition["properties"][key]["description"] = meaning
    for name, short in _SHORT.items():
        definitions[name] = {"anyOf": [short, definitions[name]]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "mirrord.yaml"}


class _Generator(GenerateJsonSchema):
    """Schemas of what a file may say: no null, and defaults as the file would have them."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A key that is not set is left out: a file never says null."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A default is shown where there is one, as text: ``5m``, not 300."""
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        if not isinstance(default, str | int | float | tuple) or default == ():
            return inner
        write = schema["schema"].get("serialization", {}).get("function")
        shown = write(default) if callable(write) else list(default) if isinstance(default, tuple) else default
        return {**inner, "default": shown}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 - as pydantic calls it
        """A title that repeats the key says nothing."""
        return False


def _sections(section: type[Section]) -> list[type[Section]]:
    return [section, *(inner for below in section.__subclasses__() for inner in _sections(below))]


def _meanings(section: type[Section]) -> dict[str, str]:
    """By key of a section: the sentence below it in the model."""
    found: dict[str, str] = {}
    for part in reversed(section.__mro__):
        if not issubclass(part, Section) or part is Section:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for line, after in pairwise(lines):
            if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)):
                continue
            field = section.model_fields.get(line.target.id)
            if field and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found[field.alias or line.target.id] = str(after.value.value)
    return found

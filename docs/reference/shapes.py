# ruff: noqa: INP001 - a folder of pages is no package
"""JSON Schemas of the public documents, made of the types that the code writes them by, and of what is said there."""

import ast
import inspect
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

Schema = dict[str, object]
_PLAIN: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def schema_of(document: type, path: str, title: str) -> Schema:
    """The schema of one kind of document; further keys are allowed, for they may come within a version."""
    found: dict[str, Schema] = {}
    top = _object(document, found)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": path,
        "title": title,
        "$comment": "Written by scripts/reference from the code.",
        **top,
        "$defs": dict(sorted(found.items())),
    }


def _object(shape: type, found: dict[str, Schema]) -> Schema:
    words, properties = _words(shape), {}
    required: list[str] = []
    for name, kind in get_type_hints(shape, include_extras=True).items():
        is_optional = get_origin(kind) is NotRequired
        required += [] if is_optional else [name]
        properties[name] = {"description": words[name], **_schema(get_args(kind)[0] if is_optional else kind, found)}
    return {"description": shape.__doc__, "type": "object", "properties": properties, "required": required}


def _schema(kind: object, found: dict[str, Schema]) -> Schema:
    """What a value may be. Raises KeyError for a shape that there is no schema for."""
    if isinstance(kind, type) and is_typeddict(kind):
        return _reference(kind, found)
    parts = get_args(kind)
    if not parts:
        return {"type": _PLAIN[kind]}
    origin = get_origin(kind)
    if origin is Annotated:
        return _annotated(*parts)
    if origin is Literal:
        return {"enum": list(parts)}
    below = [_schema(part, found) for part in parts]
    composed: dict[object, Schema] = {
        UnionType: {"anyOf": below},
        list: {"type": "array", "items": below[0]},
        dict: {"type": "object", "propertyNames": below[0], "additionalProperties": below[-1]},
    }
    return composed[UnionType if origin is Union else origin]


def _reference(shape: type, found: dict[str, Schema]) -> Schema:
    name = shape.__name__.removesuffix("Document").lower()
    if name not in found:
        found[name] = {}
        found[name] = _object(shape, found)
    return {"$ref": f"#/$defs/{name}"}


def _annotated(plain: object, meant: type) -> Schema:
    """A text that is a time, or one of so many words."""
    if issubclass(meant, Enum):
        return {"enum": [each.value for each in meant]}
    assert (plain, meant) == (str, datetime)  # noqa: S101 - there is no other yet
    return {"type": "string", "format": "date-time"}


def _words(shape: type) -> dict[str, str]:
    """What is said below each key."""
    (tree,) = ast.parse(inspect.getsource(shape)).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - what getsource gives for a class
    found = {}
    for key, words in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(key, ast.AnnAssign) and isinstance(words, ast.Expr):
            found[ast.unparse(key.target)] = " ".join(str(ast.literal_eval(words.value)).split())
    return found

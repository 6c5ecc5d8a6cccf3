"""From pydantic's errors to problems a person can mend: the line, the key, what was found, what would be right."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mirrord.config.document import Block, Items, Text, shown
from mirrord.config.problem import Problem, colon_hint, join_path
from mirrord.config.section import Section

_MANY_KEYS = 12
_BEGINNING = 3
"""Characters that make it likely that a key was meant: user, pass."""
_MANY_ERRORS = 1000
"""More are nobody's to read, and finding the nearest key of each takes a while."""
_EXPECTED = {
    "tuple_type": "a list is needed: [one, two], or a line each that begins with -",
    "dict_type": "a mapping is needed: key: value",
    "model_type": "a mapping is needed: key: value",
    "string_type": "a text is needed",
}


class _Place(Struct, frozen=True):
    path: tuple[str | int, ...]
    node: object
    line: int


def problems_of(error: ValidationError, root: Block, file: str, model: type[Section]) -> Iterator[Problem]:
    """The problems that pydantic found in ``root``, the mapping that ``file`` holds and ``model`` read."""
    for details in error.errors(include_url=False)[:_MANY_ERRORS]:
        location = details["loc"]
        if details["type"] == "at_key":
            location = (*location, details["ctx"]["key"])
        place = _find(root, location)
        if isinstance(place.node, Text) and place.node.broken:
            continue  # told while reading
        message = _message(details, place, model)
        path = place.path
        if details["type"] == "missing":
            path = (*path, location[-1])
        yield Problem(file, place.line, join_path(path), message)


def _find(root: Block, location: Sequence[str | int]) -> _Place:
    """Follow ``location`` through the file as far as the file goes; parts that validation invented are left out."""
    node: Any = root
    line, path = root.line, list[str | int]()
    for part in location:
        if isinstance(node, Block) and part in node:
            line, node = node.lines[str(part)], node[str(part)]
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            continue
        path.append(part)
        if isinstance(node, Text) or (isinstance(node, Items | Block) and isinstance(part, int)):
            line = node.line
    return _Place(tuple(path), node, line)


def _message(details: ErrorDetails, place: _Place, model: type[Section]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(str(place.path[-1]), known_keys(model, details["loc"][:-1]), model)
    if kind == "missing":
        return "missing; this entry needs it"
    if kind == "literal_error":
        return _not_one_of(place.node, context["expected"])
    if kind == "value_error":
        return _as_written(str(context["error"]), place.node)
    if kind in _EXPECTED:
        found = "a text" if isinstance(place.node, Text) else shown(place.node)  # no text: it may be a secret's
        hint = colon_hint(place.node) if isinstance(place.node, Text) and "mapping" in _EXPECTED[kind] else ""
        return f"{found} was found; {_EXPECTED[kind]}{hint}"
    return _as_written(details["msg"], place.node)


def _as_written(message: str, node: object) -> str:
    """``message`` with what an environment variable gave shown as the variable."""
    if isinstance(node, Text) and node and node.written != str(node):
        return message.replace(str(node), node.written)
    return message


def _not_one_of(found: object, expected: str) -> str:
    words = expected.replace(" or ", ", ").replace("'", "").split(", ")
    near = difflib.get_close_matches(str(found).lower(), words, n=1)
    tail = f'did you mean "{near[0]}"?' if near else f"write one of {', '.join(words)}"
    return f"{shown(found)} is none of {', '.join(words)}; {tail}" if near else f"{shown(found)} was found; {tail}"


def _unknown_key(key: str, known: Mapping[str, object], model: type[Section]) -> str:
    if near := nearest(key, known):
        return f'unknown key; did you mean "{near}"?'
    elsewhere = sorted({place for place, name in _all_keys(model) if name == key.lower().replace("-", "_")})
    if elsewhere:
        return f"unknown key here; it belongs {' or '.join(elsewhere)}"
    if len(known) > _MANY_KEYS:
        return "unknown key; `mirrord config schema` lists all keys"
    return f"unknown key; the keys here are {', '.join(known)}"


def nearest(key: str, known: Iterable[str]) -> str | None:
    """The known key that ``key`` was probably meant to be."""
    name, known = key.lower().replace("-", "_"), list(known)
    begun = [one for one in known if len(name) >= _BEGINNING and one.startswith(name)]
    near = begun or difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return near[0] if near else None


def known_keys(model: type[Section], location: Sequence[str | int]) -> dict[str, object]:
    """The keys, with their types, of the section at ``location`` in a file that ``model`` reads."""
    kind: object = model
    for part in location:
        kind = _inner(kind, part)
    section = next(_sections(kind), None)
    return _keys(section) if section else {}


def _keys(section: type[Section]) -> dict[str, object]:
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}


def _inner(kind: object, part: str | int) -> object:
    """The type of ``part`` in a value of ``kind``; ``kind`` itself where validation invented the part."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _inner(arguments[0], part)
    if origin in {Union, UnionType}:
        found = [inner for inner in (_inner(one, part) for one in arguments) if inner not in arguments]
        return found[0] if found else kind
    if origin is tuple and isinstance(part, int):
        return arguments[0]
    if origin is dict:
        return arguments[1]
    if isinstance(kind, type) and issubclass(kind, Section):
        return _keys(kind).get(str(part), kind)
    return kind


def _sections(kind: object) -> Iterator[type[Section]]:
    if isinstance(kind, type) and issubclass(kind, Section):
        yield kind
    else:
        for argument in get_args(kind):
            yield from _sections(argument)


def _all_keys(model: type[Section], place: str = "at the top of the file") -> Iterator[tuple[str, str]]:
    """Every key below ``model``, with words for the section it belongs to."""
    for name, kind in _keys(model).items():
        yield place, name
        for section in _sections(kind):
            yield from _all_keys(section, f"in {name}")

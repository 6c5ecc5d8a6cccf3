"""A YAML file as text, lists and mappings that remember their lines. Knows no key of the config but the secret ones.

Every scalar is text: the tag ``3.10`` never becomes ``3.1``. What YAML would do behind the reader's back (a later
duplicate that wins, merges, tags, aliases that multiply) is a problem with its line, or bounded.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Self

import yaml
from msgspec import Struct, field

from mirrord.config.problem import HIDDEN, InvalidConfigError, Problem, join_path, quoted
from mirrord.config.syntax import syntax_problem

MAX_DEPTH = 32
MAX_NODES = 500_000
"""Scalars, lists and mappings in one file, those that aliases repeat included."""
_SECRET_KEYS = frozenset({"username", "password", "password_env", "password_credential", "proxy", "url"})
"""Keys whose values no error shows: a person may have put the secret into the wrong one of them."""
_RAW_KEYS = frozenset({"regex"})
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml where PyYAML was built with it: 20 times as fast
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x0d\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_FILE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_VARIABLE = re.compile(r"\$(?:\$|\{([^{}]*)\}|\{)")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Text(str):
    """A scalar, with its line and how an error may show it."""

    __slots__ = ("broken", "line", "written")
    line: int
    written: str
    """As the file has it (``${TOKEN}``, not what it stands for); dots for a secret."""
    broken: bool
    """Whether a problem of it is known already, so that no second one is made of it."""

    @classmethod
    def at(cls, line: int, value: str, written: str | None = None, *, broken: bool = False) -> Self:
        """``value``, found on ``line``."""
        text = cls(value)
        text.line, text.written, text.broken = line, value if written is None else written, broken
        return text


class Items(list[Any]):
    """A list, with its line."""

    __slots__ = ("line",)

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class Block(dict[str, Any]):
    """A mapping, with its line and the lines of its keys."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


Node = Text | Items | Block


def shown(value: object) -> str:
    """What was found, in an error's words: ``"5x"``, a list, a mapping."""
    if isinstance(value, Text):
        return "this value" if value.written == HIDDEN else quoted(value.written)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return quoted(str(value))


def read_document(content: str, file: str, environment: Mapping[str, str]) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document; None where the file holds nothing but comments.

    Problems that leave the rest readable are given back; what ends the reading is raised as InvalidConfigError.
    """
    if found := _CONTROL_IN_FILE.search(content):
        line = content.count("\n", 0, found.start()) + 1
        raise InvalidConfigError([Problem(file, line, "", f"the character U+{ord(found[0]):04X} has no place in YAML")])
    builder = _Builder(file, environment)
    try:
        for event in yaml.parse(content, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        problem = syntax_problem(error, file, content)
    else:
        return builder.root, builder.problems
    raise InvalidConfigError([*builder.problems, problem])  # here, so that no traceback holds the file's text


class _Frame(Struct):
    node: Items | Block
    anchor: str | None
    before: int
    """Nodes counted before this one."""
    key: Text | None = None


class _Builder(Struct):
    file: str
    environment: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    root: Node | None = None
    _stack: list[_Frame] = field(default_factory=list)
    _anchors: dict[str, tuple[Node | None, int]] = field(default_factory=dict)
    _nodes: int = 0

    def take(self, event: yaml.Event) -> None:
        """Take the parser's next event."""
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise self._stop(line, "a second document begins here; a config is one document, so remove the ---")
        if isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.NodeEvent):
            self._nodes += 1
            if self._nodes > MAX_NODES:
                raise self._stop(line, f"more than {MAX_NODES:,} values (those that aliases repeat included)")
            self._take_node(event, line)

    def _take_node(self, event: yaml.NodeEvent, line: int) -> None:
        tag = getattr(event, "tag", None)
        if tag not in {None, "!", "tag:yaml.org,2002:str"}:
            self._note(line, 'a value that begins with "!" is a YAML tag, which has no meaning here; put it in quotes')
        if isinstance(event, yaml.ScalarEvent):
            frame = self._stack[-1] if self._stack else None
            if frame and isinstance(frame.node, Block) and frame.key is None:
                frame.key = Text.at(line, event.value)
                return
            text = self._text(event, line)
            if event.anchor:
                self._anchors[event.anchor] = (text, 1)
            self._attach(text)
            return
        if self._stack and isinstance(self._stack[-1].node, Block) and self._stack[-1].key is None:
            raise self._stop(line, "a key must be plain text, not a list, a mapping or an alias")
        if isinstance(event, yaml.AliasEvent):
            self._attach(self._aliased(event.anchor, line))
            return
        if len(self._stack) >= MAX_DEPTH:
            raise self._stop(line, f"nested more than {MAX_DEPTH} deep")
        if event.anchor:
            self._anchors[event.anchor] = (None, 0)
        node = Items(line) if isinstance(event, yaml.SequenceStartEvent) else Block(line)
        self._stack.append(_Frame(node, event.anchor, self._nodes - 1))

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.node, self._nodes - frame.before)
        elif self._stack and (key := self._stack[-1].key) is not None:
            frame.node.line = key.line  # a person looks for the key
        self._attach(frame.node)

    def _attach(self, value: Node) -> None:
        if not self._stack:
            self.root = value
            return
        frame = self._stack[-1]
        if isinstance(frame.node, Items):
            frame.node.append(value)
            return
        key = frame.key or Text.at(0, "")
        if key == "<<":
            self._note(key.line, "merge keys are not supported; repeat the keys, or say them once in defaults")
        elif key in frame.node:
            self._note(key.line, f"given twice; the first is on line {frame.node.lines[key]}: keep one")
        else:
            frame.node[str(key)] = value
            frame.node.lines[str(key)] = key.line
        frame.key = None

    def _aliased(self, name: str | None, line: int) -> Node:
        node, size = self._anchors.get(name or "", (None, 0))
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise self._stop(line, f"aliases make more than {MAX_NODES:,} values of this file")
        if node is None:
            inside = name in self._anchors
            self._note(
                line,
                "an alias (*) to what it stands in itself"
                if inside
                else 'a value that begins with "*" is a YAML alias, and no anchor (&) of its name comes before it; '
                "put a glob in quotes",
            )
            return Text.at(line, "", broken=True)
        if isinstance(node, Text) and self._key() in _SECRET_KEYS:
            return Text.at(node.line, str(node), HIDDEN, broken=node.broken)
        return node

    def _text(self, event: yaml.ScalarEvent, line: int) -> Text:
        value, key = event.value, self._key()
        written = HIDDEN if key in _SECRET_KEYS else value
        if not value and not event.style:  # plain: libyaml and the other parser say so differently
            self._note(line, 'nothing stands here; give it a value, or remove the line ("" is an empty text)')
            return Text.at(line, "", written, broken=True)
        expanded = value if key in _RAW_KEYS or "$" not in value else self._expanded(value, line, written)
        if expanded is not None and (found := _CONTROL.search(expanded)):
            self._note(line, f"holds the control character U+{ord(found[0]):04X}; write plain text")
            expanded = None
        return Text.at(line, expanded or "", written, broken=expanded is None)

    def _expanded(self, value: str, line: int, written: str) -> str | None:
        """``value`` with ``${NAME}`` replaced, or None (and a problem noted) where that can't be done."""
        parts, position = [], 0
        for found in _VARIABLE.finditer(value):
            parts.append(value[position : found.start()])
            position = found.end()
            name = found[1]
            if found[0] == "$$":
                parts.append("$")
            elif name is None or not _VARIABLE_NAME.fullmatch(name):
                self._note(line, 'a "${" that begins no ${NAME}; write $$ for a dollar')
                return None
            elif name not in self.environment:
                called = "a variable" if written == HIDDEN else f"${{{name[:60]}}}"
                self._note(line, f"{called} is not set in the environment; set it, or write $$ for a dollar")
                return None
            else:
                parts.append(self.environment[name])
        return "".join([*parts, value[position:]])

    def _key(self) -> str | None:
        """The key a value is about to be attached to, its lists looked through."""
        return next((str(frame.key) for frame in reversed(self._stack) if isinstance(frame.node, Block)), None)

    def _path(self) -> Iterator[str | int]:
        for frame in self._stack:
            if isinstance(frame.node, Items):
                yield len(frame.node)
            elif frame.key is not None:
                yield str(frame.key)

    def _note(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.file, line, join_path(self._path()), message))

    def _stop(self, line: int, message: str) -> InvalidConfigError:
        return InvalidConfigError([*self.problems, Problem(self.file, line, join_path(self._path()), message)])

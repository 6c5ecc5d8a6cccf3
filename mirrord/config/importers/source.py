"""Another tool's YAML as text, lists and mappings with their lines; merge keys and aliases as YAML has them."""

from collections.abc import Iterator

import yaml
from msgspec import Struct, field

from mirrord.config.document import MAX_DEPTH, MAX_NODES, Block, Items, Node, Text
from mirrord.config.problem import InvalidConfigError, Problem
from mirrord.config.syntax import syntax_problem

_MERGE = "<<"


class Leftover(Struct, frozen=True, order=True):
    """One thing of the file that our config does not have: where, what, and why."""

    line: int
    what: str
    """The key or the name, e.g. ``sync[2].backup``. Never a secret's value."""
    reason: str


def read_yaml(text: str, file: str) -> Node | None:
    """The one document of ``text``; None where it holds nothing. Raises InvalidConfigError for what is no YAML."""
    try:
        _measure(text, file)
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        problem = syntax_problem(error, file, text)
    else:
        return None if node is None else _Reading(file).read(node)
    raise InvalidConfigError([problem])  # here, so that no traceback holds the file's text


def _measure(text: str, file: str) -> None:
    """Refuse what would exhaust a reader that recurses. Raises InvalidConfigError, YAMLError."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        nodes += isinstance(event, yaml.NodeEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise InvalidConfigError([Problem(file, line, "", f"nested more than {MAX_DEPTH} deep")])
        if nodes > MAX_NODES:
            raise InvalidConfigError([Problem(file, line, "", f"more than {MAX_NODES:,} values")])


class _Reading(Struct):
    """One document, node by node; what an alias repeats is one value."""

    file: str
    done: dict[int, Node] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)

    def read(self, node: yaml.Node, line: int = 0) -> Node:
        """A node as ours; ``line`` is its key's, which a person looks for."""
        line = line or node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            return Text.at(line, node.value)
        if id(node) in self.done:
            return self.done[id(node)]
        if id(node) in self.begun:
            raise InvalidConfigError([Problem(self.file, line, "", "an alias (*) to what it stands in itself")])
        self.begun.add(id(node))
        found = self._items(node, line) if isinstance(node, yaml.SequenceNode) else self._block(node, line)
        self.done[id(node)] = found
        return found

    def _items(self, node: yaml.SequenceNode, line: int) -> Items:
        items = Items(line)
        items.extend(self.read(each) for each in node.value)
        return items

    def _block(self, node: yaml.Node, line: int) -> Block:
        block, merged = Block(line), list[Block]()
        for key, value in node.value:
            at = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InvalidConfigError([Problem(self.file, at, "", "a key must be plain text")])
            found = self.read(value, 0 if isinstance(value, yaml.SequenceNode | yaml.MappingNode) else at)
            if key.value == _MERGE:
                merged += [each for each in (found if isinstance(found, Items) else [found]) if isinstance(each, Block)]
            elif key.value in block:
                words = f"given twice; the first is on line {block.lines[key.value]}"
                raise InvalidConfigError([Problem(self.file, at, key.value, words)])
            else:
                block[key.value] = found
                block.lines[key.value] = at
        for other in merged:
            for name in other.keys() - block.keys():
                block[name], block.lines[name] = other[name], other.lines[name]
        return block


def text_of(block: Block, key: str) -> str:
    """The text of a key; empty where there is none, or something else."""
    value = block.get(key)
    return str(value) if isinstance(value, Text) else ""


def texts_of(block: Block, key: str) -> list[Text]:
    """The texts of a list; one text is a list of it."""
    value = block.get(key)
    if isinstance(value, Text):
        return [value] if value else []
    return [each for each in value if isinstance(each, Text)] if isinstance(value, Items) else []


def is_true(block: Block, key: str) -> bool:
    """Whether a key says so, as YAML's other readers understand it."""
    return text_of(block, key).lower() in {"true", "yes", "on", "y"}


def is_false(block: Block, key: str) -> bool:
    """Whether a key is there and says no."""
    return text_of(block, key).lower() in {"false", "no", "off", "n"}


def blocks_of(value: object) -> Iterator[tuple[int, Block]]:
    """The mappings of a list, with their positions."""
    for at, each in enumerate(value if isinstance(value, Items) else ()):
        if isinstance(each, Block):
            yield at, each

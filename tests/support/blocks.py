"""The blocks of commands of a page: what a reader copies into a shell."""

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^[ ]{0,3}```(\w*)\n(.*?)^[ ]{0,3}```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}\S.*\n(?:(?: {4}.*)?\n(?= {4}))*)+", re.MULTILINE)
SHELL = {"sh", "bash", "console"}


@dataclass(frozen=True, slots=True)
class Block:
    """One block, with the line of the page where it begins."""

    line: int
    language: str
    text: str
    file: str = ""
    """The file that it is the content of, where the line above it ends by its name: (`mirrord.yaml`):"""

    @property
    def commands(self) -> str:
        """What is typed: of a dialogue the lines after its ``$``, of all else everything."""
        if self.file:
            return f"cat >{self.file} <<'END-OF-FILE'\n{self.text}END-OF-FILE\n"
        if self.language != "console":
            return self.text
        typed = re.findall(r"^\$ ((?:.*\\\n)*.*)$", self.text, re.MULTILINE)
        return "\n".join(typed) + "\n"


def fenced(page: str) -> list[Block]:
    """The fenced blocks of a page, whatever their language."""
    return [_block(page, found.start(), found[1], found[2]) for found in _FENCE.finditer(page)]


def typed(page: Path) -> list[Block]:
    """The blocks of a page that are commands, and the files that these need.

    Commands are fenced as a shell's, or indented, which our pages do for nothing else.
    """
    text = page.read_text()
    blank = _FENCE.sub(lambda found: re.sub(r"[^\n]", "x", found[0]), text)
    indented = [
        _block(text, each.start(), "sh", re.sub(r"^ {4}", "", each[0], flags=re.MULTILINE))
        for each in _INDENTED.finditer(blank)
    ]
    return sorted(
        [*(each for each in fenced(text) if each.language in SHELL or each.file), *indented], key=lambda each: each.line
    )


def _block(page: str, start: int, language: str, text: str) -> Block:
    named = re.search(r"\(`([\w./-]+)`\):\n\n$", page[:start])
    file = named[1] if named and language not in SHELL else ""
    return Block(page.count("\n", 0, start) + 1, language, text, file)

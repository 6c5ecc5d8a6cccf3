"""What is wrong in a config file: one line a problem, each with its place, and no secret in any."""

import json
import re
from collections.abc import Iterable

from msgspec import Struct

from mirrord.errors import ConfigError

HIDDEN = "••••"
"""What stands where a secret would."""
_SHOWN_LENGTH = 60
_READ_LENGTH = 2000
_SHOWN_PROBLEMS = 100
_PAIR = re.compile(r"[\w.-]+:(?!//)\S")
_USERINFO = re.compile(r"//[^\s]*@")


class Problem(Struct, frozen=True, order=True):
    """One thing to mend: ``mirrord.yaml:2: imagess: unknown key; did you mean "images"?``."""

    file: str
    line: int
    """Counted from 1; 0 where the whole file is meant."""
    path: str
    """The key, e.g. ``images[0].tags``; empty where no key is meant."""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.path, self.message) if part)


class InvalidConfigError(ConfigError):
    """A config file is wrong: every problem of it, in the order of the file, a line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(sorted(problems)))
        lines = [str(problem) for problem in self.problems[:_SHOWN_PROBLEMS]]
        if (more := len(self.problems) - _SHOWN_PROBLEMS) > 0:
            lines.append(f"… and {more} more")
        super().__init__("\n".join([f"{len(self.problems)} errors:", *lines] if len(lines) > 1 else lines))


def quoted(text: str) -> str:
    """``text`` as an error shows it: in quotes, on one line, cut where it is long, without a URL's credentials."""
    text = _USERINFO.sub(f"//{HIDDEN}@", text[:_READ_LENGTH])
    if len(text) > _SHOWN_LENGTH:
        text = text[:_SHOWN_LENGTH] + "…"
    return json.dumps(text, ensure_ascii=not text.isprintable())


def colon_hint(text: str) -> str:
    """A hint for a text in the place of a mapping that has the look of one."""
    return " (a colon needs a space after it)" if _PAIR.match(text) else ""


def join_path(parts: Iterable[str | int]) -> str:
    """The key of a place in the file: ``("images", 0, "tags")`` is ``images[0].tags``."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            key = part if part.isprintable() else json.dumps(part)
            path += f".{key[:_SHOWN_LENGTH]}" if path else key[:_SHOWN_LENGTH]
    return path

"""Finding and reading the config file, with the files it includes: all errors at once, each with its line."""

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, field
from pydantic import ValidationError

from mirrord.config.document import Block, Items, Node, Text, read_document, shown
from mirrord.config.explain import problems_of
from mirrord.config.images import collisions
from mirrord.config.model import Config, Included
from mirrord.config.problem import InvalidConfigError, Problem, colon_hint, join_path
from mirrord.config.rules import has_wildcard
from mirrord.config.section import Origin
from mirrord.errors import ConfigError

VARIABLE = "MIRRORD_CONFIG"
PLACES = (Path("mirrord.yaml"), Path("/etc/mirrord/mirrord.yaml"))
"""Where a config is looked for when nobody names one."""
MAX_SIZE = 4 << 20
"""Bytes one file may have."""
MAX_INCLUDED = 1000
"""Files one config may include."""

S = TypeVar("S", bound=Included)


def find(explicit: Path | None) -> Path | None:
    """The config to read: ``explicit``, $MIRRORD_CONFIG, ./mirrord.yaml, /etc/mirrord/mirrord.yaml, or None.

    Raises ConfigError where $MIRRORD_CONFIG names a file that is not there.
    """
    if explicit is not None:
        return explicit
    if named := os.environ.get(VARIABLE):
        if not _is_there(named):
            raise ConfigError(f"${VARIABLE} names {named}, and no such file is there; correct it, or unset it")
        return Path(named)
    return next((place for place in PLACES if _is_there(place)), None)


def locate(explicit: Path | None) -> Path:
    """As ``find``, for a command that can't do without. Raises ConfigError that says where it looked."""
    path = find(explicit)
    if path is None:
        places = " and ".join(f"./{place}" if place == PLACES[0] else str(place) for place in PLACES)
        raise ConfigError(
            f"there is no config: --config and ${VARIABLE} name none, and {places} do not exist; "
            "`mirrord init DIR` writes one"
        )
    return path


def load(path: Path) -> Config:
    """Read the config at ``path``. Raises ConfigError with a line for each thing that is wrong."""
    reading = _Reading()
    main = reading.read(path, Config)
    root = reading.documents.get(str(path))
    parts = [reading.read(file, Included) for file in reading.included(path, root)] if root is not None else []
    reading.require_images(path)
    if reading.problems or main is None:
        raise InvalidConfigError(reading.problems)
    read = [part for part in parts if part is not None]
    whole = main.joined(read, fingerprint=reading.hash.hexdigest())
    problems = [*_twice([main, *read]), *collisions(whole)]
    if problems:
        raise InvalidConfigError(problems)
    return whole


class _Reading(Struct):
    """The files of one config, as far as they are read, and what is wrong in them."""

    documents: dict[str, Block] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    """Of the files read so far."""

    def read(self, path: Path, model: type[S]) -> S | None:
        """One file as ``model``; None, and its problems noted, where it is wrong."""
        file = str(path)
        try:
            content = _content(path)
            self.hash.update(content.encode())
            root, problems = read_document(content, file, os.environ)
        except InvalidConfigError as error:
            self.problems += error.problems
            return None
        self.problems += problems
        if root is None and model is Included:
            return model()  # all of it commented out
        if not isinstance(root, Block):
            self.problems.append(_no_mapping(file, root))
            return None
        self.documents[file] = root
        origin = Origin(file, path.absolute().parent)
        try:
            return model.model_validate(root, context=origin, by_alias=True, by_name=False)
        except ValidationError as error:
            self.problems += problems_of(error, root, file, model)
        return None

    def included(self, path: Path, root: Block) -> list[Path]:
        """The files that ``include`` of the main file means, each once, by pattern and then by name."""
        written = root.get("include")
        patterns = written if isinstance(written, Items) else [written]
        found: dict[str, Path] = {os.path.realpath(path): path}
        for pattern in patterns:
            if not isinstance(pattern, Text) or pattern.broken:
                continue  # told where it is validated
            for file in self._matching(pattern, path):
                found.setdefault(os.path.realpath(file), file)
        files = list(found.values())[1:]
        if len(files) > MAX_INCLUDED:
            self._note(path, root.lines["include"], f"{len(files)} files match; at most {MAX_INCLUDED:,} are read")
        return files[:MAX_INCLUDED]

    def _matching(self, pattern: Text, path: Path) -> Iterable[Path]:
        text = os.path.expanduser(str(pattern))
        if has_wildcard(text):
            files = (path.parent / name for name in sorted(glob.glob(text, root_dir=path.absolute().parent)))
            return [file for file in files if not file.is_dir()]
        file = path.parent / text
        if not _is_there(file):
            self._note(path, pattern.line, f"no file {shown(pattern)}; a glob such as conf.d/*.yaml may match none")
            return []
        if file.is_dir():
            self._note(path, pattern.line, f"{shown(pattern)} is a directory; name the files in it, e.g. conf.d/*.yaml")
            return []
        return [file]

    def require_images(self, path: Path) -> None:
        """Note a config that nowhere says what to mirror."""
        if not self.problems and not any(
            key in root for root in self.documents.values() for key in ("images", "groups")
        ):
            example = "write images: and below it, e.g., - nginx:1.27"
            self.problems.append(Problem(str(path), 0, "", f"nothing says what to mirror; {example}"))

    def _note(self, path: Path, line: int, message: str) -> None:
        self.problems.append(Problem(str(path), line, "include", message))


def _content(path: Path) -> str:
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_SIZE + 1)
    except FileNotFoundError:
        problem = Problem(file, 0, "", "no such file; give --config another, or write one with: mirrord init DIR")
    except IsADirectoryError:
        problem = Problem(file, 0, "", "is a directory; give the file in it")
    except PermissionError:
        problem = Problem(file, 0, "", "may not be read by this user; run as the mirror's user, or change its mode")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problem = Problem(file, 0, "", f"can't be read: {reason}")
    else:
        return _decoded(file, content)
    raise InvalidConfigError([problem])


def _decoded(file: str, content: bytes) -> str:
    if len(content) > MAX_SIZE:
        hint = f"is larger than {MAX_SIZE >> 20} MiB; split it with include:"
        raise InvalidConfigError([Problem(file, 0, "", hint)])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(file, line, "", f"the byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8")
    raise InvalidConfigError([problem])


def _no_mapping(file: str, root: Node | None) -> Problem:
    if root is None:
        return Problem(file, 0, "", "is empty; a config needs images: or groups:")
    if isinstance(root, Items):
        return Problem(file, root.line, "", "a list was found; write images: above it, and indent it")
    hint = colon_hint(str(root))
    return Problem(file, root.line, "", f"a text was found; a config is keys and values, such as images: [nginx]{hint}")


def _twice(parts: Iterable[Included]) -> Iterator[Problem]:
    """Registries that two files describe, and groups of one name."""
    seen: dict[str, str] = {}
    for part in parts:
        named = [(join_path(("registries", host)), registry.where) for host, registry in part.registries.items()]
        named += [(join_path(("groups", group.name)), group.where) for group in part.groups]
        for name, where in named:
            if name in seen:
                file, _, line = where.rpartition(":")
                yield Problem(file, int(line), name, f"given twice; the first is at {seen[name]}")
            seen.setdefault(name, where)


def _is_there(path: Path | str) -> bool:
    """Whether something has this name, even if this user may not look at it: reading it then says so."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True

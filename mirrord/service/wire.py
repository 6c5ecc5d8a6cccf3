"""What travels over the control socket, as JSON: operations, replies, errors, and who the daemon is.

Whatever comes from the other end is checked here: a wrong document is a ValueError, and nothing else.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from msgspec import Struct
from msgspec.structs import asdict, fields

from mirrord import errors
from mirrord.errors import ConfigError, DeferredError, HostError, MirrordError, NetworkError, UpstreamError
from mirrord.service.operation import Operation, Reply

MAX_REQUEST: Final = 1 << 20
"""Bytes of a request's body."""
MAX_LINE: Final = 256 << 20
"""Bytes of one line of an answer: a report of some hundred thousand images has less."""

_KINDS: Final[Mapping[str, type[MirrordError]]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, MirrordError)
}
_OWNERS: Final[Mapping[str, type[MirrordError]]] = {
    str(kind.owner): kind for kind in (UpstreamError, NetworkError, ConfigError, HostError)
}
_NOWHERE: Final = 0


class About(Struct, frozen=True):
    """A daemon: what it holds, and by which config."""

    root: str
    """As its own process sees it, links resolved."""
    identity: tuple[int, int]
    """Device and inode of the root: the same for whoever sees it under another name."""
    process: int
    version: str
    config: str
    fingerprint: str
    """Of the config's files, as they were when they were read."""

    @classmethod
    def of(cls, root: Path, config: str, fingerprint: str) -> Self:
        """This process, holding ``root``; blocks. Raises OSError."""
        from mirrord import __version__

        found = os.stat(root)
        return cls(os.path.realpath(root), (found.st_dev, found.st_ino), os.getpid(), __version__, config, fingerprint)

    def holds(self, root: Path) -> bool:
        """Whether ``root`` is what it holds; blocks."""
        try:
            found = os.stat(root)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self.identity

    def document(self) -> dict[str, object]:
        """As it travels."""
        return {
            "root": self.root,
            "identity": list(self.identity),
            "pid": self.process,
            "version": self.version,
            "config": self.config,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """The same back. Raises ValueError."""
        document = read_object(raw)
        try:
            device, inode = map(int, document["identity"])
            words = [str(document[key]) for key in ("root", "version", "config", "fingerprint")]
            return cls(words[0], (device, inode), int(document["pid"]), *words[1:])
        except (KeyError, TypeError) as error:
            raise ValueError(f"no answer of a mirrord: {error}") from error


def read_object(raw: bytes) -> dict[str, Any]:
    """One JSON object. Raises ValueError."""
    try:
        found = json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - whoever sent it is told, as of any other mistake
    return found


def operation_document(operation: Operation) -> dict[str, object]:
    """An operation as it travels."""
    arguments = asdict(operation)
    return {"name": operation.name, "arguments": arguments}


def read_operation(document: Mapping[str, Any], kinds: Iterable[type[Operation]]) -> Operation:
    """The same back, one of ``kinds``. Raises ValueError."""
    name, arguments = document.get("name"), document.get("arguments", {})
    kind = next((kind for kind in kinds if kind.name == name), None)
    if kind is None:
        raise ValueError(f"no operation of this mirrord has the name {name!r}")
    if not isinstance(arguments, dict):
        raise ValueError("arguments: an object was expected")  # noqa: TRY004 - as above
    taken: dict[str, Any] = {}
    for each in fields(kind):
        if each.name in arguments:
            taken[each.name] = _fitting(each.name, arguments.pop(each.name), each.type)
        elif each.required:
            raise ValueError(f"{each.name} is missing")
    if arguments:
        raise ValueError(f"{name} takes no {next(iter(arguments))!r}")
    return kind(**taken)


def _fitting(name: str, value: object, hint: object) -> object:
    if hint in {str, bool, str | None}:
        if type(value) is hint or (hint == str | None and isinstance(value, str | None)):
            return value
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ValueError(f"{name}: a value of another type was expected")


def reply_document(reply: Reply) -> dict[str, object]:
    """A reply as it travels."""
    return {"document": reply.document, "status": reply.status}


def read_reply(document: Any) -> Reply:  # noqa: ANN401 - JSON
    """The same back. Raises ValueError."""
    if isinstance(document, dict) and isinstance(document.get("document"), dict):
        status = document.get("status")
        if isinstance(status, int):
            return Reply(document["document"], status)
    raise ValueError("no reply of a mirrord")


def error_document(error: MirrordError) -> dict[str, object]:
    """An error as it travels: by the nearest kind that `mirrord.errors` has, for its words tell the rest."""
    kind = next(kind.__name__ for kind in type(error).__mro__ if _KINDS.get(kind.__name__) is kind)
    found: dict[str, object] = {"owner": str(error.owner), "kind": kind, "error": str(error)}
    return found | {"seconds": error.seconds} if isinstance(error, DeferredError) else found


def read_error(document: Any) -> MirrordError:  # noqa: ANN401 - JSON
    """The same back: of the same kind, or of its owner's where only the other end knows that. Raises ValueError."""
    if not isinstance(document, dict):
        raise ValueError("no error of a mirrord")  # noqa: TRY004 - as above
    words = str(document.get("error"))
    kind = _KINDS.get(str(document.get("kind"))) or _OWNERS.get(str(document.get("owner")), HostError)
    if issubclass(kind, DeferredError):
        seconds = document.get("seconds")
        return kind(words, seconds=float(seconds) if isinstance(seconds, int | float) else _NOWHERE)
    return kind(words)

"""Speaking to the daemon that holds a root: finding it, having it carry out operations, and the calls that steer it.

Plain blocking HTTP: a command has nothing else to do, and starts in an instant.
"""

import contextlib
import errno
import grp
import http.client
import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from mirrord.errors import HostError
from mirrord.events import get_logger, with_fields
from mirrord.service.operation import Meters, Operation, Reply
from mirrord.service.place import connect, places
from mirrord.service.wire import MAX_LINE, About, operation_document, read_error, read_object, read_reply

_PATIENCE: Final = 10.0
"""Seconds that a daemon has to say who it is."""
_log = get_logger()


class GivenUpError(Exception):
    """The daemon gave an operation up on somebody's word: as Ctrl-C does here."""


class _Connection(http.client.HTTPConnection):
    """One connection to a control socket."""

    def __init__(self, path: Path, patience: float | None = None) -> None:
        super().__init__("mirrord", timeout=patience)
        self._path = path

    def connect(self) -> None:
        """Connect. Raises OSError."""
        self.sock: socket.socket = connect(self._path, self.timeout)


class Daemon(Struct, frozen=True):
    """A daemon that answered at a control socket."""

    path: Path
    about: About

    def perform(self, operation: Operation, meters: Meters, moved: Callable[[], None]) -> Reply:
        """Have ``operation`` carried out; ``meters`` stand as the daemon's do, and each change is told to ``moved``.

        What it would have logged here it logs here too. Raises the MirrordError that it met, GivenUpError.
        """
        for line in self._lines("operations", operation_document(operation)):
            if isinstance(progress := line.get("progress"), dict):
                meters.take(progress)
                moved()
            elif isinstance(event := line.get("event"), dict):
                _tell(event)
            elif "interrupted" in line:
                raise GivenUpError(str(line["interrupted"]))
            else:
                return self._reply(line)
        raise self._silent()

    def ask(self, call: str, arguments: Mapping[str, object] | None = None) -> Reply:
        """Have the daemon do what ``call`` says: reload, trigger, pause, resume, cancel. Raises MirrordError."""
        for line in self._lines(call, arguments or {}):
            return self._reply(line)
        raise self._silent()

    def progress(self) -> Mapping[str, object]:
        """What it does now. Raises HostError."""
        for line in self._lines("progress", None):
            return line
        raise self._silent()

    def _reply(self, line: Mapping[str, Any]) -> Reply:
        if "error" in line:
            raise read_error(line["error"])
        try:
            return read_reply(line.get("reply"))
        except ValueError as error:
            raise HostError(f"{self}: {error}") from error

    def _lines(self, call: str, body: Mapping[str, object] | None) -> Iterator[Mapping[str, Any]]:
        """Each line of an answer. Raises HostError where the daemon goes away meanwhile."""
        connection = _Connection(self.path)
        with contextlib.closing(connection):
            try:
                raw = None if body is None else json.dumps(body).encode()
                connection.request("GET" if raw is None else "POST", f"/v1/{call}", raw)
                answer = connection.getresponse()
                if answer.status not in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}:
                    raise HostError(f"{self} answered {answer.status} {answer.reason}; are both of one version?")
                while line := answer.readline(MAX_LINE):
                    yield read_object(line)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise HostError(f"{self} broke off: {error}; its log says why") from error

    def _silent(self) -> HostError:
        return HostError(f"{self} ended without an answer; its log says why")

    def __str__(self) -> str:
        return f"the daemon (process {self.about.process}, mirrord {self.about.version})"


def find_daemon(root: Path | None, configured: Path | None) -> Daemon | None:
    """The daemon that holds ``root`` (None: any), by its control socket; None where nobody answers.

    Raises HostError where what answers does not say who it is.
    """
    for path in places(root, configured):
        try:
            connection = _Connection(path, _PATIENCE)
            connection.connect()
        except OSError:  # absent, stale, or not for this user (`closed_place`)
            continue
        about = _about(path, connection)
        if about is not None and (root is None or about.holds(root)):
            return Daemon(path, about)
    return None


def closed_place(root: Path, configured: Path | None) -> str | None:
    """How this user gets to the control socket of ``root``, where it is there and may not be opened; else None."""
    for path in places(root, configured):
        try:
            connect(path, _PATIENCE).close()
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EPERM}:
                return f"this user may not open its control socket {path}; {_group_of(path)}"
    return None


def _group_of(path: Path) -> str:
    try:
        group = os.stat(path).st_gid
    except OSError:
        return f"who may is for {path.parent} to say"
    try:
        name = grp.getgrgid(group).gr_name
    except KeyError:
        name = f"#{group}"
    return f"add yourself to the group {name}, and log in again"


def _about(path: Path, connection: http.client.HTTPConnection) -> About | None:
    """Who answers; None where it ends just now."""
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/v1/about")
            answer = connection.getresponse()
            if answer.status == HTTPStatus.OK:
                return About.read(answer.read(MAX_LINE))
            words = f"answers {answer.status} {answer.reason}"
        except ConnectionError:
            return None
        except TimeoutError:
            words = f"has said nothing for {_PATIENCE:.0f} s; look at the daemon's log, or restart it"
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = f"does not answer as a mirrord does: {error}"
    raise HostError(f"the control socket {path} {words}")


def _tell(event: Mapping[str, Any]) -> None:
    """Log an event of the daemon's as if it had happened here."""
    fields, bound = dict[str, Any](), dict[str, Any]()
    into = fields
    for name, value in event.items():
        if name == "event":
            into = bound  # what came after it was bound there by the context
        elif name not in {"level", "timestamp"}:
            into[name] = value
    level = logging.getLevelNamesMapping().get(str(event.get("level")).upper(), logging.INFO)
    with with_fields(**bound):
        _log.log(level, str(event.get("event")), **fields)

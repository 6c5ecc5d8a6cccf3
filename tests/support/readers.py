"""What reads a served tree in tests: a raw HTTP client that sends targets as they are, and the embedded server."""

import base64
import functools
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mirrord.serve.address import Address

HOST = "registry.test"
"""The Host header of a test's requests, unless it sends another."""
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever the document holds
        """The body as a document."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error code of a refusal."""
        code: str = self.json()["errors"][0]["code"]
        return code


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the tree, by its port on this host."""

    port: int
    authority: Path | None = None
    """Certificate (PEM) of who vouches for it: it is asked by https."""
    login: str = ""
    """``user:password`` of whoever asks."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    def ask(self, target: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """One request, its target sent byte for byte, on a connection of its own."""
        connection = self._connection()
        who = {"Authorization": f"Basic {base64.b64encode(self.login.encode()).decode()}"} if self.login else {}
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": HOST, **who, **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            body = response.read()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        finally:
            connection.close()

    def send(self, request: bytes) -> bytes:
        """The beginning of what it answers to bytes that no client library would send."""
        with socket.create_connection(("127.0.0.1", self.port), _PATIENCE) as plain:
            connection = (
                _trusting(self.authority).wrap_socket(plain, server_hostname="127.0.0.1") if self.authority else plain
            )
            connection.sendall(request)
            return connection.recv(4096)

    def _connection(self) -> http.client.HTTPConnection:
        if self.authority is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        context = _trusting(self.authority)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=_PATIENCE, context=context)


@functools.cache
def _trusting(authority: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


@dataclass(frozen=True, slots=True)
class Serving:
    """A running `mirrord serve`."""

    server: Server
    process: subprocess.Popen[str]
    log: Path
    """What it writes to standard error."""

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address("127.0.0.1", self.server.port)


@contextmanager
def embedded(directory: Path, *arguments: str) -> Iterator[Serving]:
    """Run `mirrord serve` on a free port, with ``directory`` to work in; stopped at the end unless it has ended."""
    command = [sys.executable, "-m", "mirrord", "serve", "--listen", "127.0.0.1:0", "--json", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "MIRRORD_CONFIG"}
    log = directory / "serve.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            url = _document(process.stdout, log)["url"]
            yield Serving(Server(int(url.rpartition(":")[2])), process, log)
        finally:
            process.terminate()


def _document(stream: IO[str], log: Path) -> Mapping[str, Any]:
    """The JSON document that a command which goes on prints first."""
    text = ""
    for line in stream:
        text += line
        if line == "}\n":
            document: Mapping[str, Any] = json.loads(text)
            return document
    raise AssertionError(f"mirrord serve ended at once: {log.read_text()}")

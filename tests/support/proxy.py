"""A small real HTTP proxy: CONNECT for tunnels, absolute URLs for plain HTTP, and a login where it wants one."""

import asyncio
import base64
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_LINE = re.compile(rb"([A-Z]+) (?:http://)?([^/ ]+?)(/[^ ]*)? HTTP/1\.1\r\n")


@dataclass(slots=True)
class SmallProxy:
    """What it was asked."""

    login: str = ""
    """``user:password`` that it wants."""
    port: int = 0
    lines: list[str] = field(default_factory=list)
    """The first line of each request."""
    heads: list[str] = field(default_factory=list)

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, login: str = "", tls: ssl.SSLContext | None = None) -> AsyncIterator["SmallProxy"]:
        """One on a free port of 127.0.0.1; with ``tls`` it is itself spoken to by TLS."""
        proxy = cls(login)
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
        proxy.port = server.sockets[0].getsockname()[1]
        async with server:
            yield proxy

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.lines.append(head.partition(b"\r\n")[0].decode())
            self.heads.append(head.decode())
            wanted = base64.b64encode(self.login.encode()).decode()
            if self.login and f"Proxy-Authorization: Basic {wanted}" not in head.decode():
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            else:
                await self._pass_on(head, reader, writer)
        writer.close()

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = _LINE.match(head)
        assert found
        host, _, port = found[2].decode().rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        if found[1] == b"CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            rest = re.sub(rb"Proxy-Authorization:[^\r]*\r\n", b"", head[found.end() :])
            back.write(b"%s %s HTTP/1.1\r\n%s" % (found[1], found[3], rest))
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, back))
            group.create_task(_pump(there, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(1 << 16):
            sink.write(piece)
            await sink.drain()
        sink.close()

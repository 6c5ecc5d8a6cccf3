"""The demo's upstream with a script: which of its requests are answered otherwise, and how."""

import asyncio
import re
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from mirrord.demo.upstream import Upstream

Play = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class _Scene:
    pattern: re.Pattern[str]
    plays: deque[Play]
    last: Play | None = None


class Scripted(Upstream):
    """A registry that misbehaves where it is told to."""

    def __init__(self, *given: object, **options: object) -> None:
        super().__init__(*given, **options)  # type: ignore[arg-type] # passed on as they are
        self._scenes: list[_Scene] = []

    @asynccontextmanager
    async def serving(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Serve from a socket that is open already, and outlives this: its address is known before."""
        application = web.Application()
        application[UPSTREAM] = self
        application.router.add_route("*", "/{path:.*}", self._receive)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.SockSite(runner, listener.dup(), ssl_context=tls).start()
            yield
        finally:
            await runner.cleanup()

    def when(self, pattern: str, *plays: Play, then: Play | None = None) -> None:
        """Answer requests whose ``METHOD /path?query`` matches by ``plays``, one each, and by ``then`` after."""
        self._scenes.insert(0, _Scene(re.compile(pattern), deque(plays), then))

    def stop_playing(self) -> None:
        """Forget the script: answer as a registry from now on."""
        self._scenes.clear()

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer by the script, else as a registry."""
        for scene in self._scenes:
            if scene.pattern.search(f"{request.method} {request.path_qs}"):
                play = scene.plays.popleft() if scene.plays else scene.last
                if play is not None:
                    return await play(request)
        return await super().respond(request)

    def asked(self, pattern: str) -> int:
        """How many requests had ``pattern``."""
        return sum(1 for asked in self.requests if re.search(pattern, str(asked)))


UPSTREAM = web.AppKey("upstream", Scripted)
"""Where a play finds who it answers for."""


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Play:
    """Answer with this."""

    async def play(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return play


def page(status: int = 200) -> Play:
    """Answer with a page for people, as proxies and portals do."""
    return answer(status, b"<html>Please log in</html>", {"Content-Type": "text/html; charset=utf-8"})


def redirect(to: str, status: int = 307) -> Play:
    """Send elsewhere."""
    return answer(status, b"<a>moved</a>", {"Location": to})


def chunked(body: bytes, headers: Mapping[str, str] | None = None, *, size: int = 10_000) -> Play:
    """Answer without saying how long it is, in chunks of ``size``."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(body), size):
            await response.write(body[start : start + size])
        await response.write_eof()
        return response

    return play


def cut(content: bytes, after: int) -> Play:
    """Serve a blob as asked (with Range), but end the connection after so many bytes."""

    async def play(request: web.Request) -> web.StreamResponse:
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        headers = {"Content-Length": str(len(content) - start)}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        response = web.StreamResponse(status=206 if asked else 200, headers=headers)
        await response.prepare(request)
        await response.write(content[start : start + after])
        assert request.transport
        request.transport.close()
        return response

    return play


@dataclass(slots=True)
class Stall:
    """Answers nothing until it is released, or its server ends."""

    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _request: web.Request) -> web.StreamResponse:
        """Wait, then say that there is nothing."""
        self.waiting.set()
        await self.released.wait()
        return web.Response(status=404)

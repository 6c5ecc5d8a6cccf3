"""More plays for a scripted registry: answers that break off, crawl, lead elsewhere or speak another HTTP."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

from aiohttp import web
from support.scripted import UPSTREAM, Play

from mirrord.demo.access import Tokens
from mirrord.demo.upstream import Upstream


def reset(content: bytes, after: int) -> Play:
    """Begin a body, then end its connection by a reset: what was under way is lost."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[:after])
        assert request.transport
        request.transport.abort()
        return response

    return play


def halt(content: bytes, after: int) -> Play:
    """Begin a body and say nothing more, with the connection open."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[:after])
        await asyncio.Event().wait()
        return response

    return play


def drip(content: bytes, *, seconds: float, headers: Mapping[str, str] | None = None) -> Play:
    """Send a body byte by byte, with so much time between two that no read timeout ends it."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={**(headers or {}), "Content-Length": str(len(content))})
        await response.prepare(request)
        for place in range(len(content)):
            await response.write(content[place : place + 1])
            await asyncio.sleep(seconds)
        return response

    return play


def raw(status: int, body: bytes, headers: Mapping[str, str], *, says_length: bool = True) -> Play:
    """Answer as a server of HTTP/1.0 does: no chunks, and the end of the connection ends the body."""

    async def play(request: web.Request) -> web.StreamResponse:
        given = {**headers, **({"Content-Length": str(len(body))} if says_length else {})}
        lines = [f"HTTP/1.0 {status} {HTTPStatus(status).phrase}", *(f"{key}: {text}" for key, text in given.items())]
        head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
        assert request.transport
        request.transport.write(head.encode() + (b"" if request.method == "HEAD" else body))
        request.transport.close()
        return web.Response()  # nobody gets it

    return play


async def as_a_registry(request: web.Request) -> web.StreamResponse:
    """Answer as if there were no script: what comes between two misdeeds."""
    return await Upstream.respond(request.app[UPSTREAM], request)


def to_another_origin(path: str, status: int = 307) -> Play:
    """Send to this same server under another name: another origin, which sees what a CDN would."""

    async def play(request: web.Request) -> web.StreamResponse:
        _, _, port = request.host.rpartition(":")
        return web.Response(status=status, headers={"Location": f"http://localhost:{port}{path}"})

    return play


def round_and_round(paths: Sequence[str]) -> Play:
    """Redirect from each of ``paths`` to the next, and from the last to the first."""

    async def play(request: web.Request) -> web.StreamResponse:
        place = paths.index(request.path) if request.path in paths else -1
        return web.Response(status=302, headers={"Location": paths[(place + 1) % len(paths)]})

    return play


def after_revoking(play: Play) -> Play:
    """Forget all tokens, then answer by ``play``: a token that expires while its answer comes."""

    async def revoking(request: web.Request) -> web.StreamResponse:
        access = request.app[UPSTREAM].access
        assert isinstance(access, Tokens)
        access.revoke()
        return await play(request)

    return revoking


def later(seconds: float, status: int = 429) -> Play:
    """Throttle until a date, that many seconds from now."""

    async def play(_request: web.Request) -> web.StreamResponse:
        then = datetime.now(UTC) + timedelta(seconds=seconds)
        return web.Response(status=status, headers={"Retry-After": format_datetime(then, usegmt=True)})

    return play


def part(content: bytes, content_range: str) -> Play:
    """Answer a Range with 206 and a Content-Range of one's own, with ``{start}`` in it as it was asked."""

    async def play(request: web.Request) -> web.StreamResponse:
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        headers = {"Content-Range": content_range.format(start=start, size=len(content))}
        return web.Response(status=206, body=content[start:], headers=headers)

    return play

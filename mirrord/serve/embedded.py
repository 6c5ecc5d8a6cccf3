"""The embedded server: the tree of one root as a read-only registry, in this process.

It answers what nginx answers (tests/contract holds the two together): it is what serves where no nginx is wanted, and
what pages lists for nginx. Speaks plain HTTP, and leaves encryption to what stands before it.
"""

import asyncio
import errno
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import web

from mirrord.errors import HostError
from mirrord.events import get_logger
from mirrord.serve.address import Address
from mirrord.serve.errors import Refusal
from mirrord.serve.files import Opened, Workers
from mirrord.serve.lookup import JSON, Answer, Conditions, Content, look
from mirrord.serve.ranges import RangeRequest
from mirrord.serve.routes import NO_TERMS, Terms, parse_target
from mirrord.store.tree import Tree

_VERSION: Final = {"Docker-Distribution-Api-Version": "registry/2.0"}
_REFUSED: Final = {"Content-Type": JSON, **_VERSION}
_KEEPALIVE: Final = 75.0
_LAST_WORDS: Final = 10.0
"""Seconds that transfers under way have when the server stops."""
_STALLED: Final = 300.0
"""Seconds in which a client has to take a piece of a blob (files.PIECE): 3 kB a second, or it is let go."""
_FILES: Final = 65_536
"""Descriptors that are enough."""
_QUIET: Final = 60.0
"""Seconds between two log lines about a tree that can't be read."""

_log = get_logger()


def make_app(tree: Tree, terms: Terms = NO_TERMS) -> web.Application:
    """The registry as an application; routes added to it come before the registry's.

    ``terms`` is what the config says of it (`Terms.of`); `change_terms` replaces it.
    """
    registry = _Registry(tree, terms)
    app = web.Application()
    app[_REGISTRY] = registry
    app.router.add_route("*", "/{path:.*}", registry.answer, expect_handler=_no_upload)
    app.on_response_prepare.append(_name_server)
    app.on_cleanup.append(registry.close)
    return app


def change_terms(app: web.Application, terms: Terms) -> None:
    """Read requests on other terms from now on: the config was read again."""
    app[_REGISTRY].terms = terms


@asynccontextmanager
async def serving(app: web.Application, listen: Address, *, last_words: float = _LAST_WORDS) -> AsyncIterator[Address]:
    """Serve ``app`` while the context lasts; gives the address, with the port that was free where 0 was asked for.

    Transfers under way then have ``last_words`` seconds. Raises HostError where it can't be listened at.
    """
    _allow_many_files()
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=_KEEPALIVE, shutdown_timeout=last_words)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, listen.host or None, listen.port).start()
        except OSError as error:
            raise HostError(_unlistenable(listen, error)) from error
        yield Address(listen.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def run(app: web.Application, listen: Address, announce: Callable[[Address], None]) -> None:
    """Serve until SIGINT or SIGTERM, then let transfers under way end; ``announce`` is told the address first."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with serving(app, listen) as address:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        announce(address)
        await stopped.wait()


class _Registry:
    """Answers requests from one tree."""

    def __init__(self, tree: Tree, terms: Terms) -> None:
        self._tree = tree
        self.terms = terms
        self._workers = Workers()
        self._complained = float("-inf")

    async def close(self, _app: web.Application) -> None:
        self._workers.close()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        found = await self._decide(request)
        if isinstance(found, Content):
            return await self._send(request, found)
        if isinstance(found, Refusal):
            return _refuse(found)
        return web.Response(status=found.status, headers={**found.headers, **_VERSION}, body=found.body or None)

    async def _decide(self, request: web.Request) -> Answer:
        if request.method not in {"GET", "HEAD"}:
            return Refusal.READ_ONLY
        headers = request.headers
        route = parse_target(request.raw_path, headers.get("Host", ""), self.terms)
        if route is not Refusal.TARGET_REFUSED and _guards_a_write(headers):
            return Refusal.CONDITION
        if isinstance(route, Refusal):
            return route
        wanted = RangeRequest(headers.get("Range", ""), headers.get("If-Range", ""))
        try:
            return await self._workers.call(
                look, self._tree, route, Conditions(headers.get("If-None-Match", ""), wanted)
            )
        except HostError as error:
            self._complain(error)
            return Refusal.FAILURE

    async def _send(self, request: web.Request, content: Content) -> web.StreamResponse:
        opened = content.opened
        headers = {**content.headers, **_VERSION}
        if opened.status == HTTPStatus.PARTIAL_CONTENT:
            headers["Content-Range"] = opened.part.content_range
        if opened.whole is not None:
            return web.Response(status=opened.status, headers=headers, body=opened.whole)
        response = web.StreamResponse(status=opened.status, headers=headers)
        response.content_length = opened.part.length
        try:
            await response.prepare(request)
            if request.method == "GET":
                await self._stream(request, opened)
        except TimeoutError:  # the client takes nothing, and holds a file open
            _abort(request)
        except OSError:  # it has gone, which is its right
            response.force_close()
        except HostError as error:  # too late for another answer: a body that ends early tells the client
            self._complain(error)
            _abort(request)
        finally:
            self._workers.release(opened.file)
        return response

    async def _stream(self, request: web.Request, opened: Opened) -> None:
        loop = asyncio.get_running_loop()
        position = opened.part.start
        while position < opened.part.stop:
            piece = await self._workers.fetch(opened, position)
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError
            try:
                async with asyncio.timeout(_STALLED):
                    sent = await loop.sendfile(request.transport, opened.file, position, piece, fallback=False)
            except asyncio.SendfileNotAvailableError as error:  # of this file the kernel has just sent the same bytes
                raise ConnectionResetError from error
            position += sent
            if sent < piece:
                raise opened.cut(position)

    def _complain(self, error: HostError) -> None:
        """One line a minute: a tree that can't be read fails every request."""
        now = asyncio.get_running_loop().time()
        if now - self._complained >= _QUIET:
            self._complained = now
            _log.error("serve.failed", owner=str(error.owner), error=str(error))


_REGISTRY: Final = web.AppKey("registry", _Registry)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _allow_many_files() -> None:
    """Take what the host allows: each transfer under way needs two descriptors, and the usual limit is 1,024."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _FILES if most == resource.RLIM_INFINITY else min(most, _FILES)
    if now != resource.RLIM_INFINITY and now < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))


def _guards_a_write(headers: Mapping[str, str]) -> bool:
    """Whether a request is to be done only where nothing has changed: nginx can't tell by digests, so nobody does."""
    return headers.get("If-Match", "") not in {"", "*"} or bool(headers.get("If-Unmodified-Since"))


def _refuse(refusal: Refusal) -> web.Response:
    headers: Mapping[str, str] = _REFUSED
    if refusal is Refusal.READ_ONLY:
        headers = {**headers, "Allow": "GET, HEAD"}
    return web.Response(status=refusal.status, headers=headers, body=refusal.document.encode())


async def _no_upload(_request: web.Request) -> None:
    """Never ask for a body (``100 Continue``): none is wanted."""


async def _name_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "mirrord"


def _unlistenable(listen: Address, error: OSError) -> str:
    change = "choose another with --listen, or `listen` in the config"
    if error.errno == errno.EADDRINUSE:
        return f"{listen} is in use by another program; {change}"
    if error.errno == errno.EACCES:
        return f"{listen}: this user may not listen there (ports below 1024 are reserved); {change}"
    reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    return f"{listen} can't be listened at: {reason}; {change}"

"""The control socket: HTTP with JSON lines, by which the daemon carries out what commands ask. It decides nothing.

Whoever may open the socket may do what the commands do; beyond that no client can harm the daemon or another client.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web
from msgspec import Struct, field

from mirrord import events
from mirrord.errors import ConfigError, MirrordError
from mirrord.service.door import PATIENCE, Doorman
from mirrord.service.operation import Meters, Operation, Reply, Workshop
from mirrord.service.operations.every import OPERATIONS
from mirrord.service.place import listening
from mirrord.service.wire import MAX_REQUEST, About, error_document, read_object, read_operation, reply_document
from mirrord.sync.outcome import ImageDocuments

_LAST_PATIENCE: Final = 600.0
"""Seconds that a client which waited for an operation has to take its answer: it may have been suspended."""
_LAST_WORDS: Final = 1.0
"""Seconds that answers have to leave when the daemon stops."""
_EVERY: Final = 0.25
"""Seconds between two lines of progress."""
_SLOW: Final = 16 << 10
"""Bytes that wait for a client above which it is told nothing more, until it takes them."""
_EVENTS, _AT_ONCE = 1000, 100
"""Events that are kept for a client, and that are told at once."""

Call = Callable[[Mapping[str, Any]], Awaitable[Reply]]


class Controlled(Protocol):
    """A daemon, as its control socket sees it."""

    def about(self) -> About:
        """Who it is."""

    def progress(self) -> Mapping[str, object]:
        """What it does now."""

    def workshop(self, operation: Operation) -> AbstractAsyncContextManager[Workshop]:
        """What ``operation`` may work with until the end of the block: it waits for what must not go on beside it.

        Raises MirrordError where it can't be carried out at all. Whatever is to end an operation from outside cancels
        the task that is in the block.
        """

    async def reload(self) -> Reply:
        """Read the config again, and go by it. Raises ConfigError for a bad one: the old one stays in force."""

    async def trigger(self, what: str | None, *, wait: bool) -> Reply:
        """Have a group (or the group of an image; None: all) run now and, to ``wait``, end. Raises ConfigError.

        Who waits may be cancelled: then the run goes on.
        """

    async def pause(self) -> Reply:
        """Begin no scheduled run until `resume`."""

    async def resume(self) -> Reply:
        """Begin scheduled runs again."""

    async def cancel(self, group: str | None) -> Reply:
        """Give up the run of a group, or all that is under way. Raises ConfigError."""


@asynccontextmanager
async def controlling(controlled: Controlled, path: Path, root: Path) -> AsyncIterator[None]:
    """Answer at the control socket ``path`` until the end of the block, and leave a link to it in ``root``.

    At the end long operations are given up, short ones ended. Raises HostError where nobody can listen there.
    """
    control = _Control(controlled)
    runner = web.AppRunner(
        control.app(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=_LAST_WORDS,
        lingering_time=_LAST_WORDS,
    )
    async with contextlib.AsyncExitStack() as held:
        made = contextlib.ExitStack()
        held.push_async_callback(asyncio.to_thread, made.close)
        listener = await asyncio.to_thread(made.enter_context, listening(path, root))
        await runner.setup()
        held.push_async_callback(runner.cleanup)
        held.push_async_callback(control.stop)
        doorman = Doorman(runner.server, control.silent)
        server = await asyncio.get_running_loop().create_server(doorman, sock=listener)
        held.callback(server.close)
        yield


class _Conversation(Struct):
    """What a client is still to be told of its operation."""

    meters: Meters | None = None
    told: Mapping[str, object] = field(default_factory=dict)
    heard: deque[Mapping[str, object]] = field(default_factory=deque)
    lost: int = 0
    """Events that were too many to keep."""

    def hear(self, event: Mapping[str, object]) -> None:
        """Keep an event."""
        if len(self.heard) < _EVENTS:
            self.heard.append(event)
        else:
            self.lost += 1

    def lines(self, most: int) -> list[Mapping[str, object]]:
        """What is new: at most so many events, and the progress where that changed."""
        found: list[Mapping[str, object]] = []
        while self.heard and len(found) < most:
            found.append({"event": self.heard.popleft()})
        if self.meters is not None and (now := self.meters.document()) != self.told:
            self.told = now
            found.append({"progress": now})
        return found

    def last(self) -> list[Mapping[str, object]]:
        """All that is left to tell."""
        lost = {"event": {"event": "control.events_lost", "level": "warning", "count": self.lost}}
        return [*self.lines(_EVENTS), *([lost] if self.lost else [])]


class _Control:
    """Answers requests for one daemon."""

    def __init__(self, controlled: Controlled) -> None:
        self._controlled = controlled
        self._works: dict[asyncio.Task[Mapping[str, object]], Operation] = {}
        self.silent: set[asyncio.BaseProtocol] = set()

    def app(self) -> web.Application:
        """What is answered."""
        app = web.Application(client_max_size=MAX_REQUEST, middlewares=[self._listen])
        app.router.add_get("/v1/about", self._about)
        app.router.add_get("/v1/progress", self._progress)
        app.router.add_post("/v1/operations", self._operate)
        calls: Mapping[str, Call] = {
            "reload": lambda _: self._controlled.reload(),
            "trigger": lambda asked: self._controlled.trigger(_text(asked, "what"), wait=_flag(asked, "wait")),
            "pause": lambda _: self._controlled.pause(),
            "resume": lambda _: self._controlled.resume(),
            "cancel": lambda asked: self._controlled.cancel(_text(asked, "group")),
        }
        for name, call in calls.items():
            app.router.add_post(f"/v1/{name}", _answering(call))
        return app

    async def stop(self) -> None:
        """Give up the operations that would take long, and wait until none is left."""
        for work, operation in self._works.items():
            if operation.ends_with_its_client:
                work.cancel()
        if self._works:
            await asyncio.wait(list(self._works))

    @web.middleware
    async def _listen(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """One request a connection; what it can't mean is 400."""
        self.silent.discard(request.protocol)
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            refusal.force_close()
            raise
        except ValueError as error:
            response = _error(ConfigError(f"the request can't be understood: {error}"), HTTPStatus.BAD_REQUEST)
        response.force_close()
        return response

    async def _about(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._controlled.about().document())

    async def _progress(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self._controlled.progress())

    async def _operate(self, request: web.Request) -> web.StreamResponse:
        operation = read_operation(await _asked(request), OPERATIONS)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        response.force_close()
        await response.prepare(request)
        conversation = _Conversation()
        work = asyncio.create_task(self._carry_out(operation, conversation))
        self._works[work] = operation
        try:
            while not work.done():
                await asyncio.wait([work], timeout=_EVERY)
                if not work.done() and _takes(request):
                    await _write(response, conversation.lines(_AT_ONCE))
            async with asyncio.timeout(_LAST_PATIENCE):
                await _write(response, [*conversation.last(), _outcome(work)])
                await response.write_eof()
        except (ConnectionError, TimeoutError):  # the client has gone, which is its right
            pass
        finally:
            await _leave(work, operation)
            del self._works[work]
        return response

    async def _carry_out(self, operation: Operation, conversation: _Conversation) -> Mapping[str, object]:
        """Carry out an operation, and give the last line of its answer."""
        try:
            with events.overheard(conversation.hear):
                async with self._controlled.workshop(operation) as workshop:
                    conversation.meters = workshop.meters
                    return {"reply": reply_document(await operation.perform(workshop))}
        except MirrordError as error:
            return {"error": error_document(error)}


def _outcome(work: asyncio.Task[Mapping[str, object]]) -> Mapping[str, object]:
    if work.cancelled():
        return {"interrupted": "the daemon gave it up: it was cancelled, or the daemon stops"}
    return work.result()


async def _leave(work: asyncio.Task[Mapping[str, object]], operation: Operation) -> None:
    """Let an operation end whose client may have gone; it is over on return, whoever cancels the wait."""
    if operation.ends_with_its_client:
        work.cancel()
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([work])


def _answering(call: Call) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response({"reply": reply_document(await call(await _asked(request)))}, dumps=_dumped)
        except MirrordError as error:
            return _error(error, HTTPStatus.OK)

    return answer


async def _asked(request: web.Request) -> Mapping[str, Any]:
    """The object that a request holds. Raises ValueError, and HTTPException where it is too large or too slow."""
    try:
        async with asyncio.timeout(PATIENCE):
            return read_object(await request.read())
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _text(asked: Mapping[str, Any], key: str) -> str | None:
    value = asked.get(key)
    if isinstance(value, str | None):
        return value
    raise ValueError(f"{key}: a text was expected")


def _flag(asked: Mapping[str, Any], key: str) -> bool:
    value = asked.get(key, False)
    if isinstance(value, bool):
        return value
    raise ValueError(f"{key}: true or false was expected")


def _takes(request: web.Request) -> bool:
    """Whether a client takes what it is told: else writing to it would wait."""
    transport = request.transport
    return isinstance(transport, asyncio.WriteTransport) and transport.get_write_buffer_size() < _SLOW


async def _write(response: web.StreamResponse, lines: list[Mapping[str, object]]) -> None:
    if lines:
        await response.write("".join(f"{_dumped(line)}\n" for line in lines).encode())


def _error(error: MirrordError, status: HTTPStatus) -> web.Response:
    return web.json_response({"error": error_document(error)}, status=status)


def _dumped(document: object) -> str:
    return json.dumps(document, default=lambda value: list(value) if isinstance(value, ImageDocuments) else str(value))

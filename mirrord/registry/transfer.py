"""Streaming one blob into a sink until it has it all: where to begin, what may follow, and when to give up.

The network is read while the sink writes: one batch of chunks is under way to the disk and one is filling, unjoined.
"""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import Protocol

from mirrord.errors import DigestMismatchError, UpstreamError
from mirrord.events import get_logger
from mirrord.oci.manifest import Descriptor
from mirrord.registry.ask import Ask
from mirrord.registry.failures import TransientError
from mirrord.registry.headers import parse_content_range
from mirrord.registry.http import ClientError, ClientResponse
from mirrord.registry.tap import DRAUGHT, SIP, Tap
from mirrord.registry.transport import Answer, Transport
from mirrord.registry.wire import Wire, read_in_large_pieces

BATCH = 1 << 20
"""Bytes that make a batch worth a worker's call."""
MAX_CHUNKS = 1024
"""Chunks of one batch: what one writev takes."""
MIN_PROGRESS = 1 << 20
PROGRESS_SHARE = 64
"""A transfer that got on by 1 MiB, and by this part of the blob, has earned fresh attempts."""
_PARTIAL, _UNSATISFIABLE = 206, 416

_log = get_logger()


class BlobSink(Protocol):
    """What a blob streams into; it verifies what it got."""

    @property
    def offset(self) -> int:
        """Bytes held so far: where to resume."""

    async def write(self, chunks: Sequence[bytes]) -> None:
        """Take the next bytes, in pieces."""

    async def draw(self, source: Tap, /) -> int:
        """Take what ``source`` has, by one call of a worker thread, and how much that was."""

    async def restart(self) -> None:
        """Forget all."""


async def stream_blob(transport: Transport, ask: Ask, blob: Descriptor, sink: BlobSink) -> None:
    """Fill ``sink`` with ``blob`` from where it stands to its end, resuming as often as it gets on.

    Raises DigestMismatchError for a blob that is not as long as it was said, and the errors of the last attempt.
    """
    attempts = await transport.attempts(ask.repository.host)
    step = max(MIN_PROGRESS, blob.size // PROGRESS_SHARE)
    renewed_at = sink.offset
    while sink.offset < blob.size:
        start = sink.offset
        try:
            async with transport.open(ask.starting_at(start)) as answer:
                await _begin(answer.response, ask, blob, sink)
                await _pour(answer, ask, blob, sink, transport.wire)
                _check_end(ask, blob, sink)
        except TransientError as failure:
            if sink.offset >= renewed_at + step:
                renewed_at = sink.offset
                attempts.renew()
            await attempts.again(failure.noting(f" ({sink.offset} of {blob.size} bytes held)"))
            if sink.offset > 0:
                _log.info(
                    "blob.resumed",
                    repository=str(ask.repository),
                    digest=str(blob.digest),
                    offset=sink.offset,
                    size=blob.size,
                    reason=str(failure),
                )


async def _begin(response: ClientResponse, ask: Ask, blob: Descriptor, sink: BlobSink) -> None:
    """Decide whether what follows continues the sink, begins anew, or is no use."""
    start, host = sink.offset, ask.repository.host
    if response.status == _PARTIAL:
        header = response.headers.get("Content-Range", "no Content-Range")
        given = parse_content_range(header)
        if given and given.total not in {None, blob.size}:
            raise _wrong_size(ask, blob, f"has {given.total}")
        if given is None or given.first != start:
            await sink.restart()
            text = f"{ask}: asked for what follows byte {start}, {host} sent another part ({header[:60]!r})"
            raise TransientError(UpstreamError(f"{text}; its operator corrects that"))
        return
    if start:
        await sink.restart()
    if response.status == _UNSATISFIABLE:
        text = f"{ask}: {host} has nothing after byte {start} of {blob.size}; expected the rest"
        raise TransientError(UpstreamError(text))
    length = response.content_length
    if length is not None and length != blob.size:
        raise _wrong_size(ask, blob, f"has {length}")


async def _pour(answer: Answer, ask: Ask, blob: Descriptor, sink: BlobSink, wire: Wire) -> None:
    """Stream a body into the sink; what came before a failure is written before it is raised."""
    room = blob.size - sink.offset
    tap = Tap.open(answer.response, room, wire.read_timeout, is_direct=wire.is_direct(answer.hop))
    if tap is not None:
        await _draw(tap, answer, sink, wire)
        return
    read_in_large_pieces(answer.response)
    failure: Exception | None = None
    speed = wire.speed(answer.hop.way)
    try:
        async with asyncio.TaskGroup() as group:
            batches = _Batches(group, sink)
            try:
                async for chunk, _ in answer.response.content.iter_chunks():
                    wire.counters.bytes_received += len(chunk)
                    room -= len(chunk)
                    if room < 0:
                        failure = _wrong_size(ask, blob, "sends more")
                        break
                    await batches.add(chunk)
                    if not await speed.took(len(chunk)):
                        failure = wire.too_slow(answer.hop)
                        break
                    speed.again()
            except (ClientError, TimeoutError) as error:
                failure = error
            await batches.flush()
    except ExceptionGroup as failures:  # the sink's: only its writes run in the group
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
    if failure is not None:
        raise failure


async def _draw(tap: Tap, answer: Answer, sink: BlobSink, wire: Wire) -> None:
    """Let worker threads take a body from its socket."""
    speed = wire.speed(answer.hop.way)
    with closing(answer.response), closing(tap):  # the tap first: its worker may still use the connection's TLS
        taken = len(tap.head)
        if tap.head:
            await sink.write([tap.head])
        while True:
            wire.counters.bytes_received += taken
            if not await speed.took(taken, tap.waited):
                raise wire.too_slow(answer.hop)
            tap.waited = 0.0
            if not tap.left:
                return
            await tap.wait(SIP if speed.is_paced else DRAUGHT)
            async with wire.drawing:
                taken = await sink.draw(tap)


class _Batches:
    """Hands chunks to a sink: one batch is being written while the next one fills."""

    def __init__(self, group: asyncio.TaskGroup, sink: BlobSink) -> None:
        self._group = group
        self._sink = sink
        self._chunks: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Task[None] | None = None

    async def add(self, chunk: bytes) -> None:
        """Take a chunk."""
        if chunk:
            self._chunks.append(chunk)
            self._size += len(chunk)
        if self._size >= BATCH or len(self._chunks) >= MAX_CHUNKS:
            await self.flush()

    async def flush(self) -> None:
        """Begin to write what was taken, once the batch before is written. A failed write cancels the caller."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        if self._chunks:
            self._writing = self._group.create_task(self._write(self._chunks))
            self._chunks, self._size = [], 0

    async def _write(self, chunks: Sequence[bytes]) -> None:
        await self._sink.write(chunks)


def _check_end(ask: Ask, blob: Descriptor, sink: BlobSink) -> None:
    if sink.offset < blob.size:
        raise TransientError(UpstreamError(f"{ask}: {ask.repository.host} ended it early"))


def _wrong_size(ask: Ask, blob: Descriptor, found: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"{ask}: its manifest says {blob.size} bytes, and {ask.repository.host} {found}; "
        "the registry's content is damaged: push the image again"
    )

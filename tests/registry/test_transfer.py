"""Blobs: streamed in batches, resumed where they broke, never longer than they were said to be."""

import asyncio
import hashlib

import pytest
import structlog
from aiohttp import web
from support.registries import Connect
from support.scripted import Play, Scripted, answer, chunked, cut
from support.sink import MemorySink

from mirrord.config.model import Limits
from mirrord.demo import images
from mirrord.demo.access import Tokens
from mirrord.errors import DigestMismatchError, HostError, NetworkError, NotFoundError, UpstreamError
from mirrord.oci.reference import Repository
from mirrord.registry.tap import Tap
from mirrord.registry.transfer import BATCH
from mirrord.registry.wire import READ_SIZE

pytestmark = pytest.mark.usefixtures("way_of_reading")

MIB = 1 << 20
CONTENT = hashlib.shake_256(b"a blob").digest(5 * MIB + 7)
BLOB = images.descriptor(CONTENT)


@pytest.mark.parametrize("way_of_reading", ["by aiohttp"], indirect=True)
async def test_a_blob_is_streamed_in_batches(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Its bytes come in order, in writes of at least 1 MiB but the last, never two at a time."""
    upstream.add_blob(app.path, CONTENT)
    sink = MemorySink()
    registries = connect(upstream)
    await registries.fetch_blob(app, BLOB, sink)
    assert sink.content == CONTENT
    assert all(BATCH <= size < 4 * BATCH for size in sink.batches[:-1])
    assert len(upstream.requests) == 1
    assert "Range" not in upstream.requests[0].headers
    assert registries.counters.bytes_received == len(CONTENT)


@pytest.mark.parametrize("way_of_reading", ["by aiohttp"], indirect=True)
@pytest.mark.parametrize("size", [1, 1000, BATCH])
async def test_a_small_blob_is_one_write(upstream: Scripted, connect: Connect, app: Repository, size: int) -> None:
    """One worker's call is enough for what fits into a batch."""
    blob = images.descriptor(CONTENT[:size])
    upstream.add_blob(app.path, CONTENT[:size])
    sink = MemorySink()
    await connect(upstream).fetch_blob(app, blob, sink)
    assert sink.batches == [size]


@pytest.mark.parametrize("way_of_reading", ["from the socket", "from the socket, over TLS"], indirect=True)
async def test_a_long_body_is_taken_from_its_socket(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A worker thread takes it in calls of many MiB while it comes fast; what came with the head is not lost."""
    upstream.add_blob(app.path, CONTENT)
    sink = MemorySink()
    registries = connect(upstream)
    await registries.fetch_blob(app, BLOB, sink)
    assert sink.content == CONTENT
    assert max(sink.batches) > READ_SIZE
    assert registries.counters.bytes_received == len(CONTENT)


async def test_what_is_held_already_is_not_asked_for(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A sink that is full, as for a blob of no bytes, costs no request."""
    await connect(upstream).fetch_blob(app, BLOB, MemorySink(CONTENT))
    await connect(upstream).fetch_blob(app, images.descriptor(b""), MemorySink())
    assert upstream.requests == ()


async def test_the_rest_is_asked_for(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A partial download goes on where it stands."""
    upstream.add_blob(app.path, CONTENT)
    sink = MemorySink(CONTENT[:MIB])
    await connect(upstream).fetch_blob(app, BLOB, sink)
    assert sink.content == CONTENT
    assert upstream.requests[0].headers["Range"] == f"bytes={MIB}-"
    assert sink.restarts == 0


async def test_a_cut_connection_is_resumed(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """What came before the cut is kept: the second request asks for the rest, and the log says so."""
    upstream.add_blob(app.path, CONTENT)
    upstream.when("GET .*blobs", cut(CONTENT, 2 * MIB))
    sink = MemorySink()
    registries = connect(upstream)
    with structlog.testing.capture_logs() as logs:
        await registries.fetch_blob(app, BLOB, sink)
    assert sink.content == CONTENT
    assert registries.counters.bytes_received < len(CONTENT) + 3 * MIB
    assert registries.counters.retries == 1
    assert [line["event"] for line in logs] == ["blob.resumed"]


async def test_many_cuts_are_survived_while_it_gets_on(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """More cuts than attempts: progress earns fresh ones."""
    upstream.add_blob(app.path, CONTENT)
    upstream.when("GET .*blobs", *[cut(CONTENT, MIB + 10)] * 4)
    sink = MemorySink()
    await connect(upstream, Limits(attempts=2)).fetch_blob(app, BLOB, sink)
    assert sink.content == CONTENT


async def test_cuts_without_progress_end(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Bounded: a transfer that never gets on ends with what it held and whose move it is."""
    upstream.when("GET .*blobs", then=cut(CONTENT, 10))
    with pytest.raises(
        NetworkError, match=rf"registry.test/team/app: blob {BLOB.digest}: .*30 of {len(CONTENT)} bytes"
    ):
        await connect(upstream, Limits(attempts=3)).fetch_blob(app, BLOB, MemorySink())
    assert len(upstream.requests) == 3


async def test_a_body_that_ends_early_without_a_cut_is_short(
    upstream: Scripted, connect: Connect, app: Repository
) -> None:
    """A chunked body that ends well but too early is resumed, and an error when that never helps."""
    upstream.when("GET .*blobs", chunked(CONTENT[:MIB]))
    upstream.add_blob(app.path, CONTENT)
    sink = MemorySink()
    await connect(upstream).fetch_blob(app, BLOB, sink)
    assert (sink.content, sink.restarts) == (CONTENT, 0)
    upstream.when("GET .*blobs", then=chunked(CONTENT[:MIB]))
    with pytest.raises(UpstreamError, match=f"ended it early .{MIB} of {len(CONTENT)} bytes held"):
        await connect(upstream).fetch_blob(app, BLOB, MemorySink())


async def test_200_to_a_range_begins_anew(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """CDNs do ignore Range: the whole blob that comes then replaces what was held, in the same request."""
    upstream.when("GET .*blobs", answer(200, CONTENT))
    sink = MemorySink(b"x" * MIB)
    await connect(upstream).fetch_blob(app, BLOB, sink)
    assert (sink.content, sink.restarts, len(upstream.requests)) == (CONTENT, 1, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Range": f"bytes {MIB + 1}-{len(CONTENT) - 1}/{len(CONTENT)}"},
        {"Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"},
        {"Content-Range": "bytes rubbish"},
        {},
    ],
)
async def test_206_of_another_part_begins_anew(
    upstream: Scripted, connect: Connect, app: Repository, headers: dict[str, str]
) -> None:
    """True: bytes are appended only where Content-Range starts exactly where asked."""
    upstream.add_blob(app.path, CONTENT)
    upstream.when("GET .*blobs", answer(206, CONTENT[MIB:], headers))
    sink = MemorySink(CONTENT[:MIB])
    await connect(upstream).fetch_blob(app, BLOB, sink)
    assert (sink.content, sink.restarts, len(upstream.requests)) == (CONTENT, 1, 2)


async def test_416_begins_anew(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """An upstream that has nothing after what is held is asked for everything."""
    upstream.add_blob(app.path, CONTENT)
    upstream.when("GET .*blobs", answer(416, b"", {"Content-Range": "bytes */3"}))
    sink = MemorySink(CONTENT[:MIB])
    await connect(upstream).fetch_blob(app, BLOB, sink)
    assert (sink.content, sink.restarts, len(upstream.requests)) == (CONTENT, 1, 2)


async def test_restarts_are_bounded(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Bounded: an upstream that cuts every transfer and ignores Range is given up."""
    upstream.when("GET .*blobs", then=cut_whole(CONTENT, 2 * MIB))
    with pytest.raises(NetworkError):
        await connect(upstream, Limits(attempts=3)).fetch_blob(app, BLOB, MemorySink())
    assert len(upstream.requests) <= 6


def cut_whole(content: bytes, after: int) -> Play:
    """Serve from the first byte whatever Range says, and cut."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[:after])
        assert request.transport
        request.transport.close()
        return response

    return play


@pytest.mark.parametrize(
    "play",
    [
        answer(200, CONTENT + b"x"),
        answer(200, CONTENT[:-1]),
        chunked(CONTENT + b"x" * 100_000),
    ],
)
async def test_a_blob_of_another_size_is_an_error(
    upstream: Scripted, connect: Connect, app: Repository, play: Play
) -> None:
    """Bounded and true: a wrong size is told with the right one, and no byte too many reaches the sink."""
    upstream.when("GET .*blobs", then=play)
    sink = MemorySink()
    with pytest.raises(DigestMismatchError, match=rf"blob {BLOB.digest}: its manifest says {len(CONTENT)} bytes"):
        await connect(upstream).fetch_blob(app, BLOB, sink)
    assert sink.offset <= len(CONTENT)
    assert len(upstream.requests) == 1


async def test_a_206_with_another_total_is_an_error(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """The total that a resumed transfer tells must be the blob's size."""
    upstream.when("blobs", then=answer(206, b"x", {"Content-Range": f"bytes {MIB}-{MIB}/{MIB + 1}"}))
    with pytest.raises(DigestMismatchError, match=f"has {MIB + 1}"):
        await connect(upstream).fetch_blob(app, BLOB, MemorySink(CONTENT[:MIB]))


async def test_a_body_without_a_length_is_streamed(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Chunked transfer is as good as a length, and its small chunks make no small writes."""
    upstream.when("blobs", then=chunked(CONTENT))
    sink = MemorySink()
    await connect(upstream).fetch_blob(app, BLOB, sink)
    assert sink.content == CONTENT
    assert len(sink.batches) <= 6


async def test_many_tiny_chunks_are_no_long_list(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Bounded: a batch is handed on before its chunks are too many for one call, however small they are."""
    upstream.when("blobs", then=chunked(CONTENT[:300_000], size=100))
    sink = MemorySink()
    await connect(upstream).fetch_blob(app, images.descriptor(CONTENT[:300_000]), sink)
    assert sink.content == CONTENT[:300_000]
    assert max(sink.chunks) <= 1024


async def test_a_cancelled_transfer_leaves_nothing_behind(
    upstream: Scripted, connect: Connect, app: Repository
) -> None:
    """Cancellation ends the reading and the write under way, frees the host's place, and leaves no task."""
    upstream.add_blob(app.path, CONTENT)
    registries = connect(upstream, concurrency=1)
    before = asyncio.all_tasks()
    stuck = MemorySink()
    stuck.waits = asyncio.Event()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await registries.fetch_blob(app, BLOB, stuck)
    assert {task for task in asyncio.all_tasks() - before if "RequestHandler" not in str(task.get_coro())} == set()
    sink = MemorySink()
    await registries.fetch_blob(app, BLOB, sink)
    assert sink.content == CONTENT


async def test_a_full_disk_ends_the_transfer(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """The sink's error comes out as it is, with its cause, and is not tried again."""
    upstream.add_blob(app.path, CONTENT)
    sink = MemorySink()
    sink.fails = HostError("no space left")
    cause = OSError(28, "No space left on device")
    sink.fails.__cause__ = cause
    with pytest.raises(HostError, match="no space left") as raised:
        await connect(upstream).fetch_blob(app, BLOB, sink)
    assert raised.value.__cause__ is cause
    assert len(upstream.requests) == 1


async def test_a_missing_blob_is_named(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """404 is not tried again."""
    upstream.push(app.path, images.image("other"), "1.0")
    with pytest.raises(NotFoundError, match=f"no blob {BLOB.digest}"):
        await connect(upstream).fetch_blob(app, BLOB, MemorySink())
    assert len(upstream.requests) == 1


async def test_a_token_that_expires_in_the_middle_is_replaced(connect: Connect, app: Repository) -> None:
    """A long blob outlives its token: the resumed request gets another and goes on where it stood."""
    access = Tokens()
    async with Scripted.running(access) as upstream:
        upstream.add_blob(app.path, CONTENT)
        registries, sink = connect(upstream), MemorySink()
        with pytest.raises(NotFoundError):
            await registries.head_manifest(app, "1.0")  # which makes a token known

        async def expire(request: web.Request) -> web.StreamResponse:
            access.revoke()
            return await cut(CONTENT, 2 * MIB)(request)

        upstream.when("GET .*blobs", expire)
        await registries.fetch_blob(app, BLOB, sink)
    assert (sink.content, sink.restarts, access.issued) == (CONTENT, 0, 2)
    assert [asked.method for asked in upstream.requests if "blobs" in asked.path] == ["GET"] * 3


@pytest.mark.parametrize("way_of_reading", ["from the socket", "from the socket, over TLS"], indirect=True)
async def test_a_worker_left_behind_reads_nothing_more(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A transfer that is cancelled while a worker reads lets go of the socket only between two of its reads."""
    upstream.add_blob(app.path, CONTENT)
    sink = Held()
    fetching = asyncio.create_task(connect(upstream).fetch_blob(app, BLOB, sink))
    source = await sink.source
    fetching.cancel()
    await asyncio.wait([fetching])
    assert source.fill(memoryview(bytearray(10))) == 0


class Held(MemorySink):
    """Never comes back from its source."""

    def __init__(self) -> None:
        super().__init__()
        self.source = asyncio.get_running_loop().create_future()

    async def draw(self, source: Tap) -> int:
        """Show it."""
        self.source.set_result(source)
        await asyncio.Event().wait()
        return 0

"""How fast bytes come and how slow they may not: shared fairly, by the loop's clock."""

import asyncio

import pytest
from aiohttp import web
from support.clock import now, run_virtually
from support.registries import APP, registries_of
from support.scripted import Play, Scripted
from support.sink import MemorySink

from mirrord.config.model import Limits
from mirrord.demo import images
from mirrord.errors import NetworkError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor
from mirrord.registry.pace import FLOOR_WINDOW, Pace, Speed

CONTENT = images.layer("x", 3 << 20).content
BLOB = Descriptor("application/octet-stream", Digest.of(CONTENT), len(CONTENT))


def test_a_pace_is_shared_in_equal_parts() -> None:
    """Three transfers at 1000 B/s: together no faster, and none ahead of the others by more than a piece."""

    async def work() -> tuple[list[int], float]:
        pace, got = Pace(1000), [0, 0, 0]
        begun = now()

        async def transfer(number: int) -> None:
            speed = Speed((pace,), 0)
            for _ in range(10):
                got[number] += 100
                assert max(got) - min(got) <= 100
                assert await speed.took(100)
                speed.again()

        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(transfer(number))
        return got, now() - begun

    got, seconds = run_virtually(work())
    assert got == [1000, 1000, 1000]
    assert seconds >= 2.9


@pytest.mark.parametrize("keys", [{"limits": Limits(bandwidth=100_000)}, {"bandwidth": 100_000}])
def test_downloads_keep_the_bandwidth(keys: dict[str, object]) -> None:
    """``limits.bandwidth`` and a registry's own: two blobs of 3 MiB at 100 kB/s take a minute by the clock."""

    async def work() -> float:
        async with Scripted.running() as upstream:
            upstream.add_blob(APP.path, CONTENT)
            begun = now()
            async with registries_of(upstream, **keys) as registries:  # type: ignore[arg-type] # limits among keys
                sinks = [MemorySink(), MemorySink()]
                async with asyncio.TaskGroup() as group:
                    for sink in sinks:
                        group.create_task(registries.fetch_blob(APP, BLOB, sink))
            assert [sink.content == CONTENT for sink in sinks] == [True, True]
            return now() - begun

    assert run_virtually(work()) >= 2 * len(CONTENT) / 100_000 - 1


def drip(content: bytes, every: float) -> Play:
    """Send a byte now and then."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        for position in range(len(content)):
            await response.write(content[position : position + 1])
            await asyncio.sleep(every)
        return response

    return play


def test_a_slow_drip_is_ended_and_tried_again() -> None:
    """A byte every ten seconds keeps no transfer: after a minute it begins anew, and the rest comes as usual."""

    async def work() -> float:
        async with Scripted.running() as upstream:
            upstream.add_blob(APP.path, CONTENT)
            upstream.when("GET .*/blobs/", drip(CONTENT, 10.0))
            begun, sink = now(), MemorySink()
            async with registries_of(upstream) as registries:
                await registries.fetch_blob(APP, BLOB, sink)
            assert sink.content == CONTENT
            return now() - begun

    assert FLOOR_WINDOW <= run_virtually(work()) <= 3 * FLOOR_WINDOW


def test_a_slow_drip_that_stays_one_is_told() -> None:
    """The error says how slow it was, and which key says so; a manifest is held to it, too."""

    async def work() -> None:
        async with Scripted.running() as upstream:
            upstream.when("GET", then=drip(CONTENT, 10.0))
            async with registries_of(upstream, Limits(attempts=2)) as registries:
                with pytest.raises(NetworkError, match=r"slower than 1024 B/s for 60 s \(limits\.min_rate\)"):
                    await registries.fetch_blob(APP, BLOB, MemorySink())
                with pytest.raises(NetworkError, match=r"sends its answer slower than 1024 B/s"):
                    await registries.get_manifest(APP, "1")
            assert upstream.asked("GET") == 4

    run_virtually(work())


def test_an_answer_whose_head_never_ends_is_ended() -> None:
    """Header lines that drip are no answer either."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"X-A: b\r\n")
            await asyncio.sleep(20.0)
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        upstream = Scripted()
        upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, registries_of(upstream, Limits(attempts=1)) as registries:
            with pytest.raises(NetworkError, match=r"sends the head of its answer slower than"):
                await registries.get_manifest(APP, "1")

    run_virtually(work())

"""Asking again: when it may help, never without end, and no sooner than the host wants."""

import asyncio

import pytest
import structlog
from aiohttp import web
from support.clock import now, run_virtually
from support.registries import APP, Connect, registries_of
from support.scripted import Scripted, Stall, answer, cut

from mirrord.config.model import Limits
from mirrord.demo import images
from mirrord.errors import DeferredError, NetworkError, UpstreamError
from mirrord.oci.reference import Repository
from mirrord.registry.backoff import Backoff

BUILT = images.image("one")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_burst_of_failures_is_survived(
    upstream: Scripted, connect: Connect, app: Repository, status: int
) -> None:
    """What may be better next time is asked again."""
    upstream.push(app.path, BUILT, "1.0")
    upstream.when("manifests", *[answer(status)] * 4)
    registries = connect(upstream)
    assert await registries.get_manifest(app, "1.0") == BUILT.manifest
    assert registries.counters.retries == 4


async def test_attempts_end(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Bounded: after limits.attempts the last answer is the error, with the upstream's words."""
    body = b'{"errors": [{"code": "UNKNOWN", "message": "disk\\u0000 full"}]}'
    upstream.when("manifests", then=answer(503, body))
    with pytest.raises(UpstreamError, match=r"503 Service Unavailable \(UNKNOWN: disk  full\)"):
        await connect(upstream, Limits(attempts=3)).get_manifest(app, "1.0")
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("status", [400, 405, 410, 418, 206, 204, 304, 999])
async def test_what_can_not_get_better_is_not_asked_again(
    upstream: Scripted, connect: Connect, app: Repository, status: int
) -> None:
    """An answer that would be the same next time is an error at once."""
    upstream.when("manifests", then=answer(status))
    with pytest.raises(UpstreamError, match=f"answered {status}.*expected 200"):
        await connect(upstream).get_manifest(app, "1.0")
    assert len(upstream.requests) == 1


async def test_a_document_cut_short_is_asked_for_again(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A connection that ends in the middle of a manifest is a failed attempt."""
    upstream.push(app.path, BUILT, "1.0")
    upstream.when("manifests", cut(BUILT.manifest.raw, 20), cut(BUILT.manifest.raw, 0))
    assert await connect(upstream).get_manifest(app, "1.0") == BUILT.manifest


async def test_retry_after_holds_for_the_whole_host(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A wait that one answer asks for is everybody's: no other request goes out meanwhile; one line tells of it."""
    upstream.push(app.path, BUILT, "1.0", "2.0")
    throttled = asyncio.Event()

    async def throttle(_request: web.Request) -> web.StreamResponse:
        throttled.set()
        return web.Response(status=429, headers={"Retry-After": "300"})

    upstream.when("manifests/1.0", throttle)
    registries = connect(upstream)
    with structlog.testing.capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(registries.get_manifest(app, "1.0"))]
            await throttled.wait()
            await asyncio.sleep(0.1)
            asking.append(group.create_task(registries.get_manifest(app, "2.0")))
            await asyncio.sleep(0.1)
            assert len(upstream.requests) == 1
            for task in asking:
                task.cancel()
    assert [(line["event"], line["host"]) for line in logs] == [("upstream.throttled", "registry.test")]


async def test_a_short_wait_is_waited(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A wait within limits.max_wait passes, and the image is done."""
    upstream.push(app.path, BUILT, "1.0")
    upstream.when("manifests", answer(503, b"", {"Retry-After": "0"}), answer(429, b"", {"Retry-After": "1"}))
    assert await connect(upstream).get_manifest(app, "1.0") == BUILT.manifest


async def test_a_wait_too_long_defers(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """More than limits.max_wait is left for the next run at once, for this image and the host's others."""
    upstream.when("manifests", then=answer(429, b"", {"Retry-After": "3600"}))
    registries = connect(upstream)
    for _ in range(2):
        with pytest.raises(DeferredError, match=r"limits.max_wait") as raised:
            await registries.get_manifest(app, "1.0")
        assert 3500 < raised.value.seconds <= 3600
    assert len(upstream.requests) == 1


async def test_a_host_that_throttles_to_the_last_defers(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """429 without a wait, as often as there are attempts: not the image's failure."""
    upstream.when("manifests", then=answer(429))
    with pytest.raises(DeferredError, match="429 Too Many Requests"):
        await connect(upstream, Limits(attempts=2)).get_manifest(app, "1.0")
    assert len(upstream.requests) == 2


async def test_one_host_is_not_asked_too_much_at_once(connect: Connect, app: Repository) -> None:
    """No more requests at a time than the registry's concurrency, nor than limits.concurrency over all."""
    async with Scripted.running() as upstream:
        for keys, limits, expected in (
            ({"concurrency": 2}, Limits(), 2),
            ({"concurrency": 9}, Limits(concurrency=3), 3),
        ):
            stalls = [Stall() for _ in range(5)]
            upstream.when("manifests", *stalls)
            registries = connect(upstream, limits, **keys)
            async with asyncio.TaskGroup() as group:
                for _ in stalls:
                    group.create_task(quietly(registries.get_manifest(app, "1.0")))
                await stalls[expected - 1].waiting.wait()
                await asyncio.sleep(0.1)
                assert sum(stall.waiting.is_set() for stall in stalls) == expected
                for stall in stalls:
                    stall.released.set()


async def quietly(asking: object) -> None:
    """Await what may fail."""
    with pytest.raises(UpstreamError):
        await asking  # type: ignore[misc] # a coroutine


async def test_a_silent_host_is_given_up(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """No byte for limits.read_timeout is a failed attempt, and the error says so."""
    stall = Stall()
    upstream.when("manifests", then=stall)
    with pytest.raises(NetworkError, match=r"registry.test.*sent nothing for 0.2 s \(limits.read_timeout\)"):
        await connect(upstream, Limits(read_timeout=0.2, attempts=2)).get_manifest(app, "1.0")
    stall.released.set()
    assert len(upstream.requests) == 2


def test_waits_are_jittered_and_bounded() -> None:
    """Full jitter from 0.5 s to a bound that doubles up to 60 s."""
    backoff = Backoff()
    for attempt, bound in ((1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (1000, 60.0)):
        waits = [backoff.after(attempt) for _ in range(200)]
        assert all(0.5 <= wait <= bound for wait in waits)
        assert len(set(waits)) > 100


def test_a_host_that_throttles_loses_no_image() -> None:
    """800 tags of a host that bears 20 questions a second: all come, in about the time that takes, and none fails."""

    class Sparing(Scripted):
        """Answers 429 to whoever asks more than it bears."""

        saved, seen, refused = 20.0, 0.0, 0

        async def respond(self, request: web.Request) -> web.StreamResponse:
            """Count."""
            self.saved, self.seen = min(20.0, self.saved + 20.0 * (now() - self.seen)), now()
            if self.saved < 1:
                self.refused += 1
                return web.Response(status=429, headers={"Retry-After": "1"})
            self.saved -= 1
            return await super().respond(request)

    async def work() -> tuple[float, int]:
        async with Sparing.running() as upstream:
            upstream.push(APP.path, BUILT, *[f"v{number}" for number in range(800)])
            async with registries_of(upstream) as registries, asyncio.TaskGroup() as group:
                begun, waiting = now(), iter(range(800))

                async def ask() -> None:
                    for number in waiting:
                        assert (await registries.head_manifest(APP, f"v{number}")).digest == BUILT.digest

                tasks = [group.create_task(ask()) for _ in range(32)]
                await asyncio.wait(tasks)
                return now() - begun, upstream.refused

    seconds, refused = run_virtually(work())
    assert seconds < 160
    assert refused < 400

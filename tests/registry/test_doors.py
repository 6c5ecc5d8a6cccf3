"""A host that is down, and registries with several endpoints: what is asked, how often, and what people read."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.clock import now, run_virtually
from support.docker_registry import free_port
from support.registries import APP, HOST, QUICK, registries_of
from support.scripted import Scripted, answer

from mirrord.config.model import Limits, RegistryConfig
from mirrord.demo import images
from mirrord.demo.access import Basic
from mirrord.errors import AccessError, MirrordError, NetworkError, UpstreamError
from mirrord.oci.reference import Repository
from mirrord.registry.client import Registries
from mirrord.registry.doors import REST

BUILT = images.image("one")
LOGIN = {"username": "me", "password": "pw"}


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A port that accepts no connection: its queue is full, so that connecting gets no answer at all."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        filling = [asyncio.create_task(asyncio.open_connection(*address)) for _ in range(4)]
        await asyncio.sleep(0.05)
        yield address[1]
        for task in filling:
            task.cancel()
        await asyncio.wait(filling)
        for task in filling:
            if not task.cancelled() and task.exception() is None:
                task.result()[1].close()


async def failures_of(registries: Registries, repositories: list[Repository]) -> list[MirrordError]:
    """What each of several images fails with, asked for together."""

    async def one(repository: Repository) -> MirrordError:
        with pytest.raises(MirrordError) as raised:
            await registries.get_manifest(repository, "1")
        return raised.value

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(repository)) for repository in repositories]
    return [task.result() for task in tasks]


def test_a_host_that_is_down_costs_one_timeout_a_run() -> None:
    """200 images of a silent host fail within one connect timeout; all say why, and no other host waits for it."""

    async def work() -> tuple[list[MirrordError], float, float, int]:
        async with silent_port() as port, Scripted.running() as healthy:
            healthy.push("team/app", BUILT, "1")
            configs = {
                "down.test": RegistryConfig.model_validate({"endpoint": (f"http://127.0.0.1:{port}",)}),
                HOST: RegistryConfig.model_validate({"endpoint": (healthy.url,)}),
            }
            async with Registries(configs, Limits()) as registries:
                begun = now()

                async def other() -> float:
                    for _ in range(50):
                        await registries.get_manifest(APP, "1")
                    return now() - begun

                fine = asyncio.create_task(other())
                down = [Repository("down.test", f"team/app{number}") for number in range(200)]
                failed = await failures_of(registries, down)
                return failed, now() - begun, await fine, registries.counters.requests

    failed, seconds, elsewhere, requests = run_virtually(work())
    assert seconds < 15
    assert elsewhere < 5
    assert requests < 60
    assert {type(error) for error in failed} == {NetworkError}
    assert all("did not accept a connection within 10 s (limits.connect_timeout)" in str(error) for error in failed)
    told = [str(error) for error in failed if "not asked again in this run" in str(error)]
    assert len(told) >= 190
    assert all(f"down.test/team/app{number}:" in str(error) for number, error in enumerate(failed))


async def test_a_refusing_host_is_tried_as_often_as_a_request_in_all() -> None:
    """A service that restarts is given its attempts; they are the host's, and not those of each image."""
    config = RegistryConfig.model_validate({"endpoint": (f"http://127.0.0.1:{free_port()}",)})
    async with Registries({HOST: config}, Limits(attempts=3), QUICK) as registries:
        failed = await failures_of(registries, [Repository(HOST, f"team/app{number}") for number in range(40)])
        assert registries.counters.requests <= 3 * 4
    assert all("Connection refused" in str(error) for error in failed)


def test_a_host_that_answered_survives_a_pause() -> None:
    """One that was there in this run, and is back after two failed connections, loses no image."""

    async def work() -> None:
        port = free_port()
        upstream = Scripted()
        upstream.push("team/app", BUILT, "1")
        config = RegistryConfig.model_validate({"endpoint": (f"http://127.0.0.1:{port}",)})
        async with Registries({HOST: config}, Limits()) as registries:
            async with upstream.served(port):
                await registries.get_manifest(APP, "1")
            waiting = asyncio.create_task(registries.get_manifest(APP, "1"))
            await asyncio.sleep(1.0)
            assert registries.counters.retries > 0
            async with upstream.served(port):
                assert await waiting == BUILT.manifest

    run_virtually(work())


async def test_a_certificate_that_is_no_good_is_looked_at_once() -> None:
    """What would fail the same way again (here: no TLS at all) is not tried for each image."""
    async with Scripted.running() as upstream:
        upstream.url = upstream.url.replace("http:", "https:")
        async with registries_of(upstream) as registries:
            for _ in range(5):
                with pytest.raises(NetworkError, match="does not speak TLS"):
                    await registries.get_manifest(APP, "1")
            assert registries.counters.requests == 1


async def test_the_next_endpoint_is_asked_at_once() -> None:
    """A dead endpoint is passed over without waiting, and remembered: it costs one attempt, not one an image."""
    async with Scripted.running() as second:
        second.push(APP.path, BUILT, "1")
        config = RegistryConfig.model_validate({"endpoint": (f"http://127.0.0.1:{free_port()}", second.url)})
        async with Registries({HOST: config}, Limits(attempts=1)) as registries:
            for _ in range(10):
                assert await registries.get_manifest(APP, "1") == BUILT.manifest
            assert registries.counters.requests == 11


async def test_an_endpoint_that_answers_5xx_is_left(upstream: Scripted) -> None:
    """So is one that is there and can't serve; 404 is an answer, and asks nobody else."""
    async with Scripted.running() as second:
        second.push(APP.path, BUILT, "1")
        upstream.when("manifests/1$", then=answer(503))
        config = RegistryConfig.model_validate({"endpoint": (upstream.url, second.url)})
        async with Registries({HOST: config}, Limits(attempts=1), QUICK) as registries:
            assert await registries.get_manifest(APP, "1") == BUILT.manifest
            with pytest.raises(UpstreamError, match="no manifest gone"):
                await registries.get_manifest(APP, "gone")
    assert upstream.asked("/v2/") == 1


def test_the_first_endpoint_is_tried_again_after_a_while() -> None:
    """The order of the config is a wish: what was passed over comes first again."""

    async def work() -> None:
        async with Scripted.running() as first, Scripted.running() as second:
            for upstream in (first, second):
                upstream.push(APP.path, BUILT, "1")
            first.when("manifests", answer(502))
            config = RegistryConfig.model_validate({"endpoint": (first.url, second.url)})
            async with Registries({HOST: config}, Limits(), QUICK) as registries:
                await registries.get_manifest(APP, "1")
                await registries.get_manifest(APP, "1")
                assert (len(first.requests), len(second.requests)) == (1, 2)
                await asyncio.sleep(REST + 1)
                await registries.get_manifest(APP, "1")
                assert (len(first.requests), len(second.requests)) == (2, 2)

    run_virtually(work())


async def test_all_endpoints_down_are_told_once() -> None:
    """The attempts end, whatever the number of endpoints; later images are told at once."""
    ports = free_port(), free_port()
    config = RegistryConfig.model_validate({"endpoint": tuple(f"http://127.0.0.1:{port}" for port in ports)})
    async with Registries({HOST: config}, Limits(attempts=2), QUICK) as registries:
        with pytest.raises(NetworkError, match="Connection refused"):
            await registries.get_manifest(APP, "1")
        for _ in range(6):
            with pytest.raises(NetworkError, match="Connection refused"):
                await registries.get_manifest(APP, "1")
        assert registries.counters.requests <= 8


async def test_each_endpoint_is_logged_in_to_by_its_own_challenge() -> None:
    """The login goes to the registry's endpoints, each asked anonymously first; a foreign redirect never sees it."""
    async with Scripted.running(Basic("me", "pw")) as first, Scripted.running(Basic("me", "other")) as second:
        first.push(APP.path, BUILT, "1")
        first.when("manifests/2", then=answer(500))
        config = RegistryConfig.model_validate({"endpoint": (first.url, second.url), **LOGIN})
        async with Registries({HOST: config}, Limits(), QUICK) as registries:
            await registries.get_manifest(APP, "1")
            with pytest.raises(AccessError, match="refuses user 'me'"):
                await registries.get_manifest(APP, "2")
    assert [asked.headers.get("Authorization") is None for asked in first.requests] == [True, False, False]
    assert [asked.headers.get("Authorization") is None for asked in second.requests] == [True, False]

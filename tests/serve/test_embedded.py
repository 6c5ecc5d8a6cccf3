"""What holds for the embedded server alone: its disk, its clients, its life."""

import asyncio
import hashlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs
from support.nginx import free_port
from support.readers import embedded
from support.tree import ScratchTree

from mirrord.demo import images
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.serve.address import Address
from mirrord.serve.aliases import Aliases
from mirrord.serve.embedded import change_terms, make_app, serving
from mirrord.serve.routes import Terms

ANY = Address("127.0.0.1", 0)


@pytest.fixture
def tree(tmp_path: Path) -> ScratchTree:
    """A tree with one image, whose layer is too large for the buffers of a connection."""
    tree = ScratchTree(tmp_path / "root")
    tree.publish({"app": {"1": images.image("app", layers=[images.layer("large", 24 << 20)])}})
    return tree


@pytest.fixture
async def url(tree: ScratchTree) -> AsyncIterator[str]:
    """The server in this process."""
    async with serving(make_app(tree.tree()), ANY) as address:
        yield f"http://{address}"


def layer_of(tree: ScratchTree) -> Path:
    """The file of the large layer."""
    return max(tree.layout.blobs("app").iterdir(), key=lambda path: path.stat().st_size)


async def test_a_blob_that_is_deleted_while_it_is_sent_comes_whole(tree: ScratchTree, url: str) -> None:
    """In-flight finishes: the file is open, and its name is not needed any more."""
    path = layer_of(tree)
    digest = Digest.parse(path.name)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v2/app/blobs/{digest}") as response:
        hasher = hashlib.sha256(await response.content.readexactly(1 << 16))
        path.unlink()
        tree.layout.pooled(digest).unlink()
        hasher.update(await response.read())
    assert hasher.hexdigest() == digest.hex


async def test_a_client_that_leaves_is_no_event(tree: ScratchTree, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Log-quiet: a broken download is the client's affair, and the next one is served."""
    target = f"{url}/v2/app/blobs/{layer_of(tree).name}"
    with capture_logs() as events:
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                response = await session.get(target)
                await response.content.readexactly(1000)
                response.close()
            async with session.get(target) as whole:
                assert len(await whole.read()) == layer_of(tree).stat().st_size
    assert events == []
    assert caplog.records == []


async def test_a_tree_that_can_not_be_read_is_503_and_one_line(tree: ScratchTree, url: str) -> None:
    """The owner is the host; clients go on to the next mirror; the log is not filled by every request."""
    repository = tree.layout.current / "app"
    (repository / "list.json").unlink()
    (repository / "list.json").mkdir()
    with capture_logs() as events:
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                async with session.get(f"{url}/v2/app/tags/list") as response:
                    assert response.status == 503
                    assert (await response.json())["errors"][0]["code"] == "UNAVAILABLE"
    (event,) = events
    assert (event["event"], event["owner"]) == ("serve.failed", "host")
    assert "list.json" in event["error"]


async def test_a_file_that_is_cut_ends_the_connection(
    tree: ScratchTree, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """True: a damaged file is never passed off as a whole one."""
    path = layer_of(tree)
    path.chmod(0o644)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v2/app/blobs/{path.name}") as response:
        with path.open("r+b") as file:
            file.truncate(5 << 20)
        with capture_logs() as events, pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert [event["event"] for event in events] == ["serve.failed"]
    assert caplog.records == []


async def test_it_says_which_address_is_taken(tree: ScratchTree) -> None:
    """A port in use is the host's affair, and named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address(*taken.getsockname())
        with pytest.raises(HostError, match=f"{address} is in use by another program"):
            async with serving(make_app(tree.tree()), address):
                pass


async def test_routes_of_the_process_stand_beside_the_registry(tree: ScratchTree) -> None:
    """What is added to the application is found before the registry's answer to all else."""

    async def pong(_request: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(text="pong")

    app = make_app(tree.tree())
    app.router.add_get("/healthz", pong)
    async with serving(app, ANY) as address, aiohttp.ClientSession(f"http://{address}") as session:
        async with session.get("/healthz") as response:
            assert await response.text() == "pong"
        async with session.get("/healthy") as response:
            assert response.status == 404


async def test_a_config_that_is_read_again_counts_at_once(tree: ScratchTree) -> None:
    """New names of images need no restart."""
    app = make_app(tree.tree())
    async with serving(app, ANY) as address, aiohttp.ClientSession(f"http://{address}") as session:
        for terms, status in ((Terms(), 404), (Terms(aliases=Aliases({"quay.io/x": "app"})), 200), (Terms(), 404)):
            change_terms(app, terms)
            async with session.get("/v2/x/manifests/1?ns=quay.io") as response:
                assert response.status == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(tree: ScratchTree, tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and a stopping system end it with status 0, and without a word."""
    with embedded(tmp_path, "--root", str(tree.root)) as running:
        assert running.server.ask("/v2/app/tags/list").json()["tags"] == ["1"]
        running.process.send_signal(number)
        assert running.process.wait(timeout=30) == 0
        assert running.log.read_text() == ""


async def test_stopping_lets_transfers_end(tree: ScratchTree) -> None:
    """A download under way is finished, while nobody new is let in."""
    path = layer_of(tree)
    address = Address("127.0.0.1", free_port())
    async with aiohttp.ClientSession() as session:
        async with serving(make_app(tree.tree()), address):
            response = await session.get(f"http://{address}/v2/app/blobs/{path.name}")
            reading = asyncio.create_task(response.read())
        assert await reading == path.read_bytes()

"""The control socket itself: who may open it, what is left of it, and clients that ask, leave, stall and lie."""

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.closed import check_tree
from support.controlled import Holder, held
from support.mirror import HOST, Mirror
from support.scripted import Play, Scripted, Stall

from mirrord.config.reserve import Reserve
from mirrord.demo.images import image, layer
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.service import control, door
from mirrord.service.operation import Operation
from mirrord.service.operations.images import Block, Unblock
from mirrord.service.operations.sync import Sync
from mirrord.service.place import listening
from mirrord.service.wire import operation_document
from mirrord.store.blocks import read_blocks
from mirrord.store.store import open_store
from mirrord.store.verify import verify
from mirrord.store.verify_pace import Pacer
from mirrord.store.verify_pool import Progress

LAYER = layer("big", 3 << 20)
BIG = LAYER.content
PATIENCE = 30.0


@pytest.fixture
async def root(mirror: Mirror, upstream: Scripted) -> Path:
    """A root that serves two images."""
    upstream.push("app", image("app"), "1")
    upstream.push("tool", image("tool"), "1")
    mirror.configure("{host}/app:1", "{host}/tool:1")
    await mirror.sync()
    return mirror.root


@pytest.fixture
async def holder(root: Path, mirror: Mirror) -> AsyncIterator[Holder]:
    """Who holds it."""
    async with held(root, mirror.config) as running:
        yield running


class Client:
    """One connection to a control socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, path: Path) -> AsyncIterator["Client"]:
        """Connected until the end of the block."""
        client = cls(*await asyncio.open_unix_connection(path))
        try:
            yield client
        finally:
            client.writer.close()

    async def ask(self, method: str, target: str, body: bytes = b"") -> None:
        """Send a request."""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        with contextlib.suppress(ConnectionError):  # refused before all of it was sent
            await self.writer.drain()

    async def order(self, operation: Operation) -> None:
        """Ask for an operation."""
        await self.ask("POST", "/v1/operations", json.dumps(operation_document(operation)).encode())

    async def rest(self) -> str:
        """All that comes until the end."""
        return (await asyncio.wait_for(self.reader.read(), PATIENCE)).decode()

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """Each JSON line of an answer."""
        while line := await asyncio.wait_for(self.reader.readline(), PATIENCE):
            if line.startswith(b"{"):
                yield json.loads(line)

    async def last(self) -> dict[str, Any]:
        """The last line of an answer."""
        return [line async for line in self.lines()][-1]


async def until(*conditions: Any) -> None:  # noqa: ANN401 - anything that can be called
    """Wait until each of ``conditions`` holds."""
    async with asyncio.timeout(PATIENCE):
        while not all(condition() for condition in conditions):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def is_well(path: Path) -> bool:
    """Whether the daemon still answers."""
    async with Client.of(path) as client:
        await client.ask("GET", "/v1/about")
        return " 200 " in await client.rest()


@contextlib.contextmanager
def masked(mask: int) -> Iterator[None]:
    """Another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
def test_only_owner_and_group_may_open_it(tmp_path: Path, mask: int) -> None:
    """The mode is 0660 whatever the umask is, and nothing is left when it ends."""
    with masked(mask), listening(tmp_path / "control.sock", tmp_path):
        assert stat.S_IMODE((tmp_path / "control.sock").stat().st_mode) == 0o660
        assert os.listdir(tmp_path) == ["control.sock"]
    assert not os.listdir(tmp_path)


def test_it_is_never_open_to_more_than_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even between its making and the setting of its mode, under no umask at all."""
    seen: list[int] = []
    chmod = Path.chmod

    def look(path: Path, mode: int) -> None:
        seen.append(stat.S_IMODE(path.stat().st_mode))
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", look)
    with masked(0), listening(tmp_path / "control.sock", tmp_path):
        assert seen == [0o660]


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    """What a killed daemon left refuses connections: it is replaced, and so is a link to nowhere."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(path, tmp_path):
        assert path.is_socket()
    path.symlink_to("/nowhere/control.sock")
    with listening(path, tmp_path) as listener:
        assert path.is_socket()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            listener.accept()[0].close()


def test_a_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    """A second daemon at one place is refused, and the first goes on."""
    path, first, second = tmp_path / "control.sock", tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    with listening(path, first):
        with pytest.raises(HostError, match="another daemon answers"), listening(path, second):
            pass
        assert path.is_socket()


def test_a_file_is_left_alone(tmp_path: Path) -> None:
    """What is no socket is somebody's: it stays, and is named."""
    path = tmp_path / "control.sock"
    path.write_text("x")
    with pytest.raises(HostError, match="is no socket"), listening(path, tmp_path):
        pass
    assert path.read_text() == "x"


@pytest.mark.parametrize("place", ["absent/control.sock", "file/control.sock"])
def test_a_place_that_is_none(tmp_path: Path, place: str) -> None:
    """A missing directory is named with what to do."""
    (tmp_path / "file").touch()
    words = r"cannot listen .* choose another: control:"
    with pytest.raises(HostError, match=words), listening(tmp_path / place, tmp_path):
        pass


def test_a_long_path(tmp_path: Path) -> None:
    """A path longer than an address of a socket can be serves as well."""
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    with listening(directory / "control.sock", directory):
        assert (directory / "control.sock").is_socket()
        with pytest.raises(HostError, match="another daemon answers"), listening(directory / "control.sock", directory):
            pass
    assert not os.listdir(directory)


async def test_the_root_leads_to_a_socket_elsewhere(root: Path, mirror: Mirror, tmp_path: Path) -> None:
    """A link in the root says where it is, for as long as it is there; nothing of this is foreign to verify."""
    place = tmp_path / "run"
    place.mkdir()
    async with held(root, mirror.config, place / "control.sock") as holder:
        assert (root / "control.sock").readlink() == place / "control.sock"
        assert await is_well(root / "control.sock")
        (root / ".control.sock.4711").symlink_to("x")
        assert not (await verify(holder.store, Pacer(None), Progress())).findings
    assert not (root / "control.sock").is_symlink()
    async with open_store(root, command="test", threads=1, reserve=Reserve(size=0)):
        assert not [name for name in os.listdir(root) if "control" in name]


async def test_what_somebody_else_put_there_stays(tmp_path: Path) -> None:
    """At its end a daemon removes its own socket and link, and nobody else's."""
    (tmp_path / "run").mkdir()
    with listening(tmp_path / "run/control.sock", tmp_path):
        (tmp_path / "run/control.sock").unlink()
        (tmp_path / "run/control.sock").write_text("x")
        (tmp_path / "control.sock").unlink()
        (tmp_path / "control.sock").symlink_to("elsewhere")
    assert (tmp_path / "run/control.sock").read_text() == "x"
    assert (tmp_path / "control.sock").is_symlink()


WORDS = {"words": "x"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe{}",
        b"[" * 500_000,
        b'{"a":' * 100_000,
        b"9" * 100_000,
        json.dumps({"name": "destroy", "arguments": WORDS}).encode(),
        json.dumps({"name": ["sync"], "arguments": WORDS}).encode(),
        json.dumps({"name": "sync"}).encode(),
        json.dumps({"name": "sync", "arguments": []}).encode(),
        json.dumps({"name": "sync", "arguments": {"words": 1}}).encode(),
        json.dumps({"name": "sync", "arguments": {**WORDS, "images": "app"}}).encode(),
        json.dumps({"name": "sync", "arguments": {**WORDS, "images": [1]}}).encode(),
        json.dumps({"name": "sync", "arguments": {**WORDS, "adds": 1}}).encode(),
        json.dumps({"name": "sync", "arguments": {**WORDS, "brake": None}}).encode(),
        json.dumps({"name": "remove", "arguments": WORDS}).encode(),
        json.dumps({"name": "snapshots.pin", "arguments": {**WORDS, "snapshot": None}}).encode(),
    ],
)
async def test_what_means_nothing_is_400(holder: Holder, root: Path, body: bytes) -> None:
    """A request that is no operation is refused with words, and the daemon goes on."""
    async with Client.of(root / "control.sock") as client:
        await client.ask("POST", "/v1/operations", body)
        answer = await client.rest()
    assert " 400 " in answer.splitlines()[0]
    assert "can't be understood" in answer
    assert holder.ended == 0
    assert await is_well(root / "control.sock")


@pytest.mark.parametrize("call", ["trigger", "cancel"])
async def test_a_call_that_means_nothing_is_400(holder: Holder, root: Path, call: str) -> None:
    """So is a call with values of other types."""
    async with Client.of(root / "control.sock") as client:
        await client.ask("POST", f"/v1/{call}", b'{"what": 1, "group": [], "wait": "yes"}')
        assert " 400 " in await client.rest()
    assert not holder.asked


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        (b"POST /v1/operations HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + b" " * 1_100_000, 413),
        (b"GET /v1/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /v1/about HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 400),
        (b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"DELETE /v1/operations HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request(holder: Holder, root: Path, raw: bytes, status: int) -> None:
    """Garbage, too much of anything, unknown names: refused, the connection ended, the daemon well."""
    async with Client.of(root / "control.sock") as client:
        client.writer.write(raw)
        assert f" {status} " in (await client.rest()).splitlines()[0]
    assert await is_well(root / "control.sock")
    assert not holder.asked


async def test_who_says_nothing_is_shown_out(holder: Holder, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that asks nothing, and a request whose body does not come, end by themselves."""
    monkeypatch.setattr(door, "PATIENCE", 0.1)
    monkeypatch.setattr(control, "PATIENCE", 0.1)
    async with Client.of(root / "control.sock") as silent, Client.of(root / "control.sock") as slow:
        slow.writer.write(b"POST /v1/operations HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert await silent.rest() == ""
        assert " 408 " in await slow.rest()
    assert holder.ended == 0


@pytest.mark.usefixtures("holder")
async def test_connections_are_counted(root: Path) -> None:
    """More than so many at once are turned away at the door; when some have left, there is room again."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(door.CONNECTIONS):
            await stack.enter_async_context(Client.of(root / "control.sock"))
        async with Client.of(root / "control.sock") as late:
            assert " 503 " in await late.rest()
    async with asyncio.timeout(PATIENCE):
        while not await is_well(root / "control.sock"):  # noqa: ASYNC110 - until they have left
            await asyncio.sleep(0.01)


async def test_two_clients_at_once_lose_nothing(holder: Holder, root: Path) -> None:
    """Blocks that many clients make and undo at the same time are all in force, and all undone."""
    names = [f"{HOST}/app:{number}" for number in range(8)]

    async def order(operation: Operation) -> None:
        async with Client.of(root / "control.sock") as client:
            await client.order(operation)
            assert "reply" in await client.last()

    await asyncio.gather(*(order(Block(words="x", what=name)) for name in names))
    assert {each.what for each in read_blocks(holder.store.layout).entries} == set(names)
    await asyncio.gather(*(order(Unblock(words="x", what=name)) for name in names))
    assert not read_blocks(holder.store.layout).entries


def half(content: bytes, gate: Stall) -> Play:
    """Serve the first half of a blob, then wait."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        await gate(request)
        await response.write(content[len(content) // 2 :])
        return response

    return play


@pytest.mark.usefixtures("holder")
async def test_progress_is_told_while_it_works(root: Path, upstream: Scripted, mirror: Mirror) -> None:
    """Counts come while a download is under way, events as they happen, and the reply last."""
    gate, pushed = Stall(), image("app two", layers=[LAYER])
    upstream.push("app", pushed, "1")
    upstream.when(f"GET /v2/app/blobs/{Digest.of(BIG)}", half(BIG, gate))
    lines = []
    async with Client.of(root / "control.sock") as client:
        await client.order(Sync(words="mirrord sync"))
        async for line in client.lines():
            lines.append(line)
            if line.get("progress", {}).get("run", {}).get("bytes_fetched"):
                gate.released.set()
    progress = [line["progress"]["run"] for line in lines if "progress" in line]
    assert [f"{HOST}/app:1"] in [each["working_on"] for each in progress]
    assert progress[-1]["images_done"] == 2
    assert lines[-1]["reply"]["status"] == 0
    assert [line["event"]["event"] for line in lines if "event" in line][::3] == ["run.started", "run.finished"]
    assert mirror.tags("app")["1"] == pushed.digest


async def test_a_client_that_leaves_ends_its_own_sync_and_no_other(
    holder: Holder, root: Path, upstream: Scripted
) -> None:
    """The run is given up and its half of the download stays; the run of another client goes on to its end."""
    gate, other = Stall(), Stall()
    upstream.push("app", image("app two", layers=[LAYER]), "1")
    upstream.push("tool", image("tool two"), "1")
    upstream.when(f"GET /v2/app/blobs/{Digest.of(BIG)}", half(BIG, gate))
    upstream.when("HEAD /v2/tool/manifests/1", other)
    async with Client.of(root / "control.sock") as stays:
        await stays.order(Sync(words="mirrord sync tool", images=(f"{HOST}/tool",)))
        await asyncio.wait_for(other.waiting.wait(), PATIENCE)
        (task,) = holder.under_way
        async with Client.of(root / "control.sock") as leaves:
            await leaves.order(Sync(words="mirrord sync app", images=(f"{HOST}/app",)))
            await asyncio.wait_for(gate.waiting.wait(), PATIENCE)
        await until(lambda: holder.ended == 1)
        assert not task.done()
        other.released.set()
        upstream.stop_playing()
        assert "reply" in await stays.last()
    assert [name for name in os.listdir(holder.store.layout.staging) if name.endswith(".part")]
    gate.released.set()
    check_tree(root)


async def test_a_client_that_leaves_does_not_end_what_is_short(holder: Holder, root: Path) -> None:
    """A block is carried out to its end: also its manifests go, whoever is there to hear of it."""
    manifests = holder.store.layout.manifests(f"{HOST}/app")
    async with holder.store.repository_lock(f"{HOST}/app"):
        async with Client.of(root / "control.sock") as client:
            await client.order(Block(words="x", what=f"{HOST}/app:1"))
            await until(lambda: read_blocks(holder.store.layout).entries)
        assert os.listdir(manifests)
    await until(lambda: holder.ended == 1, lambda: not os.listdir(manifests))


async def test_a_client_that_does_not_read_holds_up_nobody(
    holder: Holder, root: Path, upstream: Scripted, mirror: Mirror
) -> None:
    """Its operation goes on to its end, and so do the others'."""
    pushed = upstream.push("app", image("app two"), "1")
    async with Client.of(root / "control.sock") as deaf:
        await deaf.order(Sync(words="mirrord sync"))
        await until(lambda: holder.ended == 1)
        assert mirror.tags("app")["1"] == pushed
        assert await is_well(root / "control.sock")


async def test_what_is_cancelled_says_so(holder: Holder, root: Path, upstream: Scripted) -> None:
    """An operation that somebody else gives up ends with that as its last line."""
    gate = Stall()
    upstream.when("HEAD /v2/app/manifests/1", gate)
    async with Client.of(root / "control.sock") as client:
        await client.order(Sync(words="mirrord sync"))
        await asyncio.wait_for(gate.waiting.wait(), PATIENCE)
        await holder.cancel(None)
        assert "interrupted" in await client.last()
    gate.released.set()


async def test_the_end_of_the_daemon_ends_what_is_long(root: Path, mirror: Mirror, upstream: Scripted) -> None:
    """A run that a command asked for is given up, and the command is told."""
    gate = Stall()
    upstream.when("HEAD /v2/app/manifests/1", gate)
    async with contextlib.AsyncExitStack() as stack:
        async with held(root, mirror.config):
            client = await stack.enter_async_context(Client.of(root / "control.sock"))
            await client.order(Sync(words="mirrord sync"))
            await asyncio.wait_for(gate.waiting.wait(), PATIENCE)
        assert "interrupted" in await client.last()
    gate.released.set()


async def test_a_lock_is_held_until_its_work_is_over(holder: Holder) -> None:
    """Who is cancelled while the disk works lets go of its locks when the disk is done, and not before."""
    store, steps = holder.store, list[str]()
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(PATIENCE)
        steps.append("worked")

    first = asyncio.create_task(store.decide(work))
    await begun.wait()
    second = asyncio.create_task(store.decide(lambda: steps.append("second")))
    for _ in range(3):
        first.cancel()
        await asyncio.sleep(0)
    assert not steps
    go_on.set()
    await second
    assert steps == ["worked", "second"]
    with pytest.raises(asyncio.CancelledError):
        await first

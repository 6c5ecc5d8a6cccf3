"""The commands' end of the control socket: finding the daemon, saying that there is none, and steering it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from support.controlled import Holder, held
from support.mirror import Finished, Mirror
from support.ordinary import NOBODY, run_ordinary
from support.scripted import Scripted, Stall, answer
from support.warm import Ended, Warm

from mirrord import errors
from mirrord.config.problem import InvalidConfigError, Problem
from mirrord.demo.images import image
from mirrord.errors import ConfigError, DeferredError, HostError, MirrordError, NetworkError, NotFoundError
from mirrord.service.operation import Meters, Operation, Reply, Workshop
from mirrord.service.operations.collect import Collect
from mirrord.service.remote import Daemon, find_daemon
from mirrord.service.wire import error_document, read_error
from mirrord.store.root import InUseError

PATIENCE = 30.0


@pytest.fixture
async def root(mirror: Mirror, upstream: Scripted) -> Path:
    """A root that serves one image."""
    upstream.push("app", image("app"), "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    return mirror.root


@pytest.fixture
async def holder(root: Path, mirror: Mirror) -> AsyncIterator[Holder]:
    """Who holds it."""
    async with held(root, mirror.config) as running:
        yield running


async def find(root: Path | None, configured: Path | None = None) -> Daemon | None:
    """`find_daemon` beside a daemon in this loop."""
    return await asyncio.to_thread(find_daemon, root, configured)


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own service manager, if any, is none of theirs."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)


async def test_it_is_found_in_the_root(holder: Holder, root: Path, tmp_path: Path) -> None:
    """By its own name and by any other that the root has."""
    (tmp_path / "other").symlink_to(root)
    for name in (root, tmp_path / "other", Path(os.path.relpath(root))):
        found = await find(name)
        assert found is not None
        assert found.about == holder.who
    assert await find(tmp_path) is None


async def test_it_is_found_where_it_is_said_to_be(
    root: Path, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the config, by the service's own directory, and by the link in the root; never for another root."""
    place = tmp_path / "run"
    place.mkdir()
    async with held(root, mirror.config, place / "control.sock"):
        assert await find(root)
        (root / "control.sock").unlink()
        assert await find(root) is None
        assert await find(root, place / "control.sock")
        assert await find(tmp_path, place / "control.sock") is None
        monkeypatch.setenv("RUNTIME_DIRECTORY", f"{place}:/run/other")
        assert await find(root)
        assert await find(None)
        assert await find(tmp_path) is None


@pytest.mark.parametrize("what", ["nothing", "file", "stale", "datagram", "loop", "directory"])
def test_what_refuses_connections_is_no_daemon(tmp_path: Path, what: str) -> None:
    """Absent, left over, no socket, or a socket of another kind: then there is none."""
    path = tmp_path / "control.sock"
    with contextlib.ExitStack() as stack:
        if what == "file":
            path.touch()
        elif what == "directory":
            path.mkdir()
        elif what == "loop":
            path.symlink_to(path)
        elif what != "nothing":
            kind = socket.SOCK_DGRAM if what == "datagram" else socket.SOCK_STREAM
            bound = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            bound.bind(str(path))
        assert find_daemon(tmp_path, None) is None
        assert find_daemon(tmp_path, path / "below") is None


@contextlib.contextmanager
def stranger(path: Path, said: bytes) -> Iterator[None]:
    """Something that answers one connection with ``said``."""
    command = f"import socket as s; l = s.socket(s.AF_UNIX); l.bind({str(path)!r}); l.listen(); print(flush=True)\n"
    command += f"c, _ = l.accept(); c.recv(9999); c.sendall({said!r}); c.close()"
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail\r\n",
        OK % (2, b"{}"),
        OK % (2, b"[]"),
        OK % (1, b"x"),
        b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_answers_otherwise_is_named(tmp_path: Path, said: bytes) -> None:
    """Something else at the control socket is the host's to mend; its path is named."""
    path = tmp_path / "control.sock"
    with stranger(path, said), pytest.raises(HostError, match=str(path)):
        find_daemon(tmp_path, None)


def test_who_ends_just_now_is_no_daemon(tmp_path: Path) -> None:
    """One that ends without a word is ending."""
    with stranger(tmp_path / "control.sock", b""):
        assert find_daemon(tmp_path, None) is None


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MirrordError)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {MirrordError, DeferredError}])
def test_errors_come_as_they_are(kind: type[MirrordError]) -> None:
    """The same class, the same words."""
    found = read_error(error_document(kind("it is\nso")))
    assert (type(found), str(found)) == (kind, "it is\nso")


def test_errors_of_further_kinds() -> None:
    """A narrower class comes as the nearest that both ends know; one that only the other end knows by its owner."""
    bad = InvalidConfigError([Problem("a.yaml", 1, "x", "no"), Problem("a.yaml", 2, "y", "no")])
    assert (type(read_error(error_document(bad))), str(read_error(error_document(bad)))) == (ConfigError, str(bad))
    assert type(read_error(error_document(InUseError("x")))) is HostError
    deferred = read_error(error_document(DeferredError("later", seconds=1.5)))
    assert isinstance(deferred, DeferredError)
    assert deferred.seconds == 1.5
    assert type(read_error({"kind": "NewError", "owner": "network", "error": "x"})) is NetworkError
    assert type(read_error({"kind": "NotFoundError", "owner": "?", "error": "x"})) is NotFoundError
    assert type(read_error({"kind": "Exception"})) is HostError
    assert type(read_error({"kind": "DeferredError"})) is DeferredError


class Broken(Holder):
    """A daemon with a bug."""

    @contextlib.asynccontextmanager
    async def workshop(self, operation: Operation) -> AsyncIterator[Workshop]:
        """Fail as no operation should."""
        if operation:
            raise RuntimeError("a bug")
        yield Workshop(self.store, None)

    async def pause(self) -> Reply:
        """Fail likewise."""
        raise RuntimeError("a bug")


async def test_a_bug_in_the_daemon_is_told_and_ends_only_its_operation(
    root: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that breaks off is the host's: the daemon's log says why. The daemon goes on."""
    monkeypatch.setattr("support.controlled.Holder", Broken)
    async with held(root, mirror.config):
        daemon = await find(root)
        assert daemon is not None
        with pytest.raises(HostError, match="its log says why"):
            await asyncio.to_thread(daemon.perform, Collect(words="x"), Meters(), lambda: None)
        with pytest.raises(HostError, match="answered 500"):
            await asyncio.to_thread(daemon.ask, "pause")
        assert await asyncio.to_thread(daemon.progress) == {"operations": []}


async def test_an_older_daemon_is_named(holder: Holder, root: Path) -> None:
    """What this mirrord asks and that one does not know: both versions are the first thing to look at."""
    daemon = await find(root)
    assert daemon is not None
    with pytest.raises(HostError, match="of one version"):
        await asyncio.to_thread(daemon.ask, "dance")
    assert not holder.asked


async def test_commands_that_steer(holder: Holder, mirror: Mirror, warm: Warm) -> None:
    """Each says what came of it, as words and as JSON."""
    said = {
        ("pause",): "Paused: no scheduled run begins until: mirrord resume\n",
        ("resume",): "Scheduled runs begin again.\n",
        ("trigger", "g1", "--no-wait"): "Begun, or next in turn: g1.\n",
        ("cancel",): "Given up: nothing was under way.\n",
        ("cancel", "g1"): "Given up: nothing was under way.\n",
        ("reload",): f"{mirror.config} is in force: 1 image in 1 group.\nWhat changed of listen waits for a restart.\n",
    }

    async def command(*words: str) -> Ended:
        return await asyncio.to_thread(warm.run, mirror.place, *words)

    for words, out in said.items():
        done = await command(*words)
        assert (done.status, done.words) == (0, out)
        document = json.loads((await command(*words, "--json")).words)
        assert document["schema"] == f"mirrord.{words[0]}/1"
    assert holder.asked[::2] == ["pause", "resume", "trigger g1 False", "cancel None", "cancel g1"]
    done = await command("trigger", "g1")
    assert (done.status, "ended early" in done.words) == (1, True)
    done = await command("trigger", "nothing")
    assert (done.status, "there is no group nothing" in done.words) == (2, True)


@pytest.mark.usefixtures("holder")
async def test_a_bad_config_is_told_by_reload(mirror: Mirror, root: Path) -> None:
    """Exit status 2 and a line for each error, whether or not the config still says where the root is."""
    mirror.config.write_text("rot: x\nimages: [Bad]\n")
    for arguments in ((), ("--root", str(root))):
        done = await mirror.command("reload", *arguments)
        assert done.status == 2
        assert f"{mirror.config}:1: rot: unknown key" in done.err
        assert f"{mirror.config}:2" in done.err


@pytest.mark.parametrize("words", ["reload", "trigger", "pause", "resume", "cancel"])
async def test_without_a_daemon_there_is_nobody_to_steer(mirror: Mirror, root: Path, words: str) -> None:
    """Exit status 3, where it was looked for, and how to start one."""
    done = await mirror.command(words)
    assert done.status == 3
    assert f"nobody answers at {root}/control.sock" in done.err
    assert "mirrord run" in done.err


async def test_reading_asks_nobody(holder: Holder, mirror: Mirror) -> None:
    """What only reads is done here, also beside a daemon."""
    for words in (("sync", "--dry-run"), ("images",), ("snapshots", "list"), ("verify",), ("block",)):
        done = await mirror.command(*words)
        assert done.status == 0, done.err
    assert holder.ended == 0


async def test_a_config_that_the_daemon_has_not_read_is_told(holder: Holder, mirror: Mirror) -> None:
    """The command goes by the daemon's, and says so; after a reload there is nothing to say."""
    mirror.config.write_text(f"{mirror.config.read_text()}retention: {{keep_last: 3}}\n")
    done = await mirror.command("gc")
    assert done.status == 0
    assert f"the daemon still runs the config of {mirror.config}" in done.err
    assert "mirrord reload" in done.err
    assert "mirrord reload" not in (await mirror.command("gc", "-q")).err
    assert (await mirror.command("reload")).status == 0
    assert holder.config is not None
    holder.who = replace(holder.who, fingerprint=holder.config.fingerprint)
    assert "mirrord reload" not in (await mirror.command("gc")).err


async def test_ctrl_c_ends_the_run(holder: Holder, mirror: Mirror, upstream: Scripted) -> None:
    """Exit status 130, and the daemon gives the run up: as it would end in the command itself."""
    gate = Stall()
    upstream.when("HEAD /v2/app/manifests/1", gate)
    command = [sys.executable, "-m", "mirrord", "sync", "--config", str(mirror.config)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    await asyncio.wait_for(gate.waiting.wait(), PATIENCE)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    async with asyncio.timeout(PATIENCE):
        while not holder.ended:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
    gate.released.set()


async def test_a_run_that_somebody_cancels(holder: Holder, mirror: Mirror, upstream: Scripted) -> None:
    """`mirrord cancel` ends the command of somebody else, which says so: exit status 130."""
    gate = Stall()
    upstream.when("HEAD /v2/app/manifests/1", gate)
    running = asyncio.create_task(mirror.command("sync"))
    await asyncio.wait_for(gate.waiting.wait(), PATIENCE)
    assert "Given up: sync." in (await mirror.command("cancel")).out
    done = await running
    assert (done.status, "gave it up" in done.err) == (130, True)
    assert holder.ended == 1
    gate.released.set()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="mirrord-open-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


async def as_nobody(mirror: Mirror, *arguments: str) -> Finished:
    """Run a command as a user that the root does not belong to."""
    done = await asyncio.to_thread(run_ordinary, mirror.place, *arguments, "--root", str(mirror.root))
    return Finished(done.returncode, done.stdout, done.stderr)


async def test_who_is_not_in_the_group_is_told_which(open_place: Path, upstream: Scripted) -> None:
    """A socket that may not be opened, and a root that is held: the group is named; with it, all is done for them."""
    mirror = Mirror(open_place, upstream.url)
    upstream.push("app", image("app"), "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    async with held(mirror.root, mirror.config):
        for words in (("gc",), ("pause",)):
            done = await as_nobody(mirror, *words)
            assert done.status == 3, done.err
            assert f"may not open its control socket {mirror.root}/control.sock" in done.err
            assert "add yourself to the group root" in done.err
        os.chown(mirror.root / "control.sock", 0, NOBODY)
        for line in ("snapshots rollback 1 --yes", "sync nowhere"):
            done = await as_nobody(mirror, *line.split())
            assert done.status == (2 if line == "sync nowhere" else 0), done.err
    assert (await as_nobody(mirror, "gc")).status == 3


async def test_the_group_reads_what_is_the_owners_alone(open_place: Path, upstream: Scripted) -> None:
    """Blocks, pins and holds are in notes of the owner's: the socket's group sees them by the daemon, alike."""
    mirror = Mirror(open_place, upstream.url)
    upstream.push("app", image("app"), "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    for writing in ("snapshots pin 1", "block nowhere/app:1 --why secret"):
        assert (await mirror.command(*writing.split())).status == 0
    reading = [[*words, *form] for words in (("snapshots", "list"), ("block",)) for form in ((), ("--json",))]
    expected = [await mirror.command(*words) for words in reading]
    if os.geteuid() != 0:
        return  # only root can be another user
    async with held(mirror.root, mirror.config):
        for words in reading:
            done = await as_nobody(mirror, *words)
            assert done.status == 3
            assert f"{mirror.layout.state} is the mirror's user's alone; this user may not open its control" in done.err
        os.chown(mirror.root / "control.sock", 0, NOBODY)
        assert [await as_nobody(mirror, *words) for words in reading] == expected
    done = await as_nobody(mirror, "block")
    assert (done.status, "run this as the mirror's user" in done.err) == (3, True)


async def test_the_group_is_told_which_misses_are_blocked(open_place: Path, upstream: Scripted) -> None:
    """`mirrord misses` of another user asks the daemon what is kept out; where nobody tells, the rest is told still."""
    mirror = Mirror(open_place, upstream.url)
    upstream.push("app", image("app"), "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    assert (await mirror.command("block", "gone/app:1", "--why", "secret")).status == 0
    log, now = open_place / "mirrord.log", datetime.now(UTC).isoformat(timespec="seconds")
    said = {"time": now, "client": "c", "method": "GET", "target": "/v2/gone/app/manifests/1", "ns": ""}
    log.write_text(json.dumps({**said, "repository": "gone/app", "reference": "1", "status": 404}) + "\n")
    log.chmod(0o644)
    words = ("misses", str(log), "--json")
    async with held(mirror.root, mirror.config):
        os.chown(mirror.root / "control.sock", 0, NOBODY)
        done = await as_nobody(mirror, *words)
    assert (done.status, done.err) == (0, "")
    assert [each["standing"] for each in done.document["misses"]] == ["blocked"]
    done = await as_nobody(mirror, *words)
    assert (done.status, "what is blocked can't be told apart here" in done.err) == (0, True)
    assert [each["standing"] for each in done.document["misses"]] == ["absent"]


async def test_an_unreachable_upstream_is_told_alike(holder: Holder, mirror: Mirror, upstream: Scripted) -> None:
    """What fails in the daemon fails with the same status here."""
    upstream.when("HEAD /v2/app/manifests/1", then=answer(401))
    done = await mirror.command("sync")
    assert (done.status, "failed" in done.out) == (1, True)
    assert holder.ended == 1

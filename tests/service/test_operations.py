"""Every command that writes, by itself and carried out by the daemon: the same words, JSON, status and tree."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.closed import check_tree
from support.controlled import held
from support.damage import delete, flip
from support.mirror import HOST, Mirror
from support.scripted import Scripted, answer
from support.warm import Ended, Warm

from mirrord.demo.images import image, layer
from mirrord.oci.digest import Digest

OLD, NEW, TOOL = image("old"), image("new"), image("tool")
BIG = image("big", layers=[layer("big", 3 << 20)])

_CHANGING = (
    (re.compile(r"\d{8}T\d{6}Z"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?"), "TIME"),
    (re.compile(r'("run(_id)?": )"[0-9a-f]{8}"'), r"\1RUN"),
    (re.compile(r'("seconds\w*": )[\d.e-]+'), r"\1SECONDS"),
    (re.compile(r"[\d.]+ s\b"), "SECONDS"),
    (re.compile(r"[\d.]+ [KMG]iB/s|at once"), "SPEED"),
    (re.compile(r"\d+ bytes are free"), "N bytes are free"),
)
"""What differs from one time to the next by itself."""
_OF_LUCK = (
    (re.compile(r'("(?:requests|\w+_fetched)": )\d+'), r"\1N"),
    (re.compile(r"Fetched \S+ \S+ in \d+ requests?"), "Fetched"),
    (re.compile(r"no room for [^,]*: N bytes"), "no room for it: N bytes"),
)
"""What differs where one part of an image fails while another is asked for."""


def lasting(words: str) -> list[str]:
    """The lines of ``words`` without what differs by itself; images are worked on side by side, so in one order."""
    for pattern, by in (*_CHANGING, *(_OF_LUCK if "are kept free" in words else ())):
        words = pattern.sub(by, words)
    return sorted(words.splitlines())


def copy(tree: Path, to: Path) -> None:
    """Copy a root, hardlinks kept."""
    subprocess.run(["cp", "-a", tree, to], check=True)


@dataclass(frozen=True, slots=True)
class Twice:
    """Who runs each command twice, from one state of the root."""

    mirror: Mirror
    upstream: Scripted
    warm: Warm

    async def run(self, *arguments: str, by_config: bool = True) -> Ended:
        """Run a command by itself and by the daemon, for people and as JSON; gives what it says to people."""
        root, before = self.mirror.root, self.mirror.place / "before"
        await asyncio.to_thread(copy, root, before)
        told: list[Ended] = []
        for form in ((), ("--json",)):
            by_itself = await self.command(*arguments, *form, by_config=by_config)
            tree = self.served()
            await self._restore(before)
            async with held(root, self.mirror.config if by_config else None) as holder:
                by_daemon = await self.command(*arguments, *form, by_config=by_config)
                assert holder.ended, f"the daemon was not asked: {by_daemon.words}"
            assert by_daemon.status == by_itself.status, by_daemon.words
            assert lasting(by_daemon.words) == lasting(by_itself.words)
            assert self.served() == tree
            if not form:
                await self._restore(before)
            told.append(by_itself)
        assert told[0].status == told[1].status
        return told[0]

    async def command(self, *arguments: str, by_config: bool = True) -> Ended:
        """Run a command where no config lies about."""
        about = ["--config", str(self.mirror.config)] if by_config else ["--root", str(self.mirror.root)]
        elsewhere = self.mirror.place / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        return await asyncio.to_thread(self.warm.run, elsewhere, *arguments, *about)

    async def _restore(self, before: Path) -> None:
        await asyncio.to_thread(shutil.rmtree, self.mirror.root)
        await asyncio.to_thread(copy, before, self.mirror.root)

    def served(self) -> dict[str, dict[str, Digest]]:
        """What is served."""
        return {name: self.mirror.tags(name) for name in ("app", "tool", "big")}


@pytest.fixture
async def twice(mirror: Mirror, upstream: Scripted, warm: Warm) -> Twice:
    """Two snapshots of two repositories; the upstream has moved on since."""
    upstream.push("app", OLD, "1")
    upstream.push("tool", TOOL, "1")
    mirror.configure("{host}/app:1", "{host}/tool:1")
    await mirror.sync()
    upstream.push("app", NEW, "1")
    await mirror.sync()
    upstream.push("app", OLD, "1")
    return Twice(mirror, upstream, warm)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("sync",), 0, "updated"),
        (("sync", "-q"), 0, ""),
        (("sync", f"{HOST}/app", "--allow-deletes", "--skip-cooldown"), 0, "updated"),
        (("sync", "nowhere"), 2, "neither the config nor the mirror"),
        (("sync", "Not:A:Name"), 2, "config"),
        (("remove", f"{HOST}/app"), 2, "was not added by a command"),
        (("block", f"{HOST}/app:1", "--why", "it is bad"), 0, "is blocked"),
        (("block", str(NEW.digest)), 0, "can't be pulled by digest"),
        (("block", "sha256:short"), 1, "sha256:short"),
        (("unblock", "nothing"), 2, "is not blocked"),
        (("snapshots", "rollback", "--yes"), 0, "going back"),
        (("snapshots", "rollback", "1", f"{HOST}/app", "--yes"), 0, "going back"),
        (("snapshots", "rollback"), 2, "nobody is here"),
        (("snapshots", "rollback", "77", "--yes"), 2, "no snapshot 77"),
        (("snapshots", "rollback", "", "--yes"), 2, "no snapshot"),
        (("snapshots", "release"), 0, "Nothing was held"),
        (("snapshots", "pin", "1"), 0, "is pinned"),
        (("snapshots", "unpin", "1"), 0, "no longer pinned"),
        (("snapshots", "pin", "77"), 2, "no snapshot 77"),
        (("gc",), 0, "Deleted"),
        (("gc", "--dry-run"), 0, "Would delete"),
        (("verify", "--repair", "--rate", "none"), 0, "Nothing is wrong"),
    ],
)
async def test_the_same_with_and_without_a_daemon(
    twice: Twice, arguments: tuple[str, ...], status: int, words: str
) -> None:
    """Standard output, standard error, exit status, and what is served afterwards."""
    ended = await twice.run(*arguments)
    assert ended.status == status, ended.words
    assert words in ended.words


async def fail(twice: Twice) -> None:
    """The upstream has one image no more that is wanted anew."""
    twice.mirror.configure("{host}/app:1", "{host}/none:1")


async def cut_off(twice: Twice) -> None:
    """The upstream fails for one image."""
    twice.upstream.when("GET /v2/app/", then=answer(500))
    twice.mirror.configure("{host}/app:1", "{host}/tool:1")


async def fill(twice: Twice) -> None:
    """The disk has less room than is to be kept free."""
    twice.upstream.push("big", BIG, "1")
    twice.mirror.configure("{host}/app:1", "{host}/big:1", extra="reserve: 1000TiB\n")


async def spoil_pins(twice: Twice) -> None:
    """The list of pins is damaged."""
    (twice.mirror.layout.state / "pins.json").write_text("{")


async def drop_a_stranger(twice: Twice) -> None:
    """A file lies where only manifests should."""
    (twice.mirror.layout.manifests(f"{HOST}/app") / "README").touch()


async def damage(twice: Twice) -> None:
    """One file is wrong, and another is lost, and its upstream has it no more."""
    flip(twice.mirror.layout.pooled(TOOL.manifest.layers[0].digest))
    lost = NEW.manifest.layers[0].digest
    delete(twice.mirror.layout.pooled(lost))
    delete(twice.mirror.layout.blob(f"{HOST}/app", lost))
    twice.upstream.when(str(lost), then=answer(404))


async def block_and_roll_back(twice: Twice) -> None:
    """Something is blocked, and everything held; the upstream has moved on."""
    twice.upstream.push("app", image("newest"), "1")
    assert (await twice.mirror.command("block", f"{HOST}/tool:1")).status == 0
    assert (await twice.mirror.command("snapshots", "rollback", "1", "--yes")).status == 0


@pytest.mark.parametrize(
    ("before", "arguments", "status", "words"),
    [
        (fail, ("sync",), 1, "failed"),
        (cut_off, ("sync",), 1, "upstream: "),
        (fill, ("sync", f"{HOST}/big"), 3, "are kept free"),
        (spoil_pins, ("gc",), 3, "pins.json"),
        (drop_a_stranger, ("gc",), 1, "kept: "),
        (drop_a_stranger, ("gc", "--dry-run", "-v"), 1, "README"),
        (damage, ("verify", "--repair"), 1, "needed by"),
        (block_and_roll_back, ("sync",), 0, "held"),
        (block_and_roll_back, ("unblock", f"{HOST}/tool:1"), 0, "no longer blocked"),
        (block_and_roll_back, ("snapshots", "release"), 0, "Released"),
    ],
)
async def test_the_same_where_something_is_wrong(
    twice: Twice,
    before: Callable[[Twice], Awaitable[None]],
    arguments: tuple[str, ...],
    status: int,
    words: str,
) -> None:
    """Also what fails fails alike: by the upstream, by the host, by what an operator decided before."""
    await before(twice)
    ended = await twice.run(*arguments)
    assert ended.status == status, ended.words
    assert words in ended.words


async def test_images_that_a_command_adds_and_removes(twice: Twice) -> None:
    """Without any config: the daemon adds what is named, remembers who asked, and drops only that."""
    twice.upstream.push("big", BIG, "1")
    name = twice.upstream.url.removeprefix("http://").replace("127.0.0.1", "localhost") + "/big:1"
    config = twice.mirror.place / "plain.yaml"
    config.write_text(f"registries: {{{name.partition('/')[0]}: {{plain_http: true}}}}\nimages: [unused]\n")
    async with held(twice.mirror.root, config) as holder:
        done = await twice.command("sync", name, by_config=False)
        assert done.status == 0, done.words
        assert "added" in done.words
        assert holder.ended == 1
        snapshots = await twice.command("snapshots", "list", by_config=False)
        assert f"mirrord sync {name} --root" in snapshots.words
    ended = await twice.run("remove", name.replace(":", "_", 1), by_config=False)
    assert (ended.status, "Removed" in ended.words) == (0, True), ended.words
    check_tree(twice.mirror.root)


async def test_a_root_without_a_config(twice: Twice) -> None:
    """A daemon and commands that both know no config work by the defaults; the socket goes with the daemon."""
    assert (await twice.run("gc", by_config=False)).status == 0
    assert not (twice.mirror.root / "control.sock").exists()

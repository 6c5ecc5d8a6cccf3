"""Going back: what is shown first, what is served then, how long it holds, and what it refuses."""

import asyncio
import json
import os
import pty
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.closed import check_tree
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted
from support.warm import Ended, Warm

from mirrord.config.reserve import Reserve
from mirrord.demo.images import image
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.store.hold import read_hold
from mirrord.store.store import open_store
from mirrord.store.tree import Tree
from mirrord.sync.outcome import Status


@dataclass(frozen=True, slots=True)
class Site:
    """A mirror whose upstream moved on three times, and who operates it."""

    mirror: Mirror
    upstream: Scripted
    warm: Warm

    def command(self, *arguments: str) -> Ended:
        """`mirrord snapshots …`; afterwards the tree is checked."""
        ended = self.warm.run(self.mirror.place, "--config", str(self.mirror.config), "snapshots", *arguments)
        check_tree(self.mirror.root)
        return ended

    def document(self, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """What it prints with --json."""
        ended = self.command(arguments[0], "--json", *arguments[1:])
        assert ended.status == 0, ended.words
        return json.loads(ended.words)

    def move(self, seed: str) -> None:
        """The upstream's images move on."""
        for name in ("app", "tool"):
            self.upstream.push(name, image(f"{name} {seed}"), "1")

    def served(self) -> dict[str, str]:
        """The seed of what each repository's tag 1 names."""
        seeds = {image(f"{name} {seed}").digest: seed for name in ("app", "tool") for seed in "abcd"}
        return {name: seeds[self.mirror.tags(name)["1"]] for name in ("app", "tool") if self.mirror.tags(name)}


@pytest.fixture
async def site(mirror: Mirror, upstream: Scripted, warm: Warm) -> Site:
    """Three publications: a, b, c."""
    site = Site(mirror, upstream, warm)
    mirror.configure("{host}/app:1", "{host}/tool:1")
    for seed in "abc":
        site.move(seed)
        assert (await mirror.sync()).snapshots
    return site


def short(name: str, seed: str) -> str:
    """An image's digest as lists show it."""
    return image(f"{name} {seed}").digest.hex[:12]


async def test_everything_goes_back_and_the_diff_is_shown_first(site: Site) -> None:
    """Without an ID: the snapshot before. Each tag that changes is shown, the tree is whole, exit status 0."""
    ended = site.command("rollback", "--yes")
    assert ended.status == 0
    lines = ended.words.splitlines()
    assert lines[0].startswith("going back to 00000002-")
    assert lines[1:3] == [
        f"  moved    {HOST}/app:1  {short('app', 'c')} → {short('app', 'b')}",
        f"  moved    {HOST}/tool:1  {short('tool', 'c')} → {short('tool', 'b')}",
    ]
    assert lines[3].startswith("Served as 00000004-")
    assert "mirrord snapshots release" in lines[3]
    assert site.served() == {"app": "b", "tool": "b"}
    assert len(lines) == 4


async def test_one_repository_goes_back_and_the_others_stay(site: Site) -> None:
    """`rollback ID REPOSITORY` changes that repository alone."""
    ended = site.command("rollback", "1", f"{HOST}/app", "--yes")
    assert ended.status == 0
    assert "tool" not in ended.words
    assert site.served() == {"app": "a", "tool": "c"}


async def test_by_number_or_name(site: Site) -> None:
    """A snapshot is named by its number, with or without zeros, or by its whole name."""
    name = site.document("list")["snapshots"][-1]["name"]
    for text in ("1", "00000001", name):
        assert site.document("rollback", text, "--yes")["target"] == name
    assert site.served() == {"app": "a", "tool": "a"}


@pytest.mark.parametrize("text", ["9", "²", "-1", "one", "1" * 5000, "00000001-", "../1", "1 ", "0"])
async def test_a_snapshot_that_is_not_there_is_said_so(site: Site, text: str) -> None:
    """Exit status 2 and where to look, whatever was typed; nothing is held."""
    ended = site.command("rollback", "--yes", "--", text)
    assert ended.status == 2
    assert "snapshots list" in ended.words
    assert "Traceback" not in ended.words
    assert read_hold(site.mirror.layout) is None


async def test_a_repository_that_neither_has_is_said_so(site: Site) -> None:
    """Exit status 2, the name, and nothing changed."""
    ended = site.command("rollback", "1", "nowhere", "--yes")
    assert (ended.status, "nowhere" in ended.words) == (2, True)
    assert site.served() == {"app": "c", "tool": "c"}
    assert read_hold(site.mirror.layout) is None


async def test_nobody_there_to_ask_is_refused_with_the_diff_shown(site: Site) -> None:
    """Without a terminal and without --yes nothing happens: exit status 2, and the diff is there to decide by."""
    ended = site.command("rollback", "1")
    assert ended.status == 2
    assert f"moved    {HOST}/app:1" in ended.words
    assert "--yes" in ended.words
    assert site.command("rollback", "1", "--json").status == 2
    assert site.served() == {"app": "c", "tool": "c"}
    assert read_hold(site.mirror.layout) is None


@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("y", 0)])
async def test_a_person_is_asked(site: Site, answer: str, status: int) -> None:
    """On a terminal the diff is shown, then the question; no changes nothing (exit status 1), yes goes back."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "mirrord", "snapshots", "rollback", "2", "--config", str(site.mirror.config)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=terminal, stdout=terminal, stderr=terminal, cwd=site.mirror.place
    )
    os.close(terminal)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(controller, 4096)
    os.write(controller, f"{answer}\n".encode())
    assert await process.wait() == status
    os.close(controller)
    assert said.index(b"moved") < said.index(b"[y/N]")
    assert site.served()["app"] == ("b" if answer == "y" else "c")
    assert (read_hold(site.mirror.layout) is None) == (answer == "n")


async def test_it_holds_until_release_and_syncs_complete_meanwhile(site: Site) -> None:
    """While it holds a run fetches and publishes nothing, and says so; released, it is published without a fetch."""
    site.command("rollback", "1", "--yes")
    site.move("d")
    report = await site.mirror.sync()
    assert by_name(report) == {"app:1": Status.UPDATED, "tool:1": Status.UPDATED}
    assert report.snapshots == ()
    assert not report.has_failed
    assert report.held.startswith("everything is held at snapshot 00000001-")
    assert site.served() == {"app": "a", "tool": "a"}
    assert Tree(site.mirror.layout).by_digest(f"{HOST}/app", image("app d").digest)
    ended = await asyncio.to_thread(
        site.warm.run, site.mirror.place, "sync", "--config", str(site.mirror.config), "-q", "-q"
    )
    assert ended.status == 0
    assert "held       everything is held at snapshot 00000001-" in ended.words
    assert "mirrord snapshots release" in ended.words
    assert site.command("release").words == "Released; the next sync publishes again.\n"
    assert site.served() == {"app": "a", "tool": "a"}
    site.upstream.forget_requests()
    report = await site.mirror.sync()
    assert site.upstream.asked("blobs") == 0
    assert site.served() == {"app": "d", "tool": "d"}
    assert report.held == ""


async def test_a_repository_that_is_held_stops_no_other(site: Site) -> None:
    """With one repository held the others are published, also what is added and dropped in them."""
    site.command("rollback", "2", f"{HOST}/app", "--yes")
    site.move("d")
    added = site.upstream.push("new", image("new"), "1")
    site.mirror.configure("{host}/app:1", "{host}/tool:1", "{host}/new:1")
    report = await site.mirror.sync()
    assert len(report.snapshots) == 1
    assert f"{HOST}/app is held at snapshot 00000002-" in report.held
    assert site.served() == {"app": "b", "tool": "d"}
    assert site.mirror.tags("new") == {"1": added}


async def test_what_leaves_the_config_stays_while_it_is_held(site: Site) -> None:
    """A held repository keeps its tags even where the config dropped it; released, they go."""
    site.command("rollback", "2", f"{HOST}/app", "--yes")
    site.mirror.configure("{host}/tool:1")
    await site.mirror.sync()
    assert site.served() == {"app": "b", "tool": "c"}
    site.command("release")
    await site.mirror.sync()
    assert site.served() == {"tool": "c"}


async def test_a_second_rollback_goes_on_backwards(site: Site) -> None:
    """Without an ID, twice: to b, then to a; never forwards again to what was rolled back. Then nothing is left."""
    site.command("rollback", "--yes")
    assert site.served() == {"app": "b", "tool": "b"}
    assert "going back to 00000001-" in site.command("rollback", "--yes").words
    assert site.served() == {"app": "a", "tool": "a"}
    ended = site.command("rollback", "--yes")
    assert (ended.status, "nothing is left from before" in ended.words) == (2, True)
    assert site.served() == {"app": "a", "tool": "a"}


async def test_two_repositories_held_one_after_the_other_are_both_held(site: Site) -> None:
    """A second rollback of another repository holds both, in one hold that one release ends."""
    site.command("rollback", "1", f"{HOST}/app", "--yes")
    site.command("rollback", "2", f"{HOST}/tool", "--yes")
    site.move("d")
    report = await site.mirror.sync()
    assert report.snapshots == ()
    for name, at in (("app", "00000001-"), ("tool", "00000002-")):
        assert f"{HOST}/{name} is held at snapshot {at}" in report.held
    assert site.served() == {"app": "a", "tool": "b"}
    site.command("release")
    await site.mirror.sync()
    assert site.served() == {"app": "d", "tool": "d"}


async def test_one_repository_further_back_while_everything_is_held(site: Site) -> None:
    """The wider hold stays, and each is told with the snapshot it went back to."""
    site.command("rollback", "2", "--yes")
    site.command("rollback", "1", f"{HOST}/app", "--yes")
    assert site.served() == {"app": "a", "tool": "b"}
    site.move("d")
    report = await site.mirror.sync()
    assert report.held.startswith("everything is held at snapshot 00000002-")
    assert f"{HOST}/app is held at snapshot 00000001-" in report.held
    assert site.served() == {"app": "a", "tool": "b"}


@pytest.mark.parametrize("is_held", [False, True])
async def test_a_rollback_that_fails_holds_nothing_more(site: Site, *, is_held: bool) -> None:
    """Last good stays: where the swap can't be made, what is held is what was held before."""
    if is_held:
        site.command("rollback", "2", f"{HOST}/app", "--yes")
    before = (read_hold(site.mirror.layout), site.served())
    async with open_store(site.mirror.root, command="test", threads=1, reserve=Reserve(size=0)) as store:
        number = len(os.listdir(site.mirror.layout.snapshots)) + 1
        (site.mirror.root / f".current.{number:08d}").mkdir()
        with pytest.raises(HostError, match="File exists"):
            await store.roll_back("1", None)
    assert (read_hold(site.mirror.layout), site.served()) == before


async def test_forwards_again(site: Site) -> None:
    """An ID of a later snapshot goes there: a rollback is a way to serve any of them."""
    site.command("rollback", "1", "--yes")
    assert site.document("rollback", "3", "--yes")["changes"]
    assert site.served() == {"app": "c", "tool": "c"}


async def test_going_back_to_what_is_served_holds_it(site: Site) -> None:
    """No publication, and said so; yet it is held from now on."""
    ended = site.command("rollback", "3", "--yes")
    assert ended.status == 0
    assert "no tag differs" in ended.words
    assert "It is what is served; held until" in ended.words
    site.move("d")
    assert (await site.mirror.sync()).held
    assert site.served() == {"app": "c", "tool": "c"}


async def test_tags_that_came_and_went_are_shown_as_such(site: Site) -> None:
    """Added and removed tags and repositories in a rollback and in `diff`, in words and as JSON."""
    site.upstream.push("app", image("extra"), "2")
    site.mirror.configure('{{name: "{host}/app", tags: ["1", "2"]}}')
    await site.mirror.sync()
    ended = site.command("diff")
    assert ended.words.splitlines()[1:] == [
        f"  added    {HOST}/app:2  {image('extra').digest.hex[:12]}",
        f"  removed  {HOST}/tool:1  {short('tool', 'c')}",
    ]
    document = site.document("diff", "4", "3")
    assert [each["old"] is None for each in document["changes"]] == [False, True]
    assert document["schema"] == "mirrord.snapshots.diff/1"
    ended = site.command("rollback", "--yes")
    assert f"  removed  {HOST}/app:2" in ended.words
    assert f"  added    {HOST}/tool:1" in ended.words
    assert site.served() == {"app": "c", "tool": "c"}
    assert Tree(site.mirror.layout).tags(f"{HOST}/app") == ("1",)


async def test_the_list_shows_what_is_served_pinned_and_held(site: Site) -> None:
    """Newest first: name, time, counts, marks, why; a hold stands below it."""
    site.command("pin", "1")
    site.command("rollback", "2", "--yes")
    lines = site.command("list").words.splitlines()
    names = [line.split()[0] for line in lines[1:5]]
    assert [name[:8] for name in names] == ["00000004", "00000003", "00000002", "00000001"]
    assert "served" in lines[1]
    assert "rollback of everything to 00000002-" in lines[1]
    assert "pinned" in lines[4]
    assert "everything is held at snapshot 00000002-" in lines[5]
    document = site.document("list")
    assert [each["served"] for each in document["snapshots"]] == [True, False, False, False]
    assert [each["pinned"] for each in document["snapshots"]] == [False, False, False, True]
    assert [each["counts"] for each in document["snapshots"]] == [{"repositories": 2, "tags": 2}] * 4
    assert document["hold"].startswith("everything is held")


async def test_pins_come_and_go(site: Site) -> None:
    """Pin and unpin by number or name, twice over without harm; one that is not there is said so."""
    assert site.document("pin", "1")["pinned"] == site.document("pin", "00000001")["pinned"]
    assert len(site.document("pin", "2")["pinned"]) == 2
    assert "no longer pinned" in site.command("unpin", "1").words
    assert site.document("unpin", "1")["pinned"] == [site.document("list")["snapshots"][1]["name"]]
    assert site.command("pin", "9").status == 2
    assert site.command("unpin", "9").status == 2


async def test_release_without_a_rollback_is_no_error(site: Site) -> None:
    """It says that nothing was held."""
    ended = site.command("release")
    assert (ended.status, ended.words) == (0, "Nothing was held.\n")
    assert site.document("release")["released"] is False


async def test_counts_stay_right_through_rollbacks(site: Site) -> None:
    """The number of tags in `list` is what is served, after any going back and forth."""
    site.upstream.push("app", image("extra"), "2")
    site.mirror.configure('{{name: "{host}/app", tags: ["1", "2"]}}', "{host}/tool:1")
    await site.mirror.sync()
    for target in (["1"], ["4"], ["2", f"{HOST}/app"], ["4", f"{HOST}/app"], ["3"]):
        site.command("rollback", *target, "--yes")
        tree = Tree(site.mirror.layout)
        newest = site.document("list")["snapshots"][0]
        assert newest["counts"]["tags"] == sum(len(tree.tags(name)) for name in tree.repositories())


async def test_before_the_first_publication(mirror: Mirror, warm: Warm) -> None:
    """An empty mirror: list is empty, everything else says that nothing was published, exit status 2."""
    mirror.configure("{host}/app:1")
    site = Site(mirror, Scripted(), warm)
    assert warm.run(mirror.place, "init", str(mirror.root)).status == 0
    assert site.document("list") == {"schema": "mirrord.snapshots/1", "hold": None, "snapshots": []}
    assert site.command("list").status == 0
    for arguments in (["diff"], ["rollback", "--yes"], ["rollback", "1", "--yes"], ["pin", "1"]):
        ended = site.command(*arguments)
        assert ended.status == 2, arguments
        assert ended.words.count("\n") == 1


async def test_without_a_root(mirror: Mirror, warm: Warm) -> None:
    """A directory that is no root is refused by every one of them, exit status 3, with what to do."""
    mirror.configure("{host}/app:1")
    mirror.root.mkdir()
    for arguments in (["list"], ["diff"], ["rollback", "--yes"], ["release"], ["pin", "1"], ["unpin", "1"]):
        ended = warm.run(mirror.place, "snapshots", *arguments, "--config", str(mirror.config))
        assert (ended.status, "mirrord init" in ended.words) == (3, True), arguments


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"snapshot": 1}', '{"repositories": "app"}', "nonsense"])
async def test_a_hold_that_cannot_be_read_holds_everything(site: Site, content: str) -> None:
    """Fails closed: nothing is published over a hold that can't be read; release removes it."""
    path = site.mirror.layout.state / "hold.json"
    path.write_text(content)
    site.move("d")
    report = await site.mirror.sync()
    assert report.is_host_at_fault
    assert "mirrord snapshots release" in str(report.problem)
    assert site.served() == {"app": "c", "tool": "c"}
    for arguments in (["list"], ["rollback", "1", "--yes"]):
        ended = site.command(*arguments)
        assert (ended.status, "hold.json" in ended.words) == (3, True)
    assert site.command("release").status == 0
    await site.mirror.sync()
    assert site.served() == {"app": "d", "tool": "d"}


def lose_record(site: Site, snapshot: str) -> None:
    """The record of the snapshot's generation is gone."""
    (site.mirror.layout.snapshots / snapshot / f"{HOST}!app" / "record.json").unlink()


def tear_record(site: Site, snapshot: str) -> None:
    """The record of the snapshot's generation is torn."""
    path = site.mirror.layout.snapshots / snapshot / f"{HOST}!app" / "record.json"
    path.unlink()
    path.write_text("{")


def lose_generation(site: Site, snapshot: str) -> None:
    """The snapshot's generation is gone."""
    link = site.mirror.layout.snapshots / snapshot / f"{HOST}!app"
    link.resolve().rename(site.mirror.place / "lost")


def lose_manifest(site: Site, snapshot: str) -> None:
    """A manifest that the snapshot names is gone."""
    link = site.mirror.layout.snapshots / snapshot / f"{HOST}!app" / "tags" / "1"
    link.resolve().unlink()


@pytest.mark.parametrize("damage", [lose_record, tear_record, lose_generation, lose_manifest])
async def test_a_snapshot_that_is_not_whole_is_refused(site: Site, damage: object) -> None:
    """Closed: what is gone or damaged is not published again (exit status 3); other snapshots can be."""
    assert callable(damage)
    name = site.document("list")["snapshots"][-1]["name"]
    damage(site, name)
    ended = site.command("rollback", "1", "--yes")
    assert ended.status == 3
    assert f"{HOST}/app" in ended.words or f"{HOST}!app" in ended.words
    assert site.served() == {"app": "c", "tool": "c"}
    assert read_hold(site.mirror.layout) is None
    assert site.command("rollback", "1", f"{HOST}/tool", "--yes").status == 0
    assert site.served() == {"app": "c", "tool": "a"}
    assert site.command("rollback", "2", "--yes").status == 0
    assert site.served() == {"app": "b", "tool": "b"}


@pytest.mark.parametrize("damage", [lose_record, tear_record])
async def test_one_can_go_back_from_what_is_damaged(site: Site, damage: object) -> None:
    """That the served generation can't be read is a reason to go back, and no obstacle; the count of tags is right."""
    assert callable(damage)
    damage(site, site.document("list")["snapshots"][0]["name"])
    ended = site.warm.run(
        site.mirror.place, "snapshots", "rollback", "2", f"{HOST}/app", "--yes", "--config", str(site.mirror.config)
    )
    assert ended.status == 0
    assert f"moved    {HOST}/app:1  {short('app', 'c')} → {short('app', 'b')}" in ended.words
    check_tree(site.mirror.root)
    assert site.served() == {"app": "b", "tool": "c"}
    assert site.document("list")["snapshots"][0]["counts"] == {"repositories": 2, "tags": 2}


async def test_what_was_blocked_and_let_in_again_is_not_served_as_a_hole(site: Site) -> None:
    """Closed: a block unlinks manifests; after `unblock` a snapshot that names them is not whole, until a sync."""

    def command(*arguments: str) -> Sequence[str]:
        ended = site.warm.run(site.mirror.place, *arguments, "--config", str(site.mirror.config))
        assert ended.status == 0, ended.words
        return ended.words.splitlines()

    digest: Digest = image("app a").digest
    command("block", str(digest))
    shown = command("snapshots", "rollback", "1", "--yes")
    assert f"  removed  {HOST}/app:1  {short('app', 'c')}" in shown
    check_tree(site.mirror.root)
    assert site.served() == {"tool": "a"}
    command("snapshots", "rollback", "3", "--yes")
    command("unblock", str(digest))
    ended = site.command("rollback", "1", "--yes")
    assert (ended.status, str(digest) in ended.words) == (3, True)
    assert site.served() == {"app": "c", "tool": "c"}


async def test_beside_gc(site: Site) -> None:
    """STORAGE hole 13: what a rollback went back to stays however old, with all that it names, until it is released."""
    site.mirror.configure(
        "{host}/app:1",
        "{host}/tool:1",
        extra="retention: {keep_last: 1, keep_daily: 0, keep_weekly: 0, grace: 60s}\n",
    )
    site.command("rollback", "1", "--yes")
    for path in site.mirror.layout.snapshots.glob("*/_snapshot.json"):
        document = json.loads(path.read_bytes())
        path.unlink()
        path.write_text(json.dumps({**document, "published": "2024-01-01T00:00:00+00:00"}))
    ended = site.warm.run(site.mirror.place, "gc", "--config", str(site.mirror.config))
    assert ended.status == 0
    left = [each["name"][:8] for each in site.document("list")["snapshots"]]
    assert left == ["00000004", "00000001"]
    assert site.served() == {"app": "a", "tool": "a"}
    ended = site.command("rollback", "3", "--yes")
    assert (ended.status, "there is no snapshot 3" in ended.words) == (2, True)
    site.command("release")
    site.warm.run(site.mirror.place, "gc", "--config", str(site.mirror.config))
    assert [each["name"][:8] for each in site.document("list")["snapshots"]] == ["00000004"]
    report = await site.mirror.sync()
    assert site.served() == {"app": "c", "tool": "c"}
    assert len(report.snapshots) == 1


async def test_nothing_is_rolled_back_while_another_writer_works(site: Site, tmp_path: Path) -> None:
    """One writer: with the root held, each of the writing ones is refused with its holder, and reading ones work."""
    async with open_store(site.mirror.root, command="the daemon", threads=1, reserve=Reserve(size=0)):
        for arguments in (["rollback", "1", "--yes"], ["release"], ["pin", "1"], ["unpin", "1"]):
            ended = site.command(*arguments)
            assert (ended.status, "in use by `the daemon`" in ended.words) == (3, True), arguments
        assert site.command("list").status == 0
        assert site.command("diff").status == 0
    assert tmp_path == site.mirror.place
    assert read_hold(site.mirror.layout) is None

"""Blocks, removals and history: what an operator takes out stays out, by tag and by digest."""

import asyncio

import pytest
from support.closed import check_tree
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted

from mirrord.config.images import images_of
from mirrord.config.loader import load
from mirrord.config.reserve import Reserve
from mirrord.demo.images import ARM64, image, index, layer, signature
from mirrord.oci.digest import Digest
from mirrord.store.blocks import parse_block
from mirrord.store.change import Change
from mirrord.store.removal import Removed
from mirrord.store.snapshot import Reason
from mirrord.store.store import open_store
from mirrord.store.tree import Tree
from mirrord.sync.outcome import Progress, Status
from mirrord.sync.plan import plan_command
from mirrord.sync.run import Order, run_sync


async def block(mirror: Mirror, what: str) -> Removed:
    """Block something in this process."""
    async with open_store(mirror.root, command="test", threads=1, reserve=Reserve(size=0)) as store:
        done = await store.block(parse_block(what, "poisoned"))
    check_tree(mirror.root)
    return done


@pytest.fixture
async def served(mirror: Mirror, upstream: Scripted) -> Mirror:
    """A mirror of two tags of one repository, and one of another that shares an image."""
    upstream.push("app", index(image("bad"), image("bad", platform=ARM64)), "bad", "also-bad")
    upstream.push("app", image("good"), "good")
    upstream.push("other", image("bad"), "1")
    mirror.configure('{{name: "{host}/app", tags: ["*"]}}', "{host}/other:1")
    await mirror.sync()
    return mirror


async def test_a_blocked_digest_is_gone_by_tag_and_by_digest(served: Mirror) -> None:
    """Every tag whose image is or contains the digest goes at once, and its manifest can't be pulled by digest."""
    child = image("bad").digest
    done = await block(served, str(child))
    assert set(done.tags) == {f"{HOST}/app:bad", f"{HOST}/app:also-bad", f"{HOST}/other:1"}
    assert set(served.tags("app")) == {"good"}
    tree = Tree(served.layout)
    assert tree.repositories() == (f"{HOST}/app",)
    for repository in ("app", "other"):
        assert tree.by_digest(f"{HOST}/{repository}", child) is None


async def test_what_is_blocked_stays_out_and_is_no_failure(served: Mirror) -> None:
    """A sync neither fetches nor publishes what is blocked, says so, and succeeds."""
    await block(served, str(image("bad").digest))
    report = await served.sync()
    assert by_name(report)["app:bad"] is Status.BLOCKED
    assert by_name(report)["other:1"] is Status.BLOCKED
    assert not report.has_failed
    assert set(served.tags("app")) == {"good"}


async def test_a_blocked_tag_leaves_the_others(served: Mirror) -> None:
    """A tag is blocked by its name: another tag of the same image stays, and so does its manifest."""
    digest = served.tags("app")["bad"]
    done = await block(served, f"{HOST}/app:bad")
    assert done.manifests == 0
    assert set(served.tags("app")) == {"good", "also-bad"}
    assert Tree(served.layout).by_digest(f"{HOST}/app", digest) is not None


async def test_a_tag_is_blocked_while_a_run_has_its_repository_in_work(served: Mirror) -> None:
    """The tag goes at once; what the run found present stays by digest, for it publishes it under another tag."""
    held = Tree(served.layout).record(f"{HOST}/app")
    assert held is not None
    async with open_store(served.root, command="test", threads=2, reserve=Reserve(size=0)) as store:
        async with store.repository_lock(f"{HOST}/app"):
            blocking = asyncio.create_task(store.block(parse_block(f"{HOST}/app:good", "")))
            while "good" in served.tags("app"):  # noqa: ASYNC110 - a file tells it
                await asyncio.sleep(0.01)
            change = Change(f"{HOST}/app", held.upstream, {"better": held.tags["good"]})
            await store.publish([change], Reason("run", "test"))
        assert (await blocking).manifests == 0
    check_tree(served.root)
    assert served.tags("app")["better"] == image("good").digest


async def test_what_an_older_snapshot_names_otherwise_stays(served: Mirror, upstream: Scripted) -> None:
    """A tag is blocked by its name: content that another tag once named can be gone back to."""
    upstream.push("app", image("bad-no-more"), "bad", "also-bad")
    upstream.push("app", image("good"), "bad")
    await served.sync()
    upstream.push("app", image("newer"), "good")
    await served.sync()
    done = await block(served, f"{HOST}/app:bad")
    assert done.manifests == 0
    async with open_store(served.root, command="test", threads=1, reserve=Reserve(size=0)) as store:
        await store.roll_back("1", None)
    check_tree(served.root)
    assert served.tags("app")["good"] == image("good").digest


@pytest.mark.parametrize("what", [str(image("good").digest), f"{HOST}/app:good", f"{HOST}/app"])
async def test_verify_excuses_what_is_blocked(served: Mirror, upstream: Scripted, what: str) -> None:
    """What a block took out of older snapshots is no damage."""
    upstream.push("app", image("newer"), "good")
    await served.sync()
    await block(served, what)
    done = await served.command("verify")
    assert done.status == 0, done.out


async def test_a_blocked_repository_is_gone_whole(served: Mirror) -> None:
    """A repository is blocked with all its tags and manifests; others stay."""
    await block(served, f"{HOST}/app")
    tree = Tree(served.layout)
    assert tree.repositories() == (f"{HOST}/other",)
    assert tree.by_digest(f"{HOST}/app", image("good").digest) is None


async def test_a_blocked_layer_takes_every_image_that_has_it(mirror: Mirror, upstream: Scripted) -> None:
    """The digest of a blob blocks each manifest that names it, held already or offered later."""
    evil = layer("evil")
    upstream.push("one", image("one", layers=(evil,)), "1")
    upstream.push("two", image("two"), "1")
    mirror.configure("{host}/one:1", "{host}/two:1")
    await mirror.sync()
    await block(mirror, str(Digest.of(evil.content)))
    assert Tree(mirror.layout).repositories() == (f"{HOST}/two",)
    upstream.push("two", image("new", layers=(evil,)), "1")
    report = await mirror.sync()
    assert by_name(report) == {"one:1": Status.BLOCKED, "two:1": Status.BLOCKED}
    assert mirror.tags("two") == {"1": image("two").digest}


async def test_a_rollback_does_not_bring_back_what_is_blocked(served: Mirror, upstream: Scripted) -> None:
    """Going back to a snapshot that named a blocked digest serves it without."""
    first = Tree(served.layout).snapshot()
    assert first is not None
    upstream.push("app", image("newer"), "good")
    await served.sync()
    await block(served, str(image("bad").digest))
    async with open_store(served.root, command="test", threads=1, reserve=Reserve(size=0)) as store:
        await store.roll_back(first, None)
    check_tree(served.root)
    assert served.tags("app") == {"good": image("good").digest}


async def test_unblock_lets_it_in_again(served: Mirror) -> None:
    """After `unblock` the next sync brings the image back; `block` lists what is blocked and why."""
    digest = str(image("bad").digest)
    done = await served.command("block", digest, "--why", "CVE-1")
    assert done.status == 0, done.err
    assert "no longer served: registry.test/app:bad" in done.out
    assert f"{digest}  since" in (listed := (await served.command("block")).out)
    assert "CVE-1" in listed
    assert (await served.command("unblock", digest)).status == 0
    assert (await served.command("unblock", digest)).status == 2
    await served.sync()
    assert set(served.tags("app")) == {"good", "bad", "also-bad"}


async def test_remove_drops_what_a_command_added_and_nothing_else(served: Mirror, upstream: Scripted) -> None:
    """An image added without a config stays over syncs until `remove`; what the config has can't be removed so."""
    added = served.config.read_text().replace("images:", "ignored:")
    upstream.push("extra", image("extra"), "1", "2")
    bare = served.place / "bare.yaml"
    bare.write_text(added.partition("ignored:")[0] + f"images: [{HOST}/extra:1, {HOST}/extra:2]\n")
    served_before = served.tags("app")
    async with open_store(served.root, command="test", threads=1, reserve=Reserve(size=0)) as store:
        config = load(bare)
        await run_sync(config, Order(plan_command(images_of(config)), "test"), store, Progress())
    assert set(served.tags("extra")) == {"1", "2"}
    assert by_name(await served.sync())["extra:1"] is Status.UNCHANGED
    assert (await served.command("remove", f"{HOST}/extra:1")).status == 0
    assert set(served.tags("extra")) == {"2"}
    refused = await served.command("remove", f"{HOST}/app:good")
    assert refused.status == 2
    assert "take it out of the config" in refused.err
    assert served.tags("app") == served_before
    assert (await served.command("remove", f"{HOST}/extra")).status == 0
    assert served.tags("extra") == {}


async def test_a_tags_history_tells_what_it_named_and_when(served: Mirror, upstream: Scripted) -> None:
    """`images NAME:TAG --history`: newest first, each change of digest with its snapshot."""
    new = upstream.push("app", image("newer"), "good")
    await served.sync()
    await block(served, f"{HOST}/app:good")
    done = await served.command("images", f"{HOST}/app:good", "--history", "--json")
    digests = [row["digest"] for row in done.document["history"]]
    assert digests == [None, str(new), str(image("good").digest)]


async def test_a_blocked_tag_leaves_what_is_listed_as_a_referrer(mirror: Mirror, upstream: Scripted) -> None:
    """Closed: what a served list of referrers names stays, though the tag that named it, too, is blocked."""
    subject = image("subject")
    listed = signature(subject)
    upstream.push("app", subject, "1")
    upstream.push("app", listed, "named-too")
    mirror.configure('{{name: "{host}/app", tags: ["1", "named-too"]}}')
    await mirror.sync()
    name = f"{HOST}/app"
    record = Tree(mirror.layout).record(name)
    assert record is not None
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": str(listed.digest), "size": 1}
    async with open_store(mirror.root, command="test", threads=1, reserve=Reserve(size=0)) as store:
        change = Change(name, record.upstream, referrers={subject.digest: (entry,)})
        await store.publish([change], Reason("run", "test"))
    done = await block(mirror, f"{name}:named-too")
    assert done.tags == (f"{name}:named-too",)
    assert Tree(mirror.layout).by_digest(name, listed.digest) is not None

"""Bundles: what is carried over is what was served, byte for byte, and nothing else ever gets in."""

import asyncio
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.closed import check_tree
from support.damage import flip
from support.mirror import HOST, Mirror
from support.scripted import Scripted

from mirrord.config.reserve import Reserve
from mirrord.demo.images import (
    AMD64,
    ARM64,
    BuiltImage,
    artifact,
    describe,
    encode,
    image,
    index,
    layer,
    signature,
    signature_tag,
)
from mirrord.errors import BrakeError, ConfigError, HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, parse_manifest
from mirrord.store import bundle_write
from mirrord.store.blocks import parse_block
from mirrord.store.bundle import BLOCK, Bundle, BundleError, Member, Role, length_of, placed, tar_header
from mirrord.store.bundle_load import Loaded, load
from mirrord.store.change import Brake
from mirrord.store.layout import Layout
from mirrord.store.record import Record, Source
from mirrord.store.retention import Retention
from mirrord.store.store import open_store
from mirrord.store.tree import Tree
from mirrord.store.verify_pool import Progress

BOTH = index(image("both", platform=AMD64), image("both", platform=ARM64))
BIG = image("big", layers=[layer("big", 3 << 20), layer("common")])
ONE, TWO = image("one", layers=[layer("one"), layer("common")]), image("two", layers=[layer("two"), layer("common")])
STATEMENT = artifact("statement", "application/vnd.test.statement", ONE)
PART = artifact("part", "application/vnd.test.part")
PARTS = BuiltImage(
    parse_manifest(
        encode(
            {
                "schemaVersion": 2,
                "mediaType": Kind.OCI_INDEX.media_type,
                "artifactType": "application/vnd.test.parts",
                "subject": describe(ONE.manifest.kind.media_type, ONE.manifest.raw),
                "manifests": [describe(PART.manifest.kind.media_type, PART.manifest.raw)],
            }
        )
    ),
    children=(PART,),
)
"""A referrer that is an index: no record lists what is below it."""


@pytest.fixture
async def origin(mirror: Mirror, upstream: Scripted) -> Mirror:
    """A mirror that serves tags, an index, a signature, a referrer and a digest alone."""
    upstream.push("app", ONE, "1", "latest")
    upstream.push("app", signature(ONE), signature_tag(ONE.digest))
    upstream.referrers = True
    upstream.push("app", STATEMENT)
    upstream.push("app", PARTS)
    upstream.push("multi", BOTH, "1")
    upstream.push("big", BIG, "1")
    mirror.configure("{host}/app:*", "{host}/multi:1", f"{{host}}/big@{BIG.digest}")
    report = await mirror.sync()
    assert not report.has_failed
    return mirror


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """Where the other mirror will be."""
    return tmp_path / "far"


def write(mirror: Mirror, name: str, since: str | None = None) -> Path:
    """Export what ``mirror`` serves."""
    path = mirror.place / name
    bundle_write.write_file(bundle_write.plan(mirror.layout, since), path, lambda _: None)
    return path


async def bring(root: Path, bundle: Path, *, brake: Brake | None = None, reserve: int = 0) -> Loaded:
    """Load a bundle into a root; afterwards its tree is checked to be closed and true."""
    try:
        async with open_store(root, command="test", threads=4, reserve=Reserve(size=reserve)) as store:
            return await load(store, bundle, bundle.name, brake, Progress())
    finally:
        check_tree(root)


def served(root: Path) -> dict[str, Record]:
    """What a root serves, without when and by whom."""
    tree = Tree.at(root)
    return {name: record for name in tree.repositories() if (record := tree.record(name)) is not None}


def names(root: Path) -> dict[str, object]:
    """Tags, digests and referrers as a client sees them."""
    return {
        name: (
            {tag: (str(held.digest), held.kind, held.size, held.children) for tag, held in record.tags.items()},
            sorted(map(str, record.digests)),
            {str(subject): listed for subject, listed in record.referrers.items()},
            str(record.upstream),
        )
        for name, record in served(root).items()
    }


def blobs_of(path: Path) -> set[str]:
    """The digests of a bundle's manifests and blobs, as a tar reader of others sees them."""
    with tarfile.open(path) as tar:
        return {
            ":".join(each.split("/", 2)[1:]) for each in tar.getnames() if not each.startswith(("bundle", "records"))
        }


async def test_what_is_served_there_is_what_was_served_here(origin: Mirror, far: Path) -> None:
    """Tags, children, signatures, referrers and digests arrive whole, as one snapshot that says where it came from."""
    done = await bring(far, write(origin, "all.tar"))
    assert names(far) == names(origin.root)
    assert len(names(far)) == 3
    assert f"{HOST}/app" in names(far)
    record = served(far)[f"{HOST}/app"]
    assert {held.source for held in record.tags.values()} == {Source.LOAD}
    assert len(record.referrers[ONE.digest]) == 2
    manifests = {path.name for path in Layout(far).manifests(f"{HOST}/app").iterdir()}
    assert manifests == {path.name for path in origin.layout.manifests(f"{HOST}/app").iterdir()}
    assert f"{PART.digest}.oci-manifest" in manifests
    assert done.published.publication is not None
    snapshots = list(Layout(far).snapshots.iterdir())
    assert len(snapshots) == 1
    reason = json.loads((snapshots[0] / "_snapshot.json").read_text())["reason"]
    assert reason == f"load all.tar ({done.bundle.origin})"
    assert done.bundle.snapshot == Tree.at(origin.root).snapshot()


async def test_a_bundle_is_a_tar_and_always_the_same(origin: Mirror, far: Path) -> None:
    """Two exports are equal bytes; any tar reader lists it; each member is what its name says; the list comes first."""
    first, second = write(origin, "a.tar"), write(origin, "b.tar")
    assert first.read_bytes() == second.read_bytes()
    listed = subprocess.run(["tar", "-tf", first], capture_output=True, text=True, check=True).stdout.split()
    assert listed[0] == "bundle.json"
    with tarfile.open(first) as tar:
        assert tar.getnames() == listed
        for member in tar.getmembers()[1:]:
            content = tar.extractfile(member)
            assert content is not None
            assert Digest.of(content.read()).hex == member.name.rpartition("/")[2]
    assert [name.partition("/")[0] for name in listed[1:]] == sorted(
        (name.partition("/")[0] for name in listed[1:]), key=["records", "manifests", "blobs"].index
    )
    assert not first.with_name("a.tar.part").exists()
    assert (await bring(far, first)).taken.here_already == 0


async def test_only_what_is_new_is_carried_and_what_went_goes(origin: Mirror, upstream: Scripted, far: Path) -> None:
    """--since leaves out what the base had, across repositories; loading it updates and removes as the origin did."""
    await bring(far, write(origin, "all.tar"))
    base = Tree.at(origin.root).snapshot()
    upstream.push("app", TWO, "2", "latest")
    origin.configure("{host}/app:2", "{host}/app:latest", f"{{host}}/big@{BIG.digest}")
    assert not (await origin.sync()).has_failed
    delta = write(origin, "delta.tar", base)
    new = {str(TWO.digest), *(str(Digest.of(content)) for content in TWO.contents())}
    common = str(Digest.of(layer("common").content))
    assert blobs_of(delta) == new - {common}
    before = {path.name for path in Layout(far).snapshots.iterdir()}
    done = await bring(far, delta)
    assert names(far) == names(origin.root)
    assert f"{HOST}/multi" not in names(far)
    assert "1" not in served(far)[f"{HOST}/app"].tags
    assert done.bundle.since == base
    assert done.published.publication is not None
    assert done.published.publication.removed == (f"{HOST}/multi",)
    assert len({path.name for path in Layout(far).snapshots.iterdir()} - before) == 1


async def test_a_bundle_whose_base_is_lacking_is_refused_by_name(origin: Mirror, upstream: Scripted, far: Path) -> None:
    """Nothing is copied, nothing changes, and the message names the snapshot that has to be loaded first."""
    base = Tree.at(origin.root).snapshot()
    assert base is not None
    upstream.push("app", TWO, "2")
    await origin.sync()
    delta = write(origin, "delta.tar", base)
    with pytest.raises(
        BundleError, match=f"since snapshot {base} of .* lacks what that one had .*: load a bundle of it"
    ):
        await bring(far, delta)
    assert list((far / "pool").glob("*/*/*")) == []
    assert Tree.at(far).snapshot() is None


async def test_a_blob_that_only_the_base_has_is_missed_too(origin: Mirror, upstream: Scripted, far: Path) -> None:
    """Where manifests are here and a blob of the base is not, nothing is published either."""
    await bring(far, write(origin, "all.tar"))
    base = Tree.at(origin.root).snapshot()
    upstream.push("app", TWO, "1", "latest")
    await origin.sync()
    delta = write(origin, "delta.tar", base)
    before = names(far)
    common = Digest.of(layer("common").content)
    for path in (Layout(far).pooled(common), *Layout(far).content.glob(f"**/{common}")):
        path.unlink()
    with pytest.raises(BundleError, match=f"since snapshot {base}"):
        async with open_store(far, command="test", threads=2, reserve=Reserve(size=0)) as store:
            await load(store, delta, "delta.tar", None, Progress())
    assert names(far) == before


async def test_loading_again_changes_nothing(origin: Mirror, far: Path) -> None:
    """The same bundle twice publishes once, and copies once."""
    path = write(origin, "all.tar")
    first = await bring(far, path)
    again = await bring(far, path)
    assert again.published.publication is None
    assert (again.taken.bytes, again.taken.here_already) == (0, first.taken.bytes)


CUTS: list[Callable[[int], int]] = [
    lambda _: 0,
    lambda _: 100,
    lambda _: BLOCK,
    lambda _: BLOCK + 7,
    lambda whole: whole // 2,
    lambda whole: whole - 1025,
    lambda whole: whole - 1,
]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_truncated_bundle_loads_nothing_and_says_so(
    origin: Mirror, far: Path, cut: Callable[[int], int]
) -> None:
    """Wherever it is cut: an error that says that it is not whole, and neither pool nor what is served is touched."""
    path = write(origin, "all.tar")
    os.truncate(path, cut(path.stat().st_size))
    with pytest.raises(BundleError, match=r"cut short|is no bundle|can't be read"):
        await bring(far, path)
    assert list((far / "pool").glob("*/*/*")) == []
    assert Tree.at(far).snapshot() is None


async def test_no_flipped_byte_gets_in(origin: Mirror, far: Path) -> None:
    """One bit wrong anywhere in content, headers or list: an error, and what is served stays what it was."""
    path = write(origin, "all.tar")
    whole = path.read_bytes()
    planned = bundle_write.plan(origin.layout, None)
    members = list(placed(len(planned.bundle.encode()), planned.bundle.members))
    places = [0, 130, BLOCK + 20, len(whole) - 3]
    places += [at + member.size // 2 for member, at in members if member.size]
    places += [at - BLOCK + 3 for _, at in members]
    for place in places[:: max(1, len(places) // 24)]:
        content = bytearray(whole)
        content[place] ^= 0x04
        path.write_bytes(content)
        with pytest.raises(BundleError):
            await bring(far, path)
        assert Tree.at(far).snapshot() is None
        shutil.rmtree(far)  # what was right is in the pool, and would not be read again
    path.write_bytes(whole)
    await bring(far, path)
    assert names(far) == names(origin.root)


async def test_what_was_right_is_kept_for_the_next_attempt(origin: Mirror, far: Path) -> None:
    """After a failure in the middle only what was not verified is copied again."""
    path = write(origin, "all.tar")
    planned = bundle_write.plan(origin.layout, None)
    members = dict(placed(len(planned.bundle.encode()), planned.bundle.members))
    large = max(members, key=lambda member: member.size)
    whole = path.read_bytes()
    wrong = bytearray(whole)
    wrong[members[large] + 5] ^= 1
    path.write_bytes(wrong)
    with pytest.raises(BundleError, match=f"{large.name} do not hash"):
        await bring(far, path)
    path.write_bytes(whole)
    done = await bring(far, path)
    assert done.taken.here_already > 0
    assert done.taken.bytes >= large.size
    assert names(far) == names(origin.root)


def rewritten(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """A bundle with another list, all else in place: as somebody might forge one."""
    with tarfile.open(path) as tar:
        entries = [(each.name, (tar.extractfile(each) or io.BytesIO()).read()) for each in tar.getmembers()]
    document = json.loads(entries[0][1])
    change(document)
    entries[0] = (entries[0][0], json.dumps(document, separators=(",", ":")).encode())
    put(path, entries)


def put(path: Path, entries: list[tuple[str, bytes]]) -> None:
    """Write the tar of ``entries``."""
    with path.open("wb") as out:
        for name, content in entries:
            out.write(tar_header(name, len(content)) + content + bytes(-len(content) % BLOCK))
        out.write(bytes(2 * BLOCK))


def _set(key: str, value: object) -> Callable[[dict[str, object]], None]:
    return lambda document: document.update({key: value})


def _entry(key: str, at: int, value: object) -> Callable[[dict[str, object]], None]:
    def change(document: dict[str, object]) -> None:
        listed = document[key]
        assert isinstance(listed, list)
        listed[0][at] = value

    return change


FORGERIES = {
    "format": _set("schema", "mirrord.bundle/2"),
    "host": _set("host", "x\n\x1b[2J"),
    "snapshot": _set("snapshot", "../../etc"),
    "since": _set("since", 7),
    "no blobs": _set("blobs", None),
    "a name that leads out": _entry("records", 0, "../../../etc/cron.d"),
    "another repository's name": _entry("records", 0, "aaa/other"),
    "a digest that is none": _entry("blobs", 0, "sha256:../../x"),
    "a negative size": _entry("blobs", 1, -1),
    "a size that is true": _entry("manifests", 1, value=True),
    "an absurd size": _entry("manifests", 1, 1 << 60),
    "a kind that is none": _entry("manifests", 2, "tarball"),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_list_is_refused(origin: Mirror, far: Path, name: str) -> None:
    """Names, sizes and kinds of another grammar, or that contradict what follows, change nothing outside or inside."""
    path = write(origin, "all.tar")
    rewritten(path, FORGERIES[name])
    with pytest.raises(BundleError):
        await bring(far, path)
    assert Tree.at(far).snapshot() is None


async def test_a_tag_leads_to_what_is_there(origin: Mirror, far: Path) -> None:
    """A record that has another kind for its manifest than the bundle is refused: its tag would lead nowhere."""
    path = write(origin, "all.tar")
    with tarfile.open(path) as tar:
        entries = [(each.name, (tar.extractfile(each) or io.BytesIO()).read()) for each in tar.getmembers()]
    document = json.loads(entries[0][1])
    for listed, at in zip(document["records"], range(1, len(entries)), strict=False):
        content = entries[at][1].replace(b'"kind":"oci-index"', b'"kind":"docker-list"')
        digest = Digest.of(content)
        listed[1:] = [str(digest), len(content)]
        entries[at] = (f"records/sha256/{digest.hex}", content)
    entries[0] = (entries[0][0], json.dumps(document, separators=(",", ":")).encode())
    put(path, entries)
    with pytest.raises(BundleError, match="is no docker-list, as its record has it"):
        await bring(far, path)
    assert Tree.at(far).snapshot() is None


@pytest.mark.parametrize("kind", ["absent", "directory", "fifo", "text", "tar of others"])
async def test_what_is_no_bundle_is_refused(far: Path, tmp_path: Path, kind: str) -> None:
    """Without waiting for anybody, and with words that say what was expected."""
    path = tmp_path / "bundle"
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "text":
            path.write_text("nginx:1.27\n" * 100)
        case "tar of others":
            with tarfile.open(path, "w") as tar:
                tar.add(__file__, "bundle.json")
    with pytest.raises((ConfigError, BundleError), match=r"bundle|regular file"):
        await bring(far, path)


async def test_a_root_that_loads_is_a_root_like_any_other(
    origin: Mirror, upstream: Scripted, far: Path, tmp_path: Path
) -> None:
    """Verify finds nothing, gc deletes nothing served, a config drops nothing loaded, and a rollback goes back."""
    await bring(far, write(origin, "all.tar"))
    first = names(far)
    upstream.push("own", TWO, "1")
    own = Mirror(tmp_path / "own", upstream.url)
    own.place.mkdir()
    own.configure("{host}/own:1")
    own.config.write_text(own.config.read_text().replace(f"root: {own.root}", f"root: {far}"))
    synced = await own.command("sync")
    assert synced.status == 0, synced.out + synced.err
    assert names(far) == first | {f"{HOST}/own": names(far)[f"{HOST}/own"]}
    verified = await own.command("verify")
    assert verified.status == 0, verified.out
    async with open_store(far, command="test", threads=2, reserve=Reserve(size=0)) as store:
        await store.collect(
            Retention(keep_last=1, keep_daily=0, keep_weekly=0), is_dry=False, clock=lambda: time.time() + 1e7
        )
    check_tree(far)
    upstream.push("app", TWO, "1")
    await origin.sync()
    await bring(far, write(origin, "next.tar"))
    assert f"{HOST}/own" in names(far), "what the config brought is no bundle's to drop"
    assert names(far)[f"{HOST}/app"] != first[f"{HOST}/app"]
    back = await own.command("snapshots", "rollback", "--yes")
    assert back.status == 0, back.err
    assert names(far)[f"{HOST}/app"] == first[f"{HOST}/app"]
    held = await bring(far, write(origin, "again.tar"))
    assert held.published.held
    assert names(far)[f"{HOST}/app"] == first[f"{HOST}/app"]


async def test_what_is_blocked_there_stays_out(origin: Mirror, far: Path) -> None:
    """A block of the receiving side holds for bundles, and does not make a bundle fail."""
    path = write(origin, "all.tar")
    await bring(far, path)
    async with open_store(far, command="test", threads=2, reserve=Reserve(size=0)) as store:
        await store.block(parse_block(f"{HOST}/app:1", "bad"))
        await store.block(parse_block(str(BOTH.digest), "bad too"))
    await bring(far, path)
    assert f"{HOST}/multi" not in names(far)
    assert "1" not in served(far)[f"{HOST}/app"].tags
    assert "latest" in served(far)[f"{HOST}/app"].tags


async def test_the_brake_holds_for_bundles(origin: Mirror, far: Path, upstream: Scripted) -> None:
    """A bundle of an origin that lost most of its tags does not empty the mirror unless that is meant."""
    tags = [f"v{number}" for number in range(30)]
    upstream.push("many", ONE, *tags)
    origin.configure("{host}/many:*")
    await origin.sync()
    await bring(far, write(origin, "many.tar"))
    origin.configure("{host}/many:v1")
    await origin.sync()
    path = write(origin, "few.tar")
    with pytest.raises(BrakeError, match="mirrord load --allow-deletes"):
        await bring(far, path, brake=Brake(0.25, command="mirrord load"))
    assert len(served(far)[f"{HOST}/many"].tags) == 30
    await bring(far, path)
    assert list(served(far)[f"{HOST}/many"].tags) == ["v1"]


async def test_a_full_disk_while_loading(origin: Mirror, far: Path) -> None:
    """The reserve holds; the message says so, and nothing is served."""
    with pytest.raises(HostError, match="are kept free"):
        await bring(far, write(origin, "all.tar"), reserve=1 << 60)
    assert Tree.at(far).snapshot() is None


def test_a_full_disk_while_exporting_leaves_no_file(
    origin: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the bundle nor its .part is left, and the one that was there before stays."""
    path = tmp_path / "all.tar"
    path.write_text("the last one")
    if not Path("/dev/full").exists():
        pytest.fail("there is no /dev/full")
    part = path.with_name("all.tar.part")
    real = os.open

    def into_full(name: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if str(name) == str(part):
            return real("/dev/full", os.O_WRONLY)
        return real(name, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", into_full)
    monkeypatch.setattr(os, "fchmod", lambda *_: None)
    with pytest.raises(HostError, match="free some space"):
        bundle_write.write_file(bundle_write.plan(origin.layout, None), path, lambda _: None)
    assert path.read_text() == "the last one"
    assert not part.exists()


async def test_damage_here_is_not_exported(origin: Mirror) -> None:
    """A blob that no longer hashes to its name fails the export, which names it and what mends it; no file is left."""
    large = next(content for content in BIG.contents() if len(content) > 1 << 20)
    flip(origin.layout.pooled(Digest.of(large)))
    with pytest.raises(HostError, match="does not hash to its name; mirrord verify --repair"):
        write(origin, "all.tar")
    assert [path.name for path in origin.place.iterdir() if "all.tar" in path.name] == []


async def test_a_lost_blob_or_manifest_is_told(origin: Mirror) -> None:
    """What a tag names and is gone is the host's error, not a smaller bundle."""
    shutil.rmtree(origin.layout.blobs(f"{HOST}/big"))
    with pytest.raises(HostError, match="lacks the blob"):
        write(origin, "all.tar")
    shutil.rmtree(origin.layout.manifests(f"{HOST}/app"))
    with pytest.raises(HostError, match=f"{HOST}/app@sha256:.* is gone"):
        write(origin, "all.tar")


def test_nothing_served_is_no_bundle(tmp_path: Path) -> None:
    """An export of an empty mirror, or since a snapshot that is not there, is the command line's error."""
    with pytest.raises(ConfigError, match="serves nothing yet"):
        bundle_write.plan(Layout(tmp_path), None)


async def test_an_unknown_base_is_the_command_lines_error(origin: Mirror) -> None:
    """It names the snapshot, and what lists them."""
    with pytest.raises(ConfigError, match="there is no snapshot 99"):
        bundle_write.plan(origin.layout, "99")


async def test_a_load_that_is_killed_goes_on(origin: Mirror, far: Path) -> None:
    """Killed at any moment, nothing of it is served; loaded again, all of it is."""
    path = write(origin, "all.tar")
    for delay in (0.3, 0.5, 0.7):
        command = [sys.executable, "-m", "mirrord", "load", str(path), "--root", str(far)]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
        await asyncio.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if far.exists():
            check_tree(far)
    await bring(far, path)
    assert names(far) == names(origin.root)


def test_sizes_that_need_more_than_eleven_digits() -> None:
    """A layer of 8 GiB and more has the header that GNU's tar gives it, and a sha512 a name that fits."""
    for size in (0, 511, (1 << 33) - 1, 1 << 33, 1 << 44):
        header = tar_header("blobs/sha256/" + "a" * 64, size)
        read = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        assert (len(header), read.size, read.name, read.mode) == (BLOCK, size, "blobs/sha256/" + "a" * 64, 0o444)
    member = Member(Role.BLOB, Digest("sha512", "b" * 128), 5)
    read = tarfile.TarInfo.frombuf(tar_header(member.name, 5), "ascii", "strict")
    assert read.name == "blobs/sha512/" + "b" * 64 + "/" + "b" * 64


def test_a_list_survives_writing_and_reading() -> None:
    """What a bundle says of itself is read back as it was; its length is known beforehand."""
    members = (
        Member(Role.RECORD, Digest.of(b"1"), 1, "app"),
        Member(Role.MANIFEST, ONE.digest, len(ONE.manifest.raw), kind=ONE.manifest.kind),
        Member(Role.BLOB, Digest.of(b"2"), 513),
    )
    bundle = Bundle("00000001-20240101T000000Z", "2024-01-01T00:00:00+00:00", "a-host.example", None, members)
    assert Bundle.parse(bundle.encode()) == bundle
    assert length_of(100, members) == BLOCK * (2 + 2 + 1 + -(-len(ONE.manifest.raw) // BLOCK) + 1 + 2 + 2)


def test_a_built_image_is_whole() -> None:
    """The images that these tests carry share a layer, so that a delta can leave it out."""
    common = layer("common").content
    assert all(common in image_.blobs for image_ in (ONE, TWO, BIG) if isinstance(image_, BuiltImage))

"""Taking over other tools' bytes: what is right is copied once, what is wrong is told, and theirs stays untouched."""

import asyncio
import errno
import fcntl
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.docker_registry import running_registry
from support.foreign import ancestor, contents, oci_layout, registry_storage
from support.mirror import Mirror
from support.scripted import Scripted

from mirrord.config.reserve import Reserve
from mirrord.demo.images import AMD64, ARM64, BuiltImage, image, index, layer, signature
from mirrord.errors import ConfigError, HostError
from mirrord.oci.digest import Digest
from mirrord.store.adopt import Adopted, adopt
from mirrord.store.foreign import Foreign
from mirrord.store.layout import Layout
from mirrord.store.retention import Retention
from mirrord.store.store import Store, open_store
from mirrord.store.verify_pool import Progress

SMALL = image("small")
BIG = image("big", layers=[layer("big", 3 << 20), layer("shared")])
BOTH = index(image("both", platform=AMD64), image("both", platform=ARM64))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A root of this process, with nothing in it."""
    async with open_store(tmp_path / "root", command="test", threads=4, reserve=Reserve(size=0)) as held:
        yield held


async def take(store: Store, kind: str, place: Path) -> Adopted:
    """Adopt a tree."""
    return await adopt(store, Foreign(kind, place), Progress())


def pooled(layout: Layout) -> dict[str, bytes]:
    """What the pool holds, by digest."""
    rooms = (layout.root / "pool").glob("*/*/*")
    return {f"{path.parent.parent.name}:{path.name}": path.read_bytes() for path in rooms}


def told(done: Adopted) -> dict[str, str]:
    """What was left, and why."""
    return {left.path: left.reason for left in done.left}


def as_pooled(*images: BuiltImage) -> dict[str, bytes]:
    """What the pool holds of ``images``."""
    return {str(digest): content for digest, content in contents(images).items()}


async def test_a_registry_is_taken_over_and_the_first_sync_fetches_no_blob(
    tmp_path: Path, mirror: Mirror, upstream: Scripted
) -> None:
    """A real docker-registry's storage, then a sync of its images: no byte of a blob is asked for."""
    images = {"app": BIG, "tool": BOTH, "small": SMALL}
    place = tmp_path / "registry"
    place.mkdir()
    with running_registry(place) as registry:
        for name, built in images.items():
            registry.push(name, built, "1")
    for name, built in images.items():
        upstream.push(name, built, "1")
    mirror.configure(*(f"{{host}}/{name}:1" for name in images))
    done = await mirror.command("adopt", f"docker-registry:{place / 'storage'}")
    assert (done.status, "3." in done.out) == (0, True), done.out + done.err
    report = await mirror.sync()
    assert upstream.asked("/blobs/") == 0
    assert (report.progress.bytes_fetched, report.progress.blobs_fetched) == (0, 0)
    assert not report.has_failed


@pytest.mark.parametrize("kind", ["oci-layout", "docker-registry", "root"])
async def test_every_kind_of_tree_gives_all_it_has(store: Store, tmp_path: Path, kind: str) -> None:
    """Blobs and manifests, each byte the same, none linked to the other tree, whose files stay as they were."""
    place = {"oci-layout": oci_layout, "docker-registry": registry_storage, "root": oci_layout}[kind](
        tmp_path / "other", BIG, BOTH
    )
    if kind == "root":
        place = tmp_path / "other-root"
        async with open_store(place, command="test", threads=2, reserve=Reserve(size=0)) as other:
            await take(other, "oci-layout", tmp_path / "other")
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in place.rglob("*") if path.is_file()}
    done = await take(store, kind, place)
    assert pooled(store.layout) == as_pooled(BIG, BOTH)
    assert (done.left, done.files, done.here_already) == ([], len(contents([BIG, BOTH])), 0)
    assert done.bytes == sum(map(len, contents([BIG, BOTH]).values()))
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == before
    assert all(path.stat().st_nlink == 1 for path in before)
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in (store.layout.root / "pool").glob("*/*/*"))


async def test_the_ancestors_tree(store: Store, tmp_path: Path) -> None:
    """Blobs of skopeo's directories and manifests come over; its links to them are told, and cost nothing."""
    place = ancestor(tmp_path / "artifacts", "nginx", "1.16.1", SMALL)
    done = await take(store, "ancestor", place)
    assert pooled(store.layout) == as_pooled(SMALL)
    assert set(told(done).values()) == {"is a link, which is not followed"}
    assert len(done.left) == len(list(SMALL.contents()))


async def test_what_is_not_what_its_name_says_is_left(store: Store, tmp_path: Path) -> None:
    """Wrong bytes, large and small, cut files and manifests that are none: told, left, and nothing of them is kept."""
    place = oci_layout(tmp_path / "layout", BIG, SMALL)
    blobs = place / "blobs" / "sha256"
    wrong = [Digest.of(content) for content in BIG.contents()]
    for digest in wrong:
        content = bytearray((blobs / digest.hex).read_bytes())
        content[-1] ^= 1
        (blobs / digest.hex).write_bytes(content)
    done = await take(store, "oci-layout", place)
    assert set(told(done)) == {f"blobs/sha256/{digest.hex}" for digest in wrong}
    assert all("not to its name" in why or "with that digest, got" in why for why in told(done).values())
    expected = as_pooled(SMALL) | {str(BIG.digest): BIG.manifest.raw}
    assert pooled(store.layout) == expected
    (tmp_path / "other" / "docker_images" / "x" / "1").mkdir(parents=True)
    (tmp_path / "other" / "docker_images" / "x" / "1" / "manifest.json").write_bytes(b"[]")
    assert "docker_images/x/1/manifest.json" in told(await take(store, "ancestor", tmp_path / "other"))
    assert pooled(store.layout) == expected


async def test_a_hostile_tree_harms_nothing(store: Store, tmp_path: Path) -> None:
    """Links out of it, FIFOs, directories and wrong names in the places of blobs: none is followed or waited for."""
    place = oci_layout(tmp_path / "layout", SMALL)
    blobs = place / "blobs" / "sha256"
    secret = tmp_path / "secret"
    secret.write_bytes(b"not for everybody")
    (blobs / Digest.of(b"not for everybody").hex).symlink_to(secret)
    os.mkfifo(blobs / ("f" * 64))
    (blobs / ("d" * 64)).mkdir()
    (blobs / "..hidden").write_bytes(b"")
    (blobs / "name\nwith a line").write_bytes(b"")
    (place / "blobs" / "sha512").symlink_to(blobs)
    done = await take(store, "oci-layout", place)
    assert pooled(store.layout) == as_pooled(SMALL)
    reasons = told(done)
    assert reasons[f"blobs/sha256/{Digest.of(b'not for everybody').hex}"] == "is a link, which is not followed"
    assert "no regular file" in reasons["blobs/sha256/" + "f" * 64]
    assert "no regular file" in reasons["blobs/sha256/" + "d" * 64]
    assert reasons["blobs/sha256/..hidden"] == reasons["blobs/sha256/name\nwith a line"]
    assert "link" in reasons["blobs/sha512"]
    assert len(reasons) == 6
    assert list(store.layout.staging.glob("*.new")) == []


async def test_a_second_call_copies_nothing_and_renews_the_grace(
    tmp_path: Path, mirror: Mirror, upstream: Scripted
) -> None:
    """What the pool has is not copied again, and has its whole grace again; garbage collection takes it only after."""
    upstream.push("app", SMALL, "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    place, retention = oci_layout(tmp_path / "layout", BIG), Retention(grace=3600.0)
    async with open_store(mirror.root, command="test", threads=4, reserve=Reserve(size=0)) as store:
        await take(store, "oci-layout", place)
        files = [store.layout.pooled(digest) for digest in contents([BIG])]
        first = [path.stat().st_ctime_ns for path in files]
        await asyncio.sleep(0.05)  # the clock of a filesystem is coarse
        again = await take(store, "oci-layout", place)
        assert (again.files, again.bytes, again.here_already) == (0, 0, len(files))
        assert all(path.stat().st_ctime_ns > before for path, before in zip(files, first, strict=True))
        await store.collect(retention, is_dry=False)
        assert all(path.exists() for path in files)
        await store.collect(retention, is_dry=False, clock=lambda: time.time() + 7200)
        assert not any(path.exists() for path in files)


async def test_an_adoption_that_was_ended_goes_on(store: Store, tmp_path: Path) -> None:
    """A download's leavings of the same digest, right or wrong, are no obstacle."""
    place = oci_layout(tmp_path / "layout", BIG)
    large = next(content for content in BIG.contents() if len(content) > 1 << 20)
    store.layout.partial(Digest.of(large)).write_bytes(b"something else" * 1000)
    done = await take(store, "oci-layout", place)
    assert (done.left, pooled(store.layout)) == ([], as_pooled(BIG))
    assert not store.layout.partial(Digest.of(large)).exists()


async def test_blocks_are_shared_where_the_filesystem_can(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone is hashed after it was made: a wrong one is left, a right one is the pool's, and told as shared."""

    def clone(target: int, request: int, source: int) -> int:
        assert request == 0x40049409
        os.pwrite(target, os.pread(source, 1 << 30, 0), 0)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    other = image("other", layers=[layer("other", 2 << 20)])
    place = oci_layout(tmp_path / "layout", BIG, other)
    large = next(content for content in other.contents() if len(content) > 1 << 20)
    (place / "blobs" / "sha256" / Digest.of(large).hex).write_bytes(large[:-1] + bytes([large[-1] ^ 1]))
    done = await take(store, "oci-layout", place)
    assert [left.path.rpartition("/")[2] for left in done.left] == [Digest.of(large).hex]
    assert done.shared == max(map(len, BIG.contents()))
    held = as_pooled(BIG, other)
    del held[str(Digest.of(large))]
    assert pooled(store.layout) == held


async def test_a_clone_that_fails_is_the_hosts_error(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk while sharing blocks ends the adoption with exit status 3; what was taken stays."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fcntl, "ioctl", full)
    with pytest.raises(HostError, match="free some space"):
        await take(store, "oci-layout", oci_layout(tmp_path / "layout", BIG))


async def test_a_full_disk_ends_it_before_it_is_full(tmp_path: Path) -> None:
    """The reserve holds for adoptions too."""
    place = oci_layout(tmp_path / "layout", SMALL)
    async with open_store(tmp_path / "root", command="test", threads=2, reserve=Reserve(size=1 << 60)) as store:
        with pytest.raises(HostError, match="are kept free"):
            await take(store, "oci-layout", place)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tarball:/x", "names no tree that can be taken over"),
        ("/var/lib/registry", "names no tree that can be taken over"),
        ("oci-layout:", "names no tree that can be taken over"),
        ("oci-layout:{}/absent", "can't be looked at: No such file"),
        ("oci-layout:{}/file", "is no directory"),
        ("docker-registry:{}", "docker/registry/v2/blobs/"),
        ("root:{}/root", "is the root itself"),
    ],
)
async def test_a_tree_that_is_none_is_refused(store: Store, tmp_path: Path, text: str, words: str) -> None:
    """What is wrong with the words, or with the place, is said before anything is done."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=words):
        await adopt(store, Foreign.parse(text.format(tmp_path)), Progress())


async def test_memory_does_not_grow_with_a_blob(store: Store, tmp_path: Path) -> None:
    """A large file is copied piece by piece: no piece that is read has more than a few MiB."""
    sizes: list[int] = []
    place = oci_layout(tmp_path / "layout", image("huge", layers=[layer("huge", 24 << 20)]))
    real = os.pread

    def counted(descriptor: int, size: int, at: int) -> bytes:
        sizes.append(size)
        return real(descriptor, size, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", counted)
        done = await take(store, "oci-layout", place)
    assert done.left == []
    assert max(sizes) <= 4 << 20
    await asyncio.sleep(0)


def test_the_signature_beside_an_image_is_content_too(tmp_path: Path) -> None:
    """Trees are walked in one order, whatever the disk's."""
    place = oci_layout(tmp_path / "layout", SMALL, signature(SMALL))
    walked = [str(found) for found in Foreign("oci-layout", place).walk()]
    assert walked == sorted(walked)
    assert len(walked) == len(contents([SMALL, signature(SMALL)]))

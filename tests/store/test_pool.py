"""The pool and what leaves it: one inode for every byte, and nothing wrong under a digest."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from mirrord.config.reserve import Reserve
from mirrord.demo.images import descriptor, image, layer
from mirrord.errors import DigestMismatchError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor
from mirrord.store import content, durable, pool
from mirrord.store.layout import Layout
from mirrord.store.partial import Partial
from mirrord.store.root import create
from mirrord.store.store import open_store

T = TypeVar("T")
BLOB = os.urandom(3_000_000)
DIGEST = Digest.of(BLOB)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A fresh root."""
    return create(tmp_path / "root")


async def run(call: Callable[[], T]) -> T:
    """Run at once: a test has one thread."""
    return call()


async def opened(layout: Layout, digest: Digest = DIGEST, size: int = len(BLOB)) -> Partial:
    """A partial, open."""
    partial = Partial(layout, digest, size, run)
    await partial.open()
    return partial


async def test_verified_bytes_become_read_only_in_the_pool(layout: Layout) -> None:
    """True: what hashes to its digest is linked into the pool, mode 0444, and its partial is gone."""
    partial = await opened(layout)
    await partial.write([BLOB[:10], BLOB[10:]])
    await partial.finish()
    await partial.close()
    assert layout.pooled(DIGEST).read_bytes() == BLOB
    assert layout.pooled(DIGEST).stat().st_mode & 0o777 == 0o444
    assert os.listdir(layout.staging) == ["trash"]


async def test_a_flipped_bit_never_reaches_the_pool(layout: Layout) -> None:
    """True: bytes that do not hash to the digest are forgotten, and the error names both digests."""
    partial = await opened(layout)
    wrong = bytes([BLOB[0] ^ 1]) + BLOB[1:]
    await partial.write([wrong])
    with pytest.raises(DigestMismatchError) as raised:
        await partial.finish()
    assert str(DIGEST) in str(raised.value)
    assert str(Digest.of(wrong)) in str(raised.value)
    assert partial.offset == 0
    assert not layout.pooled(DIGEST).exists()
    await partial.close()


async def test_a_partial_is_resumed_where_it_ended(layout: Layout) -> None:
    """A download that was cut is taken up by another process: what is there is hashed, the rest appended."""
    first = await opened(layout)
    await first.write([BLOB[:1_000_000]])
    await first.close()
    second = await opened(layout)
    assert (second.offset, second.resumed, second.missing) == (1_000_000, True, 2_000_000)
    await second.write([BLOB[1_000_000:]])
    await second.finish()
    await second.close()
    assert layout.pooled(DIGEST).read_bytes() == BLOB


async def test_a_partial_with_zeros_from_a_power_cut_starts_again(layout: Layout) -> None:
    """Hole 16: a resumed download that does not match is forgotten whole, so that it can begin from zero."""
    layout.partial(DIGEST).write_bytes(b"\0" * 1_000_000)
    partial = await opened(layout)
    await partial.write([BLOB[1_000_000:]])
    with pytest.raises(DigestMismatchError):
        await partial.finish()
    await partial.write([BLOB])
    await partial.finish()
    await partial.close()
    assert layout.pooled(DIGEST).read_bytes() == BLOB


async def test_a_partial_that_is_the_pools_own_file_is_never_written(layout: Layout) -> None:
    """A run killed between link and unlink leaves one inode with two names: resuming must not write into the pool."""
    pool.add_small(layout, [pool.SmallFile(DIGEST, BLOB)])
    os.link(layout.pooled(DIGEST), layout.partial(DIGEST))
    partial = await opened(layout)
    assert partial.offset == 0
    await partial.write([b"x"])
    await partial.close()
    assert layout.pooled(DIGEST).read_bytes() == BLOB


async def test_a_cancelled_write_ends_before_its_file_is_closed(layout: Layout) -> None:
    """A worker that goes on after its awaiter was cancelled keeps its descriptor until it is done."""
    go_on = threading.Event()

    async def slowly(call: Callable[[], T]) -> T:
        return await asyncio.to_thread(lambda: (go_on.wait(), call())[1])

    partial = Partial(layout, DIGEST, len(BLOB), slowly)
    opening = asyncio.create_task(partial.open())
    go_on.set()
    await opening
    go_on.clear()
    writing = asyncio.create_task(partial.write([BLOB[:1000]]))
    await asyncio.sleep(0)
    writing.cancel()
    closing = asyncio.create_task(partial.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    go_on.set()
    await closing
    assert layout.partial(DIGEST).read_bytes() == BLOB[:1000]


class Pieces:
    """A source of pieces, each no longer than there is room for."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def fill(self, room: memoryview) -> int:
        """The next piece."""
        piece = self._pieces.pop(0)
        room[: len(piece)] = piece
        return len(piece)


async def test_what_a_source_gives_is_drawn_by_the_worker(layout: Layout) -> None:
    """Full rooms until one is not; what is drawn and what is written make one blob, hashed as it came."""
    room = 1 << 20
    partial = await opened(layout)
    assert await partial.draw(Pieces(BLOB[:room], BLOB[room : 2 * room], b"")) == 2 * room
    await partial.write([BLOB[2 * room : 2 * room + 5]])
    assert await partial.draw(Pieces(b"")) == 0
    assert await partial.draw(Pieces(BLOB[2 * room + 5 :])) == len(BLOB) - 2 * room - 5
    await partial.finish()
    await partial.close()
    assert layout.pooled(DIGEST).read_bytes() == BLOB


async def test_a_partial_left_read_only_is_resumed(layout: Layout) -> None:
    """A run killed between making it read-only and linking it loses nothing."""
    layout.partial(DIGEST).write_bytes(BLOB)
    layout.partial(DIGEST).chmod(0o444)
    partial = await opened(layout)
    assert partial.missing == 0
    await partial.finish()
    await partial.close()
    assert layout.pooled(DIGEST).read_bytes() == BLOB


async def test_a_link_in_place_of_a_partial_is_not_followed(layout: Layout, tmp_path: Path) -> None:
    """A symlink in staging is replaced, and what it points to stays as it is."""
    (tmp_path / "victim").write_text("mine")
    layout.partial(DIGEST).symlink_to(tmp_path / "victim")
    partial = await opened(layout)
    await partial.write([BLOB])
    await partial.finish()
    await partial.close()
    assert (tmp_path / "victim").read_text() == "mine"


def test_a_truncated_pool_file_is_replaced(layout: Layout) -> None:
    """Hole 10: a name that is there with the wrong size gives way to the verified bytes."""
    layout.pooled(DIGEST).parent.mkdir(parents=True)
    layout.pooled(DIGEST).write_bytes(BLOB[:5])
    pool.add_small(layout, [pool.SmallFile(DIGEST, BLOB)])
    assert layout.pooled(DIGEST).read_bytes() == BLOB


def test_a_batch_puts_every_file_into_the_pool(layout: Layout) -> None:
    """Small files go in as one batch, of few (fsync each) or many (one syncfs), and staging ends empty."""
    for amount in (1, 40):
        files = [pool.SmallFile(Digest.of(f"{amount} {n}".encode()), f"{amount} {n}".encode()) for n in range(amount)]
        pool.add_small(layout, files)
        assert all(layout.pooled(file.digest).read_bytes() == file.content for file in files)
    assert os.listdir(layout.staging) == ["trash"]


def test_a_link_target_of_the_wrong_size_is_replaced(layout: Layout) -> None:
    """A truncated file in a repository's content gives way to the pool's."""
    pool.add_small(layout, [pool.SmallFile(DIGEST, BLOB)])
    target = layout.blob("app", DIGEST)
    durable.make_directories(target.parent, layout.root)
    target.write_bytes(b"torn")
    assert pool.link_out(layout, DIGEST, len(BLOB), target)
    assert target.stat().st_ino == layout.pooled(DIGEST).stat().st_ino


def link_often(source: Path, directory: Path, times: int) -> None:
    """Link one file many times."""
    for number in range(times):
        os.link(source, directory / str(number))


def test_at_the_limit_of_links_the_pool_gets_a_fresh_copy(layout: Layout) -> None:
    """Hole 23: when a file has as many links as the filesystem allows, a copy takes the pool's name."""
    pool.add_small(layout, [pool.SmallFile(DIGEST, BLOB)])
    full = layout.pooled(DIGEST).stat().st_ino
    limit = os.pathconf(layout.root, "PC_LINK_MAX")
    crowd = layout.root / "crowd"
    crowd.mkdir()
    with pytest.raises(OSError, match="Too many links"):
        link_often(layout.pooled(DIGEST), crowd, limit + 1)
    assert content.survey(layout, "app", [descriptor(BLOB)]).pooled
    durable.make_directories(layout.blobs("app"), layout.root)
    assert pool.link_out(layout, DIGEST, len(BLOB), layout.blob("app", DIGEST))
    assert layout.blob("app", DIGEST).read_bytes() == BLOB
    assert layout.pooled(DIGEST).stat().st_ino != full
    assert layout.blob("app", DIGEST).stat().st_nlink == 2


def test_bytes_that_left_the_pool_complete_nothing(layout: Layout) -> None:
    """Hole 17: a link whose source is gone says so, and the manifest does not become visible."""
    built = image("x", layers=(layer("l"),))
    files = [pool.SmallFile(built.digest, built.manifest.raw)]
    files += [pool.SmallFile(Digest.of(blob), blob) for blob in built.blobs]
    pool.add_small(layout, files)
    layout.pooled(Digest.of(built.blobs[1])).unlink()
    done = content.complete(layout, [content.Completion("app", built.manifest, built.manifest.blobs)])
    assert done == [False]
    assert not content.has_manifest(layout, "app", built.digest)


def test_a_survey_tells_where_each_blob_is(layout: Layout) -> None:
    """Held, pooled, absent; a file of the wrong size counts as absent."""
    blobs = [b"held", b"pooled", b"absent", b"torn"]
    pool.add_small(layout, [pool.SmallFile(Digest.of(blob), blob) for blob in blobs[:2]])
    durable.make_directories(layout.blobs("app"), layout.root)
    pool.link_out(layout, Digest.of(b"held"), 4, layout.blob("app", Digest.of(b"held")))
    layout.blob("app", Digest.of(b"torn")).write_bytes(b"t")

    def sizes(found: tuple[Descriptor, ...]) -> list[Digest]:
        return [blob.digest for blob in found]

    found = content.survey(layout, "app", [descriptor(blob) for blob in blobs])
    assert sizes(found.held) == [Digest.of(b"held")]
    assert sizes(found.pooled) == [Digest.of(b"pooled")]
    assert sizes(found.absent) == [Digest.of(b"absent"), Digest.of(b"torn")]


async def test_a_blob_has_one_writer_though_the_first_fails(tmp_path: Path) -> None:
    """Who waits for a download that fails takes it over, one at a time: a partial has one writer."""
    blob = Descriptor("application/octet-stream", Digest.of(b"never comes"), 11)
    writers = 0

    async def fetch() -> None:
        nonlocal writers
        async with store.download(blob) as partial:
            assert partial is not None
            writers += 1
            assert writers == 1
            await asyncio.sleep(0.02)
            writers -= 1

    async with open_store(tmp_path / "root", command="test", threads=2, reserve=Reserve(size=0)) as store:
        await asyncio.gather(*(fetch() for _ in range(6)))

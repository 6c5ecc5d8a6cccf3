"""The disk fills up: the run says so, what is served stays, and when there is room again no hand work is needed."""

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from aiohttp import web
from support.closed import check_tree
from support.crash import Ground
from support.disk import memory, resize
from support.mirror import Mirror
from support.paced import Paced
from support.states import State, World
from support.warm import Warm

from mirrord.demo.images import image, layer
from mirrord.oci.digest import Digest

LAYERS = [layer(f"heavy {number}", 12 << 20) for number in range(6)]
"""More than fits."""
RESERVE = 8 << 20


@pytest.fixture
def heavy(warm: Warm, tmp_path: Path) -> Iterator[Ground]:
    """A run that changes a small image and adds one of 72 MiB."""
    world = World(
        State((("small", image("before"), ("1",)),), ("{host}/small:1",)),
        State(
            (("small", image("after"), ("1",)), ("large", image("large", layers=LAYERS), ("1",))),
            ("{host}/small:1", "{host}/large:1"),
        ),
        b"",
        b"",
        frozenset(),
    )
    upstream = Paced()
    with upstream.in_background():
        ground = Ground(Mirror(tmp_path, upstream.url), upstream, warm, world)
        ground.prepare()
        yield ground


class Reading:
    """Somebody who reads all that is served, again and again, while the block runs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.times = 0
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._over.is_set() and self.failure is None:
            try:
                check_tree(self._root)
                self.times += 1
            except (AssertionError, OSError, ValueError) as failure:
                self.failure = failure


def overfill(ground: Ground, point: Path, size: str, reserve: str) -> tuple[str, int]:
    """Run on a disk of ``size`` in memory; give what the run said, and the bytes that were free afterwards.

    Then give the disk more room, and see that the next run makes up for it.
    """
    config = ground.mirror.config
    config.write_text(f"reserve: {reserve}\n{config.read_text()}")
    with memory(point, size), ground.moved_to(point / "mirror"):
        ground.fresh()
        with Reading(ground.root) as reading:
            ended = ground.run()
        free = os.statvfs(point)
        assert ended.status == 3, f"exit status {ended.status}: {ended.words}"
        assert reading.failure is None
        assert reading.times
        ground.check_served_mixed()
        resize(point, "256m")
        ground.check_next_run()
    return ended.words, free.f_bavail * free.f_frsize


def test_the_reserve_is_kept(heavy: Ground, tmp_path: Path) -> None:
    """A blob that would eat into the reserve is not begun: the run says how much is free, and exits with 3."""
    words, free = overfill(heavy, tmp_path / "disk", "64m", f"{RESERVE}B")
    assert "no room for blob sha256:" in words
    assert f"{RESERVE} are kept free (reserve:)" in words
    assert free >= RESERVE


def test_somebody_else_fills_the_disk(heavy: Ground, tmp_path: Path) -> None:
    """A disk that is full to the last byte while a blob streams is named, with what to do; readers never notice."""
    content = LAYERS[-1].content
    send = heavy.upstream.in_pieces(content)

    async def play(request: web.Request) -> web.StreamResponse:
        subprocess.run(["dd", "if=/dev/zero", f"of={tmp_path / 'disk' / 'stranger'}", "bs=64K"], check=False)
        return await send(request)

    heavy.upstream.when(f"GET .*{Digest.of(content)}", play)
    words, free = overfill(heavy, tmp_path / "disk", "96m", "0B")
    assert "No space left on device" in words
    assert "inodes free); free some space: what is served stays as it was" in words
    assert free == 0

"""The scrub: everything a root holds, hashed and checked in one pass, without its lock and without a write.

It may run beside a sync: what looks wrong is looked at again before it is told (see `verify_look.confirmed`).
"""

import functools
import os
from collections.abc import Iterator

from msgspec import Struct, field

from mirrord.errors import HostError
from mirrord.events import get_logger
from mirrord.oci.digest import Digest
from mirrord.store.blocks import Blocks, read_blocks
from mirrord.store.layout import Layout
from mirrord.store.reader import Reader
from mirrord.store.verify_content import ContentCheck
from mirrord.store.verify_finding import Found, Verification
from mirrord.store.verify_history import HistoryCheck, read_history
from mirrord.store.verify_look import Eye, confirmed
from mirrord.store.verify_pace import Pace, Pacer
from mirrord.store.verify_pool import PoolCheck, Progress
from mirrord.store.verify_rooms import check_private, check_root

_log = get_logger()

_SLICE = 4 << 20
"""Bytes read in one call on a worker thread."""
_SLICES = 10
"""Slices in a second, at least, where the rate is lower."""
_STEPS = 2000
"""Steps made in one such call, of which most may read nothing."""


class Scan(Struct):
    """One pass over a root, in steps that block only shortly."""

    layout: Layout
    progress: Progress
    only: frozenset[Digest] | None = None
    """The digests whose files are hashed; None is all."""
    found: Found = field(default_factory=Found)
    unlinked: int = 0
    unlinked_bytes: int = 0

    def steps(self) -> Iterator[int]:
        """Check everything; each step yields the bytes it read."""
        layout, found = self.layout, self.found
        eye = Eye(layout.root, os.lstat(layout.mark).st_uid)
        yield from confirmed(functools.partial(check_root, layout, eye), found)
        pool = PoolCheck(layout, eye, self.progress, self.only)
        yield from pool.measure()
        yield from pool.steps(found)
        self.unlinked, self.unlinked_bytes = pool.unlinked, pool.unlinked_bytes
        content = ContentCheck(layout, eye, pool, read_history(layout), self._blocks())
        yield from confirmed(content.rooms, found)
        for name in sorted(content.repositories.union(content.history.named)):
            yield from self._look(functools.partial(content.repository, name))
        history = HistoryCheck(layout, eye)
        for name, identities in content.history.named.items():
            for identity in sorted(identities):
                yield from self._look(functools.partial(history.generation, name, identity))
        for name in content.history.snapshots:
            yield from self._look(functools.partial(history.snapshot, name))
        yield from confirmed(history.rooms, found)
        yield from confirmed(history.current, found)
        yield from confirmed(functools.partial(check_private, layout, eye), found)

    def _look(self, look: "functools.partial[Iterator[int]]") -> Iterator[int]:
        yield from confirmed(look, self.found)
        self.progress.damages = len(self.found.findings)

    def _blocks(self) -> Blocks:
        try:
            return read_blocks(self.layout)
        except HostError:  # a finding of its own
            return Blocks()

    def advance(self, steps: Iterator[int], limit: int) -> tuple[int, bool]:
        """Make some of ``steps``, of about ``limit`` bytes together; gives the bytes read, and whether it was all."""
        read = 0
        for _ in range(_STEPS):
            count = next(steps, None)
            if count is None:
                return read, True
            read += count
            self.progress.bytes_done += count
            if read >= limit:
                break
        return read, False


async def verify(
    reader: Reader, pacer: Pacer, progress: Progress, only: frozenset[Digest] | None = None
) -> Verification:
    """Check everything, hashing every file (or those of the digests in ``only``) at the pace of ``pacer``.

    Raises HostError where the root can't be looked at at all.
    """
    clock, pace = pacer.clock, Pace(pacer.rate)
    scan = Scan(reader.layout, progress, only)
    steps, begun = scan.steps(), pacer.clock.now()
    limit = _SLICE if pacer.rate is None else min(_SLICE, pacer.rate // _SLICES + 1)
    is_all = False
    while not is_all:
        began = clock.now()
        count, is_all = await reader.run(lambda: scan.advance(steps, limit))
        pace = pace.after(began, count)
        if pause := pace.pause(clock.now()):
            await clock.sleep(pause)
    found = Verification(
        tuple(scan.found.named()),
        scan.found.more,
        frozenset(scan.found.lost),
        frozenset(scan.found.incomplete),
        progress.files_done,
        progress.bytes_done,
        scan.unlinked,
        scan.unlinked_bytes,
        clock.now() - begun,
    )
    told = _log.info if only is None else _log.debug
    told(
        "verify.finished",
        files=found.files,
        bytes=found.bytes,
        damages=len(found.findings) + found.more,
        seconds=round(found.seconds, 3),
    )
    return found

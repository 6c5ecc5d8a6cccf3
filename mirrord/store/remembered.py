"""What was read of files, remembered as long as they are the same files; bounded, and of one process.

A file is the same where its device, inode, mode, size and times are. The times are those of a clock that ticks: a file
that was changed just now may be changed once more within the tick, so what was read of one is not remembered yet.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from msgspec import Struct, field

V = TypeVar("V")

Identity = tuple[int, int, int, int, int, int]

_TICK: Final = 50_000_000
"""Nanoseconds within which a filesystem's clock ticks (the kernel's tick is 10 ms at most)."""
_WHOLE: Final = 2_000_000_000
"""The same where a filesystem keeps whole seconds, as some old ones do."""


def identity_of(path: str | os.PathLike[str]) -> Identity | None:
    """What tells a file or directory from any that is put in its place, or written over; None where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Remembered(Struct, Generic[V]):
    """By path, what was read there; what was asked for longest ago is forgotten first."""

    limit: int
    """How much may be remembered, by ``weigh``; 0 is nothing."""
    weigh: Callable[[V], int]
    weight: int = 0
    """How much is."""
    _known: dict[str, tuple[tuple[Identity, ...], V]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, read: Callable[[], V], *paths: str) -> V:
        """What ``read`` gives of the files at ``paths``, the first of which names it; raises what that raises.

        It is not read again while all of them are the same.
        """
        if not self.limit:
            return read()
        looked = time.time_ns()
        found = [identity_of(path) for path in paths]
        files = tuple(each for each in found if each is not None)
        with self._lock:
            known = self._known.get(paths[0])
            if known is not None and known[0] == files and len(files) == len(paths):
                self._known[paths[0]] = self._known.pop(paths[0])
                return known[1]
        value = read()
        if len(files) == len(paths) and all(is_settled(max(each[-2:]), looked) for each in files):
            with self._lock:
                self._keep(paths[0], files, value)
        return value

    def forget(self, name: str) -> None:
        """Forget what was read at ``name``."""
        with self._lock:
            known = self._known.pop(name, None)
            self.weight -= self.weigh(known[1]) if known else 0

    def _keep(self, name: str, files: tuple[Identity, ...], value: V) -> None:
        before = self._known.pop(name, None)
        self.weight += self.weigh(value) - (self.weigh(before[1]) if before else 0)
        self._known[name] = files, value
        while self.weight > self.limit:
            _, oldest = self._known.pop(next(iter(self._known)))
            self.weight -= self.weigh(oldest)


def is_settled(changed: int, now: int) -> bool:
    """Whether a file that says when it was ``changed`` (ns) would say so, ``now``, had it been changed again since."""
    return now - changed > (_TICK if changed % 1_000_000_000 else _WHOLE)

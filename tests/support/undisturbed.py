"""The system calls of a run that nothing disturbs: how many there are to disturb, and in which order they come."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.crash import Ground
from support.strace import Injection, counted, traced

CALLS = (
    "fsync",
    "ftruncate",
    "linkat",
    "mkdir",
    "rename",
    "rmdir",
    "symlink",
    "syncfs",
    "unlink",
    "unlinkat",
    "write",
    "writev",
)
"""All calls by which a run changes its root, but for those that open files and set modes."""
OPENS = ("openat", "openat2")
_RELATIVES = (
    "fdatasync", "link", "renameat", "renameat2", "symlinkat", "mkdirat", "pwrite64", "pwritev", "pwritev2", "truncate"
)  # fmt: skip
_BATCHED = {"fsync", "syncfs", "linkat", "unlink", "write"}
_PAUSE = "delay_enter=200000"


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What the one thread that does all disk work calls."""

    calls: Counter[str]
    """Those of CALLS and OPENS, by name."""
    elsewhere: Counter[str]
    """What the main thread opens: strace counts for each thread, so these come before the disk's thread is alone."""
    lines: tuple[str, ...]
    """Each call as strace tells it."""
    pause: tuple[Injection, ...]
    """The disk is slow for once: meanwhile small files gather, and are made durable as one batch."""

    @classmethod
    def of(cls, ground: Ground, log: Path) -> "Undisturbed":
        """Trace the run of ``ground``."""
        pause: tuple[Injection, ...] = ()
        if ground.world.many:
            made = [line for line in _trace(ground, log) if " fchmod(" in line]
            many = (
                number for number, line in enumerate(made, 1) if any(digest in line for digest in ground.world.many)
            )
            pause = (Injection(("fchmod",), _PAUSE, str(next(many))),)
        lines = _trace(ground, log, *pause)
        found = sorted(counted(log).values(), key=Counter.total)
        assert len(found) <= 2, "more than one thread works on the disk: strace would count for each by itself"
        calls, elsewhere = found[-1], found[0] if len(found) > 1 else Counter[str]()
        assert elsewhere.keys() <= set(OPENS), "the main thread works on the disk"
        assert not calls.keys() & set(_RELATIVES), "calls that nothing disturbs: they belong among CALLS"
        assert not pause or calls["syncfs"] > 1, "no batch of small files was made durable at once"
        return cls(calls, elsewhere, lines, pause)

    def points(self, call: str) -> Sequence[int]:
        """The numbers of ``call`` that only the disk's thread reaches."""
        return range(1 + self.elsewhere[call], self.calls[call] + 1)

    def successes(self, call: str) -> Sequence[int]:
        """The numbers of ``call`` that do what they are to: for a link, its name is not there already."""
        lines = [line for line in self.lines if f" {call}(" in line]
        return [number for number, line in enumerate(lines, 1) if not re.search(r"= -1 E\w+ ", line)]

    def pause_for(self, call: str) -> tuple[Injection, ...]:
        """The pause, where it makes a difference to ``call``."""
        return self.pause if call in _BATCHED else ()


def _trace(ground: Ground, log: Path, *injections: Injection) -> tuple[str, ...]:
    ground.fresh()
    run = ground.begin()
    with traced(run.process, log, (*CALLS, *OPENS, *_RELATIVES, "fchmod"), *injections):
        run.go()
        ended = run.wait()
    assert ended.status == 0, ended.words
    return tuple(log.read_text("utf-8", "replace").splitlines())

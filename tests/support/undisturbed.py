"""The system calls of a run that nothing disturbs: how many there are to disturb, and in which order they come."""

from collections import Counter
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
_RELATIVES = (
    "fdatasync", "link", "renameat", "renameat2", "symlinkat", "mkdirat", "pwrite64", "pwritev", "pwritev2", "truncate"
)  # fmt: skip
_BATCHED = {"fsync", "syncfs", "linkat", "unlink", "write"}
_PAUSE = "delay_enter=200000"


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What the one thread that does all disk work calls."""

    calls: Counter[str]
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
            many = (number for number, line in enumerate(made, 1) if any(digest in line for digest in ground.world.many))
            pause = (Injection(("fchmod",), _PAUSE, str(next(many))),)
        lines = _trace(ground, log, *pause)
        found = counted(log)
        assert len(found) == 1, "more than one thread works on the disk: strace would count for each by itself"
        (calls,) = found.values()
        assert not calls.keys() & set(_RELATIVES), "calls that nothing disturbs: they belong among CALLS"
        assert not pause or calls["syncfs"] > 1, "no batch of small files was made durable at once"
        return cls(calls, lines, pause)

    def pause_for(self, call: str) -> tuple[Injection, ...]:
        """The pause, where it makes a difference to ``call``."""
        return self.pause if call in _BATCHED else ()


def _trace(ground: Ground, log: Path, *injections: Injection) -> tuple[str, ...]:
    ground.fresh()
    run = ground.begin()
    with traced(run.process, log, (*CALLS, *_RELATIVES, "fchmod"), *injections):
        run.go()
        ended = run.wait()
    assert ended.status == 0, ended.words
    return tuple(log.read_text("utf-8", "replace").splitlines())

"""The power cuts can find fault: without a barrier they do. What ext4 can't show, the order of calls does."""

import re
from pathlib import Path

import pytest
from support.crash import Ground
from support.power import cut_at, cut_at_the_end
from support.strace import Injection
from support.undisturbed import Undisturbed


def number_of(undisturbed: Undisturbed, call: str, pattern: str) -> int:
    """Which of a run's calls of that name is the last one that ``pattern`` fits."""
    calls = [line for line in undisturbed.lines if f" {call}(" in line]
    return max(number for number, line in enumerate(calls, 1) if re.search(pattern, line))


def swap(undisturbed: Undisturbed) -> int:
    """Which of the renames is the one that publishes."""
    return number_of(undisturbed, "rename", r'/\.current\.\d+", ".*/current"')


def test_without_b1_a_cut_leaves_files_that_belie_their_names(
    update: Ground, of_update: Undisturbed, tmp_path: Path
) -> None:
    """Bytes that are not durable before their name is: found by hashing what nobody names yet (holes 10 and 29)."""
    unsynced = Injection(("fsync", "syncfs"), "retval=0")
    stop = Injection(("linkat",), "signal=SIGSTOP", str(number_of(of_update, "linkat", r'"[^"]*/pool/[^"]*", 0')))
    with pytest.raises(AssertionError, match="does not hash to its name"):
        cut_at(update, tmp_path, stop, unsynced, commit=True)


def test_without_b3_a_cut_leaves_a_snapshot_of_empty_files(
    update: Ground, of_update: Undisturbed, tmp_path: Path
) -> None:
    """Served before all it names is durable: found by reading what is served (hole 1)."""
    unsynced = Injection(("syncfs",), "retval=0")
    stop = Injection(("rename",), "signal=SIGSTOP", str(swap(of_update)))
    with pytest.raises(ValueError, match="Expecting value"):
        cut_at(update, tmp_path, stop, unsynced, commit=True)


def test_without_b4_a_cut_undoes_what_was_reported(update: Ground, of_update: Undisturbed, tmp_path: Path) -> None:
    """Reported before the swap is durable: found by looking for it."""
    swapped = next(place for place, line in enumerate(of_update.lines) if re.search(r'", ".*/current"', line))
    before = sum(" fsync(" in line for line in of_update.lines[:swapped])
    nothing = Injection(("fsync",), "retval=0", f"{before + 1}+")
    nor_this = Injection(
        ("syncfs",), "retval=0"
    )  # the status is made durable by one after the swap, and the swap with it
    with pytest.raises(AssertionError, match="what was reported as published is gone"):
        cut_at_the_end(update, tmp_path, nothing, nor_this)

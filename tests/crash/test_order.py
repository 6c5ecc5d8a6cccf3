"""The order of a run's system calls: each barrier stands between what it parts, and its absence would be seen."""

import re
from collections.abc import Callable

import pytest
from support.crash import Ground
from support.order import Call, Order, read_calls
from support.undisturbed import Undisturbed

BLOBS = re.compile(r"content/.*/_blobs")


@pytest.fixture
def calls(update: Ground, of_update: Undisturbed) -> list[Call]:
    """What a run calls when nothing disturbs it."""
    found = read_calls(of_update.lines, update.root)
    assert len(found) > 500
    return found


def test_every_step_waits_for_what_it_relies_on(calls: list[Call]) -> None:
    """Bytes before their name (B1), blobs before their manifest (B2), all before the swap (B3), the swap first (B4)."""
    assert Order.faults_of(calls) == []


def is_sync_of_a_batch(call: Call) -> bool:
    """The syncfs that makes a batch of small files durable."""
    return call.name == "syncfs" and call.paths == ("staging",)


REMOVED: dict[str, tuple[str, Callable[[Call], bool]]] = {
    "B1 of small files": ("B1", lambda call: call.name == "fsync" and call.paths[0].endswith(".new")),
    "B1 of large files": ("B1", lambda call: call.name == "fsync" and call.paths[0].endswith(".part")),
    "B1 of batches": ("B1", is_sync_of_a_batch),
    "B2": ("B2", lambda call: call.name == "fsync" and bool(BLOBS.fullmatch(call.paths[0]))),
    "B3": ("B3", lambda call: call.name == "syncfs" and call.paths == (".",)),
    "B4": ("B4", lambda call: call.name == "fsync" and call.paths == (".",)),
}


@pytest.mark.parametrize("barrier", REMOVED)
def test_a_barrier_that_is_missing_is_seen(calls: list[Call], barrier: str) -> None:
    """Without any one of them the order is found at fault, by name."""
    fault, is_removed = REMOVED[barrier]
    left = [call for call in calls if not is_removed(call)]
    assert len(left) < len(calls)
    assert {each.partition(":")[0] for each in Order.faults_of(left)} == {fault}


def test_a_barrier_that_is_opened_late_is_seen(calls: list[Call]) -> None:
    """Hole 9: lost bytes are told only to a descriptor that was opened before they were written."""
    place = next(place for place, call in enumerate(calls) if is_sync_of_a_batch(call))
    late = [*calls[:place], Call("openat", ("staging",), calls[place].descriptor), *calls[place:]]
    assert any(fault.startswith("B1") for fault in Order.faults_of(late))

"""What a run holds in memory at once: it does not grow with what the config names, nor with what fails."""

import asyncio

import pytest
from support.mirror import Mirror, by_name

from mirrord.errors import MirrordError, UpstreamError
from mirrord.sync.outcome import Outcome, Status

REPOSITORIES = 300


async def test_tasks_are_made_in_turn(mirror: Mirror) -> None:
    """Bounded: of many repositories some are in work, and the others have no task yet."""
    mirror.configure(*(f"{{host}}/app{number}:1" for number in range(REPOSITORIES)))
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(asyncio.all_tasks()))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    report = await mirror.sync()
    watching.cancel()
    assert len(by_name(report)) == REPOSITORIES
    assert 10 < most < REPOSITORIES / 2


def test_an_outcome_keeps_its_error_and_nothing_of_where_it_was_met() -> None:
    """Bounded: ten thousand failures don't keep the frames, answers and documents of ten thousand requests."""

    def fail() -> None:
        try:
            int("a")
        except ValueError as cause:
            raise UpstreamError("no") from cause

    with pytest.raises(MirrordError) as met:
        fail()
    outcome = Outcome.of_error("app:1", met.value)
    assert (outcome.status, str(outcome.error)) == (Status.FAILED, "no")
    assert (met.value.__traceback__, met.value.__cause__, met.value.__context__) == (None, None, None)

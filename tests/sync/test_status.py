"""The status of every image: what a run changes in it, what stays, and what goes."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mirrord.errors import DeferredError, HostError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.sync.merge import status_after
from mirrord.sync.outcome import Outcome, Progress, Report, Status
from mirrord.sync.outcomes import Outcomes
from mirrord.sync.status import RUNS_KEPT, ImageStatus, MirrorStatus, Wanted, with_line

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ONE, TWO = Digest.of(b"one"), Digest.of(b"two")


def wanted(*repositories: str) -> Wanted:
    """A whole look at these."""
    return Wanted(dict.fromkeys(repositories, "g"), dict.fromkeys(repositories, 3600.0), frozenset(repositories))


def after(
    status: MirrorStatus,
    now: datetime,
    *outcomes: Outcome,
    problem: HostError | None = None,
    withheld: Mapping[str, Outcome] | None = None,
) -> MirrorStatus:
    """The status after a run of those outcomes."""
    report = Report("r", Outcomes.of(outcomes), (), 1.0, 0, Progress(), problem=problem, withheld=withheld or {})
    return status_after(status, report, wanted(*{outcome.repository for outcome in outcomes}), now)


def test_success_is_remembered_through_failures() -> None:
    """A failure leaves digest and last success, and says whose move it is, and since when."""
    status = after(MirrorStatus(), NOON, Outcome("a:1", Status.ADDED, ONE))
    for hours in (1, 2):
        error = UpstreamError(f"no {hours}")
        status = after(status, NOON + timedelta(hours=hours), Outcome("a:1", Status.FAILED, ONE, ONE, error))
    image = status.images["a:1"]
    assert (image.digest, image.succeeded, image.changed) == (str(ONE), "2026-03-04T12:00:00+00:00", image.succeeded)
    assert image.checked == "2026-03-04T14:00:00+00:00"
    assert image.trouble is not None
    assert (image.trouble.owner, image.trouble.text) == ("upstream", "no 2")
    assert image.trouble.since == "2026-03-04T13:00:00+00:00"
    status = after(status, LATER, Outcome("a:1", Status.UNCHANGED, ONE))
    assert status.images["a:1"].trouble is None


def test_a_change_is_dated() -> None:
    """`changed` moves with the digest, and with nothing else."""
    status = after(MirrorStatus(), NOON, Outcome("a:1", Status.ADDED, ONE))
    status = after(status, LATER, Outcome("a:1", Status.UNCHANGED, ONE, ONE))
    assert status.images["a:1"].changed == "2026-03-04T12:00:00+00:00"
    status = after(status, LATER, Outcome("a:1", Status.UPDATED, TWO, ONE))
    assert status.images["a:1"].changed == "2026-03-04T13:00:00+00:00"


def test_what_the_config_no_longer_wants_leaves_the_status() -> None:
    """Of a repository that was looked at whole, what a run does not name is gone; others stay."""
    status = after(MirrorStatus(), NOON, Outcome("a:1", Status.ADDED, ONE), Outcome("b:1", Status.ADDED, ONE))
    status = after(status, LATER, Outcome("a:2", Status.ADDED, ONE), Outcome("a:1", Status.REMOVED, None, ONE))
    assert set(status.images) == {"a:2", "b:1"}


def test_a_repository_that_fails_as_a_whole_keeps_its_images() -> None:
    """Its list could not be had: each of its images is in the same trouble, and ages."""
    status = after(MirrorStatus(), NOON, Outcome("a:1", Status.ADDED, ONE))
    status = after(status, LATER, Outcome("a (m.yaml:3)", Status.FAILED, error=UpstreamError("no list")))
    image = status.images["a:1"]
    assert image.succeeded == "2026-03-04T12:00:00+00:00"
    assert image.trouble is not None
    assert image.trouble.text == "no list"
    status = after(status, LATER, Outcome("a:1", Status.UNCHANGED, ONE))
    assert set(status.images) == {"a:1"}


def test_what_is_complete_and_not_published_is_not_fresh() -> None:
    """A failed publication, or a group that is held back, leaves the last success where it was."""
    status = after(MirrorStatus(), NOON, Outcome("a:1", Status.ADDED, ONE))
    moved = Outcome("a:1", Status.UPDATED, TWO, ONE)
    full = after(status, LATER, moved, problem=HostError("disk full")).images["a:1"]
    assert (full.digest, full.succeeded) == (str(ONE), "2026-03-04T12:00:00+00:00")
    assert full.trouble is not None
    other = Outcome("b:1", Status.FAILED, error=UpstreamError("no"))
    held = after(status, LATER, moved, other, withheld={"g": other}).images["a:1"]
    assert (held.digest, held.succeeded, held.trouble) == (str(ONE), "2026-03-04T12:00:00+00:00", None)
    assert "group g waits for b:1" in held.note


def test_staleness_is_of_the_last_success() -> None:
    """Stale is what was last right too long ago, or never."""
    image = after(MirrorStatus(), NOON, Outcome("a:1", Status.ADDED, ONE)).images["a:1"]
    assert not image.is_stale(NOON + timedelta(seconds=3600))
    assert image.is_stale(NOON + timedelta(seconds=3601))
    assert ImageStatus("g", 3600.0).is_stale(NOON)


def test_a_deferred_image_says_when_it_is_asked_again() -> None:
    """The time is the upstream's own."""
    error = DeferredError("wait", seconds=600.0)
    image = after(MirrorStatus(), NOON, Outcome("a:1", Status.DEFERRED, error=error)).images["a:1"]
    assert image.trouble is not None
    assert image.trouble.retry == "2026-03-04T12:10:00+00:00"


def test_a_digest_that_waits_for_its_cooldown_is_no_trouble() -> None:
    """What is served is what is wanted: it is fresh, and the note says what waits, and until when."""
    status = after(MirrorStatus(), NOON, Outcome("a:1", Status.ADDED, ONE))
    waits = Outcome("a:1", Status.DEFERRED, TWO, ONE, warning="waits until then", until=1.0)
    image = after(status, LATER, waits).images["a:1"]
    assert (image.digest, image.succeeded, image.trouble) == (str(ONE), "2026-03-04T13:00:00+00:00", None)
    assert image.note == "waits until then"


def test_it_is_read_back_as_it_was_written() -> None:
    """Restarts forget nothing, and the file says which schema it has."""
    outcomes = Outcome("a:1", Status.ADDED, ONE), Outcome("b:1", Status.FAILED, error=UpstreamError("no"))
    status = after(MirrorStatus(), NOON, *outcomes)
    content = status.encode({"groups": {}})
    assert MirrorStatus.decode(content) == status
    assert json.loads(content)["schema"] == "mirrord.status/1"


def test_the_history_of_runs_is_bounded() -> None:
    """The oldest lines go."""
    content = b""
    for number in range(RUNS_KEPT + 5):
        content = with_line(content, {"run": number})
    lines = content.splitlines()
    assert len(lines) == RUNS_KEPT
    assert json.loads(lines[0]) == {"run": 5}
    assert json.loads(lines[-1]) == {"run": RUNS_KEPT + 4}

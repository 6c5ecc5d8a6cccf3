"""When a tag goes away: each way in which it can, and what then becomes of what is served (DESIGN, section 5)."""

import json
import time

import pytest
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer

from mirrord.demo.images import image, signature, signature_tag
from mirrord.errors import BrakeError, Owner
from mirrord.store.state import read_note
from mirrord.sync.memory import MISSING_FILE
from mirrord.sync.outcome import Outcome, Report, Status

REMOVE = "delete: {upstream: remove}\nretention: {grace: 24h}\n"
DAY = 86_400.0


def age(mirror: Mirror, seconds: float) -> None:
    """Let what the upstream lacks have been missing for so much longer."""
    path = mirror.layout.state / MISSING_FILE
    document = json.loads(path.read_bytes())
    aged = {
        repository: {tag: [value, at - seconds] for tag, (value, at) in tags.items()}
        for repository, tags in document.items()
    }
    path.write_text(json.dumps(aged))


def outcome_of(report: Report, name: str) -> Outcome:
    """What became of one image."""
    (found,) = [outcome for outcome in report.outcomes if outcome.name == f"{HOST}/{name}"]
    return found


@pytest.fixture
async def served(mirror: Mirror, upstream: Scripted) -> Mirror:
    """A mirror of three tags of one repository."""
    for tag in ("1.0", "1.1", "1.2"):
        upstream.push("app", image(tag), tag)
    mirror.configure('{{name: "{host}/app", tags: ["1.*"]}}')
    await mirror.sync()
    return mirror


async def test_deleted_upstream_is_kept(served: Mirror, upstream: Scripted) -> None:
    """Last good stays: a tag that the upstream's list lacks is served on, is no failure, and is told."""
    upstream.untag("app", "1.0")
    report = await served.sync()
    assert by_name(report)["app:1.0"] is Status.KEPT
    assert "list no longer has it; the copy that is served stays" in outcome_of(report, "app:1.0").warning
    assert not report.has_failed
    assert set(served.tags("app")) == {"1.0", "1.1", "1.2"}


async def test_a_tag_named_in_full_that_the_upstream_deleted_is_kept(mirror: Mirror, upstream: Scripted) -> None:
    """The same without a list: its manifest is 404."""
    upstream.push("app", image("x"), "1.0")
    mirror.configure("{host}/app:1.0")
    await mirror.sync()
    upstream.untag("app", "1.0")
    report = await mirror.sync()
    assert by_name(report) == {"app:1.0": Status.KEPT}
    assert set(mirror.tags("app")) == {"1.0"}


@pytest.mark.parametrize("rule", ['tags: ["1.*"]', 'tags: ["1.0", "1.1"]', "tags: {{newest: 5}}"])
async def test_with_remove_it_goes_after_the_grace(mirror: Mirror, upstream: Scripted, rule: str) -> None:
    """`delete.upstream: remove`: first it is noted, and only when it has been missing for the grace it goes."""
    for tag in ("1.0", "1.1"):
        upstream.push("app", image(tag), tag)
    mirror.configure(f'{{{{name: "{{host}}/app", {rule}}}}}', extra=REMOVE)
    await mirror.sync()
    upstream.untag("app", "1.0")
    report = await mirror.sync()
    assert by_name(report)["app:1.0"] is Status.KEPT
    assert "stays until " in outcome_of(report, "app:1.0").warning
    age(mirror, DAY - 60)
    assert by_name(await mirror.sync())["app:1.0"] is Status.KEPT
    age(mirror, 61)
    report = await mirror.sync()
    assert by_name(report)["app:1.0"] is Status.REMOVED
    assert "deleted upstream since " in outcome_of(report, "app:1.0").warning
    assert set(mirror.tags("app")) == {"1.1"}
    assert not report.has_failed
    await mirror.sync()
    assert read_note(mirror.layout, MISSING_FILE) == {}


async def test_a_tag_whose_header_outlives_it_is_missing(mirror: Mirror, upstream: Scripted) -> None:
    """A HEAD that is answered from a cache says nothing where no manifest can be had: the grace runs, and ends."""
    upstream.push("app", image("x"), "1.0", "1.1")
    mirror.configure('{{name: "{host}/app", tags: ["1.0", "1.1"]}}', extra=REMOVE)
    await mirror.sync()
    upstream.when("HEAD .*/1.0$", then=answer(200, b"", {"Docker-Content-Digest": "sha256:" + "0" * 64}))
    upstream.untag("app", "1.0")
    assert by_name(await mirror.sync())["app:1.0"] is Status.KEPT
    age(mirror, DAY - 60)
    assert by_name(await mirror.sync())["app:1.0"] is Status.KEPT
    age(mirror, 61)
    assert by_name(await mirror.sync())["app:1.0"] is Status.REMOVED


async def test_a_tag_that_comes_back_begins_anew(served: Mirror, upstream: Scripted) -> None:
    """Missing, there, missing again: the grace counts from the second time."""
    served.configure('{{name: "{host}/app", tags: ["1.*"]}}', extra=REMOVE)
    upstream.untag("app", "1.0")
    await served.sync()
    age(served, DAY)
    upstream.push("app", image("1.0"), "1.0")
    assert by_name(await served.sync())["app:1.0"] is Status.UNCHANGED
    upstream.untag("app", "1.0")
    assert by_name(await served.sync())["app:1.0"] is Status.KEPT


async def test_losing_the_note_only_costs_time(served: Mirror, upstream: Scripted) -> None:
    """Without the note, or with one that can't be read, the grace begins anew."""
    served.configure('{{name: "{host}/app", tags: ["1.*"]}}', extra=REMOVE)
    upstream.untag("app", "1.0")
    for damage in (None, b"{", b'{"a": 1}', b"[]", b'{"registry.test/app": {"1.0": ["", "x"]}}'):
        await served.sync()
        age(served, DAY)
        path = served.layout.state / MISSING_FILE
        path.unlink() if damage is None else path.write_bytes(damage)
        assert by_name(await served.sync())["app:1.0"] is Status.KEPT
    age(served, DAY)
    assert by_name(await served.sync())["app:1.0"] is Status.REMOVED


async def test_a_clock_that_was_set_back_removes_nothing_early(served: Mirror, upstream: Scripted) -> None:
    """A note from the future begins anew."""
    served.configure('{{name: "{host}/app", tags: ["1.*"]}}', extra=REMOVE)
    upstream.untag("app", "1.0")
    await served.sync()
    age(served, -10 * DAY)
    await served.sync()
    document = read_note(served.layout, MISSING_FILE)
    assert document[f"{HOST}/app"]["1.0"][1] <= time.time()


async def test_a_run_of_some_images_removes_nothing(served: Mirror, upstream: Scripted) -> None:
    """`sync IMAGE` drops nothing, however long it has been gone."""
    served.configure('{{name: "{host}/app", tags: ["1.*"]}}', extra=REMOVE)
    upstream.untag("app", "1.0")
    await served.sync()
    age(served, 2 * DAY)
    assert by_name(await served.sync(f"{HOST}/app"))["app:1.0"] is Status.KEPT


async def test_a_dry_run_foresees_it_and_takes_no_note(served: Mirror, upstream: Scripted) -> None:
    """`--dry-run` says what would go, and what would be kept."""
    served.configure('{{name: "{host}/app", tags: ["1.*"]}}', extra=REMOVE)
    upstream.untag("app", "1.0")
    assert "kept       registry.test/app:1.0" in (await served.command("sync", "--dry-run")).out
    assert read_note(served.layout, MISSING_FILE) is None
    await served.sync()
    age(served, DAY)
    assert "removed    registry.test/app:1.0" in (await served.command("sync", "--dry-run")).out
    assert set(served.tags("app")) == {"1.0", "1.1", "1.2"}


@pytest.mark.parametrize("body", [b'{"tags": []}', b'{"tags": null}'])
async def test_a_list_that_is_suddenly_empty_is_an_error_and_keeps_all(
    served: Mirror, upstream: Scripted, body: bytes
) -> None:
    """An empty list while tags are held is not believed, whatever `delete` says, and however often it comes."""
    served.configure('{{name: "{host}/app", tags: ["1.*"]}}', extra=REMOVE)
    upstream.when("tags/list", then=answer(200, body))
    for _ in range(2):
        report = await served.sync()
        (outcome,) = report.outcomes
        assert outcome.error is not None
        assert outcome.error.owner is Owner.UPSTREAM
        assert "its tag list is empty, though 3 of its tags are held; they are kept" in str(outcome.error)
        assert set(served.tags("app")) == {"1.0", "1.1", "1.2"}
        assert read_note(served.layout, MISSING_FILE) in (None, {})


async def test_out_of_its_rule_it_goes_with_the_next_publication(served: Mirror) -> None:
    """A tag that no rule wants any more goes, at once."""
    served.configure('{{name: "{host}/app", tags: ["1.2"]}}')
    report = await served.sync()
    assert by_name(report) == {"app:1.0": Status.REMOVED, "app:1.1": Status.REMOVED, "app:1.2": Status.UNCHANGED}
    assert set(served.tags("app")) == {"1.2"}


async def test_out_of_the_config_it_goes_with_the_next_publication(served: Mirror, upstream: Scripted) -> None:
    """An image that leaves the config goes whole, with its signatures."""
    upstream.push("app", signature(image("1.0")), signature_tag(image("1.0").digest))
    upstream.push("other", image("x"), "1")
    served.configure("{host}/other:1")
    report = await served.sync()
    assert by_name(report)["app:1.1"] is Status.REMOVED
    assert served.tags("app") == {}
    assert set(served.tags("other")) == {"1"}


async def test_what_newer_tags_outrank_goes_when_those_are_here(mirror: Mirror, upstream: Scripted) -> None:
    """`newest: 2`: a new version pushes the oldest out in one publication; one that fails pushes nothing out."""
    for tag in ("1.0", "1.1"):
        upstream.push("app", image(tag), tag)
    mirror.configure('{{name: "{host}/app", tags: {{newest: 2}}}}')
    await mirror.sync()
    upstream.push("app", image("1.2"), "1.2")
    upstream.when("GET .*/blobs/", then=answer(404, b"{}"))
    report = await mirror.sync()
    assert by_name(report) == {"app:1.0": Status.KEPT, "app:1.1": Status.UNCHANGED, "app:1.2": Status.FAILED}
    assert "newer tags outrank it, and are not here yet" in outcome_of(report, "app:1.0").warning
    assert set(mirror.tags("app")) == {"1.0", "1.1"}
    upstream.stop_playing()
    report = await mirror.sync()
    assert by_name(report) == {"app:1.0": Status.REMOVED, "app:1.1": Status.UNCHANGED, "app:1.2": Status.ADDED}
    assert len(report.snapshots) == 1
    assert set(mirror.tags("app")) == {"1.1", "1.2"}


async def test_a_yanked_version_is_kept_and_takes_nobodys_place(mirror: Mirror, upstream: Scripted) -> None:
    """Deleted upstream is kept, and the newest that the upstream has are selected beside it."""
    for tag in ("1.0", "1.1", "2.0"):
        upstream.push("app", image(tag), tag)
    mirror.configure('{{name: "{host}/app", tags: {{newest: 1}}}}')
    await mirror.sync()
    upstream.untag("app", "2.0")
    report = await mirror.sync()
    assert by_name(report) == {"app:1.1": Status.ADDED, "app:2.0": Status.KEPT}
    upstream.push("app", image("2.1"), "2.1")
    assert by_name(await mirror.sync()) == {
        "app:1.1": Status.REMOVED,
        "app:2.0": Status.REMOVED,
        "app:2.1": Status.ADDED,
    }


async def test_the_brake_holds_for_tags_deleted_upstream(mirror: Mirror, upstream: Scripted) -> None:
    """`delete.max` stops a publication that would drop too many, by whatever way; `--allow-deletes` lets it pass."""
    tags = [f"1.{number}" for number in range(30)]
    for tag in tags:
        upstream.push("app", image("same"), tag)
    mirror.configure('{{name: "{host}/app", tags: ["1.*"]}}', extra=REMOVE)
    await mirror.sync()
    for tag in tags[:25]:
        upstream.untag("app", tag)
    await mirror.sync()
    age(mirror, DAY)
    done = await mirror.command("sync")
    assert done.status == 1
    assert "this would drop 25 of 30 tags, more than 25% (delete.max)" in done.out
    assert "mirrord sync --allow-deletes" in done.out
    assert set(mirror.tags("app")) == set(tags)
    assert (await mirror.command("sync", "--allow-deletes")).status == 0
    assert set(mirror.tags("app")) == set(tags[25:])
    assert BrakeError.owner is Owner.CONFIG


async def test_the_brake_holds_for_newest(mirror: Mirror, upstream: Scripted) -> None:
    """A rule that is made narrower goes through the brake, too."""
    for number in range(30):
        upstream.push("app", image("same"), f"1.{number}")
    mirror.configure('{{name: "{host}/app", tags: {{newest: 30}}}}')
    await mirror.sync()
    mirror.configure('{{name: "{host}/app", tags: {{newest: 2}}}}')
    done = await mirror.command("sync")
    assert done.status == 1
    assert "this would drop 28 of 30 tags" in done.out
    assert len(mirror.tags("app")) == 30

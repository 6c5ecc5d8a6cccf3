"""Cooldown: a tag's new digest is published once it has been seen upstream, unchanged, for that long."""

import json
from datetime import UTC, datetime

import pytest
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer

from mirrord.demo.images import ARM64, image, index, signature, signature_tag
from mirrord.store.state import read_note
from mirrord.sync.memory import COOLDOWN_FILE, MISSING_FILE, waiting
from mirrord.sync.outcome import Outcome, Report, Status

DAY = 86_400.0


def age(mirror: Mirror, seconds: float) -> None:
    """Let what waits have been seen so much earlier."""
    path = mirror.layout.state / COOLDOWN_FILE
    aged = {
        repository: {tag: [digest, at - seconds] for tag, (digest, at) in tags.items()}
        for repository, tags in json.loads(path.read_bytes()).items()
    }
    path.write_text(json.dumps(aged))


def the_one(report: Report) -> Outcome:
    """The outcome of a run of one image."""
    (outcome,) = report.outcomes
    return outcome


@pytest.fixture
async def served(mirror: Mirror, upstream: Scripted) -> Mirror:
    """A mirror that serves `app:1`, and waits three days with what is new."""
    upstream.push("app", image("old"), "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    mirror.configure('{{name: "{host}/app:1", cooldown: 3d}}')
    return mirror


async def test_a_new_digest_waits_and_the_old_one_stays(served: Mirror, upstream: Scripted) -> None:
    """Nothing of it is fetched before it is due; the outcome says until when; then it is published."""
    assert the_one(await served.sync()).status is Status.UNCHANGED
    new = upstream.push("app", image("new"), "1")
    upstream.forget_requests()
    report = await served.sync()
    outcome = the_one(report)
    assert outcome.status is Status.DEFERRED
    assert not report.has_failed
    assert outcome.error is None
    assert outcome.until is not None
    assert abs(outcome.until - datetime.now(UTC).timestamp() - 3 * DAY) < 600
    assert datetime.fromisoformat(str(outcome.document()["until"])).timestamp() == pytest.approx(outcome.until, abs=1)
    assert "cooldown: what is new is published from " in outcome.warning
    assert "--skip-cooldown" in outcome.warning
    assert [asked.method for asked in upstream.requests] == ["HEAD"]
    assert served.tags("app") == {"1": image("old").digest}
    age(served, 3 * DAY - 600)
    assert the_one(await served.sync()).status is Status.DEFERRED
    age(served, 600)
    assert the_one(await served.sync()).status is Status.UPDATED
    assert served.tags("app") == {"1": new}
    assert read_note(served.layout, COOLDOWN_FILE) == {}


async def test_a_digest_that_changes_again_starts_anew(served: Mirror, upstream: Scripted) -> None:
    """Each digest has to prove itself, also one that had been there before."""
    first, second = image("first"), image("second")
    upstream.push("app", first, "1")
    await served.sync()
    age(served, 2 * DAY)
    upstream.push("app", second, "1")
    await served.sync()
    age(served, 2 * DAY)
    assert the_one(await served.sync()).status is Status.DEFERRED
    upstream.tag("app", "1", first.digest)
    await served.sync()
    age(served, 2 * DAY)
    assert the_one(await served.sync()).status is Status.DEFERRED
    age(served, DAY)
    assert the_one(await served.sync()).status is Status.UPDATED
    assert served.tags("app") == {"1": first.digest}


async def test_a_digest_that_goes_back_is_forgotten(served: Mirror, upstream: Scripted) -> None:
    """A poisoned release that is taken back within the cooldown was never served, and leaves no note."""
    upstream.push("app", image("evil"), "1")
    await served.sync()
    upstream.tag("app", "1", image("old").digest)
    assert the_one(await served.sync()).status is Status.UNCHANGED
    assert read_note(served.layout, COOLDOWN_FILE) == {}
    upstream.tag("app", "1", image("evil").digest)
    assert the_one(await served.sync()).status is Status.DEFERRED


async def test_a_tags_first_digest_waits_too(mirror: Mirror, upstream: Scripted) -> None:
    """A tag that was never held is asked for by HEAD alone until it is due, then comes by its digest."""
    pushed = upstream.push("app", image("x"), "1")
    mirror.configure('{{name: "{host}/app:1", cooldown: 1h}}')
    assert the_one(await mirror.sync()).status is Status.DEFERRED
    assert [asked.method for asked in upstream.requests] == ["HEAD"]
    assert mirror.tags("app") == {}
    age(mirror, 3600)
    upstream.forget_requests()
    assert the_one(await mirror.sync()).status is Status.ADDED
    assert upstream.asked(f"GET .*/manifests/{pushed}") == 1
    assert upstream.asked("GET .*/manifests/1$") == 0
    assert mirror.tags("app") == {"1": pushed}


async def test_newest_does_not_shrink_while_the_newer_waits(mirror: Mirror, upstream: Scripted) -> None:
    """`newest: 1` with a cooldown: the old version is served until the new one is."""
    upstream.push("app", image("1.0"), "1.0")
    mirror.configure('{{name: "{host}/app", tags: {{newest: 1}}}}')
    await mirror.sync()
    upstream.push("app", image("1.1"), "1.1")
    mirror.configure('{{name: "{host}/app", tags: {{newest: 1}}, cooldown: 1d}}')
    assert by_name(await mirror.sync()) == {"app:1.0": Status.KEPT, "app:1.1": Status.DEFERRED}
    dry = (await mirror.command("sync", "--dry-run")).out
    assert "kept       registry.test/app:1.0" in dry
    assert "deferred   registry.test/app:1.1" in dry
    assert set(mirror.tags("app")) == {"1.0"}
    age(mirror, DAY)
    assert by_name(await mirror.sync()) == {"app:1.0": Status.REMOVED, "app:1.1": Status.ADDED}
    assert set(mirror.tags("app")) == {"1.1"}


async def test_what_is_served_is_completed_while_the_new_waits(mirror: Mirror, upstream: Scripted) -> None:
    """A platform that the config chooses later comes for the digest that is served, not for the one that waits."""
    old = index(image("old"), image("old", platform=ARM64))
    upstream.push("app", old, "1")
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64]}}')
    await mirror.sync()
    upstream.push("app", index(image("new"), image("new", platform=ARM64)), "1")
    mirror.configure('{{name: "{host}/app:1", platforms: all, cooldown: 1d}}')
    assert the_one(await mirror.sync()).status is Status.DEFERRED
    assert mirror.tags("app") == {"1": old.digest}
    assert upstream.asked(str(image("old", platform=ARM64).digest)) == 1
    assert upstream.asked(str(image("new").digest)) == 0


async def test_what_is_completed_while_the_new_waits_does_not_prolong_the_wait(
    mirror: Mirror, upstream: Scripted
) -> None:
    """The new digest is due when it was due before, whatever came for the old one meanwhile."""
    old = index(image("old"), image("old", platform=ARM64))
    upstream.push("app", old, "1")
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64]}}')
    await mirror.sync()
    new = upstream.push("app", index(image("new"), image("new", platform=ARM64)), "1")
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64], cooldown: 2d}}')
    await mirror.sync()
    age(mirror, DAY)
    mirror.configure('{{name: "{host}/app:1", platforms: all, cooldown: 2d}}')
    assert the_one(await mirror.sync()).status is Status.DEFERRED
    age(mirror, DAY)
    assert the_one(await mirror.sync()).status is Status.UPDATED
    assert mirror.tags("app") == {"1": new}


async def test_what_is_lost_here_and_gone_upstream_is_not_a_missing_tag(served: Mirror, upstream: Scripted) -> None:
    """The tag is there, and waits: what can't be had is the manifest that it named before."""
    old = served.tags("app")["1"]
    served.layout.manifest(f"{HOST}/app", old, image("old").manifest.kind).unlink()
    upstream.push("app", image("new"), "1")
    upstream.when(f"GET .*/{old}", then=answer(404))
    done = await served.command("sync")
    assert done.status == 1
    assert f"what is served of it is not whole, and can't be completed: {HOST}/app" in done.out
    assert "kept" not in done.out
    assert read_note(served.layout, MISSING_FILE) in (None, {})


LIE = answer(200, b"", {"Docker-Content-Digest": "sha256:" + "0" * 64})
"""Of a digest that is nowhere."""


async def test_a_header_that_lies_neither_publishes_early_nor_for_ever_late(served: Mirror, upstream: Scripted) -> None:
    """The digest of the tag's own bytes is what has to stay for the cooldown."""
    new = upstream.push("app", image("new"), "1")
    upstream.when("HEAD", then=LIE)
    assert the_one(await served.sync()).status is Status.DEFERRED
    age(served, 3 * DAY)
    assert the_one(await served.sync()).status is Status.DEFERRED  # the tag's bytes are seen for the first time
    assert {each.digest for each in waiting(served.layout)} == {str(new)}
    age(served, 2 * DAY)
    assert the_one(await served.sync()).status is Status.DEFERRED
    age(served, DAY)
    assert the_one(await served.sync()).status is Status.UPDATED
    assert served.tags("app") == {"1": new}
    assert read_note(served.layout, COOLDOWN_FILE) == {}


async def test_signatures_come_with_what_is_due(served: Mirror, upstream: Scripted) -> None:
    """The signature of a digest that waits is not served before it; that of the old one stays."""
    new = image("new")
    upstream.push("app", new, "1")
    upstream.push("app", signature(new), signature_tag(new.digest))
    await served.sync()
    assert set(served.tags("app")) == {"1"}
    age(served, 3 * DAY)
    await served.sync()
    assert set(served.tags("app")) == {"1", signature_tag(new.digest)}


async def test_skip_cooldown_publishes_now_and_only_what_is_named(mirror: Mirror, upstream: Scripted) -> None:
    """`mirrord sync --skip-cooldown IMAGE` overrides for one image; without a name, for all."""
    for name in ("one", "two", "three"):
        upstream.push(name, image(name), "1")
    mirror.configure(
        "{host}/one:1", "{host}/two:1", "{host}/three:1", extra="defaults: {cooldown: 3d, referrers: false}\n"
    )
    assert set(by_name(await mirror.sync()).values()) == {Status.DEFERRED}
    assert (await mirror.command("sync", "--skip-cooldown", f"{HOST}/one")).status == 0
    assert [set(mirror.tags(name)) for name in ("one", "two", "three")] == [{"1"}, set(), set()]
    assert by_name(await mirror.sync())["one:1"] is Status.UNCHANGED
    assert (await mirror.command("sync", "--skip-cooldown")).status == 0
    assert set(mirror.tags("two")) == set(mirror.tags("three")) == {"1"}
    assert waiting(mirror.layout) == ()


async def test_the_wait_is_told_by_the_command(served: Mirror, upstream: Scripted) -> None:
    """A line of the report, `until` in the JSON, exit status 0; and what waits can be read without a run."""
    new = upstream.push("app", image("new"), "1")
    done = await served.command("sync")
    assert done.status == 0, done.err
    assert "deferred   registry.test/app:1" in done.out
    (document,) = (await served.command("sync", "--json")).document["images"]
    assert document["status"] == "deferred"
    assert "error" not in document
    assert datetime.fromisoformat(document["until"]) > datetime.now(UTC)
    (found,) = waiting(served.layout)
    assert (found.repository, found.tag, found.digest) == (f"{HOST}/app", "1", str(new))


async def test_losing_the_note_only_costs_time(served: Mirror, upstream: Scripted) -> None:
    """Without the note, or with one that can't be read, the cooldown begins anew; nothing is published early."""
    upstream.push("app", image("new"), "1")
    for damage in (None, b"{", b"[]", b'{"a": 5}', b'{"a": {"b": ["c"]}}'):
        await served.sync()
        age(served, 3 * DAY)
        path = served.layout.state / COOLDOWN_FILE
        path.unlink() if damage is None else path.write_bytes(damage)
        assert the_one(await served.sync()).status is Status.DEFERRED
    assert served.tags("app") == {"1": image("old").digest}


async def test_a_clock_that_was_set_back_publishes_nothing_early(served: Mirror, upstream: Scripted) -> None:
    """A first sight in the future begins anew."""
    upstream.push("app", image("new"), "1")
    await served.sync()
    age(served, -10 * DAY)
    await served.sync()
    (found,) = waiting(served.layout)
    assert found.since <= datetime.now(UTC).timestamp()


async def test_a_pin_and_a_digest_do_not_wait(mirror: Mirror, upstream: Scripted) -> None:
    """Who names a digest has chosen it."""
    pushed = upstream.push("app", image("x"), "1")
    mirror.configure(f'"{{host}}/app:1@{pushed}"', f'"{{host}}/app@{pushed}"', extra="defaults: {cooldown: 3d}\n")
    report = await mirror.sync()
    assert {outcome.status for outcome in report.outcomes} == {Status.ADDED}


async def test_a_tag_that_leaves_the_rules_leaves_no_note(served: Mirror, upstream: Scripted) -> None:
    """Notes are of what is wanted."""
    upstream.push("app", image("new"), "1", "2")
    await served.sync()
    served.configure('{{name: "{host}/app:2", cooldown: 3d}}')
    await served.sync()
    assert {each.tag for each in waiting(served.layout)} == {"2"}

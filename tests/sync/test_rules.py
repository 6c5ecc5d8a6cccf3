"""Tag rules in runs: what is asked for them, and what becomes of the tags they select."""

import json

from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer

from mirrord.demo.images import image
from mirrord.errors import Owner
from mirrord.sync.outcome import Status


def push_all(upstream: Scripted, *tags: str) -> None:
    """Push an image of its own under each tag."""
    for tag in tags:
        upstream.push("app", image(tag), tag)


def with_times(upstream: Scripted, pushed: dict[str, int]) -> None:
    """Let the tag list tell when each tag was pushed, as Google's registries do."""
    manifests = {
        str(image(tag).digest): {"tag": [tag], "timeUploadedMs": str(seconds * 1000)} for tag, seconds in pushed.items()
    }
    body = json.dumps({"tags": sorted(pushed), "manifest": manifests}).encode()
    upstream.when("tags/list", then=answer(200, body))


async def test_immutable_versions_cost_nothing_beside_a_floating_tag(mirror: Mirror, upstream: Scripted) -> None:
    """A no-op over a range of immutable versions and `latest` asks one list, and one HEAD for `latest`."""
    push_all(upstream, "v1.0.0", "v1.1.0", "v1.2.0", "latest")
    mirror.configure('{{name: "{host}/app", tags: [{{semver: ">=1"}}, latest], immutable: ["v*"]}}')
    assert len((await mirror.sync()).outcomes) == 4
    upstream.forget_requests()
    assert set(by_name(await mirror.sync()).values()) == {Status.UNCHANGED}
    assert [str(asked) for asked in upstream.requests] == [
        "GET /v2/app/tags/list",
        "HEAD /v2/app/manifests/latest",
    ]
    push_all(upstream, "v1.3.0")
    assert by_name(await mirror.sync())["app:v1.3.0"] is Status.ADDED


async def test_an_immutable_tag_that_moves_is_not_seen(mirror: Mirror, upstream: Scripted) -> None:
    """That is what the key says: what is held stays, whatever the upstream does to the tag."""
    push_all(upstream, "v1")
    mirror.configure('{{name: "{host}/app:v1", immutable: ["v*"]}}')
    await mirror.sync()
    upstream.push("app", image("other"), "v1")
    assert by_name(await mirror.sync()) == {"app:v1": Status.UNCHANGED}


async def test_only_what_a_rule_selects_is_asked_for(mirror: Mirror, upstream: Scripted) -> None:
    """Of a list with variants and pre-releases the newest versions come, and nothing is asked about the others."""
    push_all(upstream, "1.0", "1.1", "1.2", "1.3-rc1", "1.2-alpine", "nightly")
    mirror.configure('{{name: "{host}/app", tags: {{newest: 2}}}}')
    await mirror.sync()
    assert set(mirror.tags("app")) == {"1.1", "1.2"}
    assert {asked.path.rpartition("/")[2] for asked in upstream.requests if "/manifests/" in asked.path} == {
        "1.1",
        "1.2",
    }


async def test_a_rule_that_fits_nothing_says_what_stands_in_the_way(mirror: Mirror, upstream: Scripted) -> None:
    """The error is the config's, and has the rule, the line, and how many tags are what."""
    push_all(upstream, "1.0-alpine", "1.1-alpine", "2.0-rc1", "edge")
    mirror.configure('{{name: "{host}/app", tags: {{newest: 2}}}}')
    (outcome,) = (await mirror.sync()).outcomes
    assert outcome.error is not None
    assert outcome.error.owner is Owner.CONFIG
    assert str(outcome.error) == (
        f"{HOST}/app: none of its 4 tags fits: all tags, the 2 newest by version ({mirror.config}:6): "
        "1 no versions, 2 variants that suffix: does not name, 1 pre-releases that prerelease: true would let in"
    )


async def test_newest_by_push_where_the_registry_tells(mirror: Mirror, upstream: Scripted) -> None:
    """Google's list has the times; a tag that it lost keeps its place by when it came here."""
    push_all(upstream, "a", "b", "c")
    with_times(upstream, {"a": 300, "b": 100, "c": 200})
    mirror.configure('{{name: "{host}/app", tags: {{newest: 2, by: pushed}}}}')
    await mirror.sync()
    assert set(mirror.tags("app")) == {"a", "c"}
    upstream.untag("app", "a")
    with_times(upstream, {"b": 100, "c": 200})
    assert by_name(await mirror.sync()) == {"app:a": Status.KEPT, "app:b": Status.ADDED, "app:c": Status.UNCHANGED}


async def test_newest_by_push_where_nobody_tells_is_an_error_with_its_line(mirror: Mirror, upstream: Scripted) -> None:
    """No guess by the age of a config: the image fails, is the config's to mend, and what is served of it stays."""
    push_all(upstream, "1.0", "1.1")
    mirror.configure('{{name: "{host}/app", tags: {{newest: 2}}}}')
    await mirror.sync()
    mirror.configure('{{name: "{host}/app", tags: {{newest: 1, by: pushed}}}}')
    (outcome,) = (await mirror.sync()).outcomes
    assert outcome.error is not None
    assert outcome.error.owner is Owner.CONFIG
    assert str(outcome.error).startswith(f"{mirror.config}:6: {HOST}/app: by: pushed: the registry does not tell when ")
    assert set(mirror.tags("app")) == {"1.0", "1.1"}


async def test_rules_of_several_entries_add_up(mirror: Mirror, upstream: Scripted) -> None:
    """Two entries of one repository, several rules each: every tag that one of them selects, each once."""
    push_all(upstream, "1.0", "1.1", "2.0", "2.1", "edge", "other")
    mirror.configure(
        '{{name: "{host}/app", tags: [{{semver: "1.x", newest: 1}}, edge]}}',
        '{{name: "{host}/app", tags: {{regex: "2\\\\.[0-9]"}}}}',
    )
    report = await mirror.sync()
    assert sorted(by_name(report)) == ["app:1.1", "app:2.0", "app:2.1", "app:edge"]
    assert upstream.asked("tags/list") == 1

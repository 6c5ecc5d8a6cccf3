"""Images by catalog: every repository below a prefix, as the registry lists them at each run."""

import json
from pathlib import Path

import pytest
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer

from mirrord.config.images import images_of
from mirrord.config.loader import load
from mirrord.config.reserve import Reserve
from mirrord.demo.images import image
from mirrord.errors import ConfigError, Owner
from mirrord.store.store import open_store
from mirrord.store.tree import Tree
from mirrord.sync.memory import MISSING_FILE
from mirrord.sync.outcome import Progress, Status
from mirrord.sync.plan import plan_command, plan_some
from mirrord.sync.run import Order, run_sync

TEAM = '{{name: "{host}/team/*", tags: {{newest: 1}}}}'
DAY = 86_400.0


def repositories(mirror: Mirror) -> set[str]:
    """What is served, without the host."""
    return {name.removeprefix(f"{HOST}/") for name in Tree(mirror.layout).repositories()}


@pytest.fixture
def pushed(upstream: Scripted) -> Scripted:
    """An upstream with two repositories of a team, and one of another."""
    for name in ("team/a", "team/deep/b", "teams/c"):
        for tag in ("1.0", "1.1"):
            upstream.push(name, image(f"{name} {tag}"), tag)
    return upstream


async def test_every_repository_below_the_prefix_is_mirrored(mirror: Mirror, pushed: Scripted) -> None:
    """At any depth, by the rules of the entry, under names as if each had been named; others are not."""
    mirror.configure(TEAM)
    report = await mirror.sync()
    assert by_name(report) == {"team/a:1.1": Status.ADDED, "team/deep/b:1.1": Status.ADDED}
    assert pushed.asked("_catalog") == 1
    assert len(report.snapshots) == 1
    pushed.forget_requests()
    pushed.push("team/new", image("new"), "2")
    assert by_name(await mirror.sync())["team/new:2"] is Status.ADDED
    assert repositories(mirror) == {"team/a", "team/deep/b", "team/new"}


async def test_a_no_op_costs_one_catalog_more(mirror: Mirror, pushed: Scripted) -> None:
    """A second run asks the catalog, a list and a HEAD a repository, and writes nothing."""
    mirror.configure(TEAM)
    await mirror.sync()
    before = mirror.files()
    pushed.forget_requests()
    await mirror.sync()
    assert sorted(asked.method for asked in pushed.requests) == ["GET", "GET", "GET", "HEAD", "HEAD"]
    assert mirror.files() == before


@pytest.mark.usefixtures("pushed")
async def test_a_whole_registry_may_be_meant(mirror: Mirror) -> None:
    """`host/*` is every repository."""
    mirror.configure('{{name: "{host}/*", tags: {{newest: 1}}}}')
    await mirror.sync()
    assert repositories(mirror) == {"team/a", "team/deep/b", "teams/c"}


async def test_a_repository_that_leaves_the_catalog_is_deleted_upstream(mirror: Mirror, pushed: Scripted) -> None:
    """It is kept, and with `delete.upstream: remove` goes after the grace; it is not asked for."""
    mirror.configure(TEAM)
    await mirror.sync()
    del pushed.repositories["team/a"]
    pushed.forget_requests()
    report = await mirror.sync()
    assert by_name(report) == {"team/a:1.1": Status.KEPT, "team/deep/b:1.1": Status.UNCHANGED}
    assert pushed.asked("team/a") == 0
    mirror.configure(TEAM, extra="delete: {upstream: remove}\n")
    await mirror.sync()
    path = mirror.layout.state / MISSING_FILE
    notes = json.loads(path.read_bytes())
    notes[f"{HOST}/team/a"]["1.1"][1] -= DAY
    path.write_text(json.dumps(notes))
    assert by_name(await mirror.sync())["team/a:1.1"] is Status.REMOVED
    assert repositories(mirror) == {"team/deep/b"}


async def test_a_repository_that_comes_back_is_one_again(mirror: Mirror, pushed: Scripted) -> None:
    """Gone and back: its tags are asked for as before."""
    mirror.configure(TEAM)
    await mirror.sync()
    held = pushed.repositories.pop("team/a")
    await mirror.sync()
    pushed.repositories["team/a"] = held
    assert by_name(await mirror.sync())["team/a:1.1"] is Status.UNCHANGED


@pytest.mark.parametrize("body", [b'{"repositories": []}', b'{"repositories": null}', b'{"repositories": ["else/x"]}'])
async def test_an_empty_catalog_while_repositories_are_held_is_an_error(
    mirror: Mirror, pushed: Scripted, body: bytes
) -> None:
    """It is not believed: everything held stays, whatever `delete` says, and the error says how much that is."""
    mirror.configure(TEAM, extra="delete: {upstream: remove}\n")
    await mirror.sync()
    pushed.when("_catalog", then=answer(200, body))
    (outcome,) = (await mirror.sync()).outcomes
    assert outcome.name == f"{HOST}/team/* ({mirror.config}:7)"
    assert outcome.error is not None
    assert outcome.error.owner is Owner.UPSTREAM
    assert "the registry's catalog has none, though 2 of them are held; they are kept" in str(outcome.error)
    assert repositories(mirror) == {"team/a", "team/deep/b"}


@pytest.mark.parametrize("status", [401, 403, 404, 405, 500])
async def test_a_catalog_that_can_not_be_had_drops_nothing(mirror: Mirror, pushed: Scripted, status: int) -> None:
    """The entry fails, in words and with its line where it is the config's; what it brought stays, others go on."""
    pushed.push("other", image("x"), "1")
    mirror.configure(TEAM, "{host}/other:1")
    await mirror.sync()
    pushed.when("_catalog", then=answer(status, b"{}"))
    report = await mirror.sync()
    assert by_name(report) == {f"team/* ({mirror.config}:6)": Status.FAILED, "other:1": Status.UNCHANGED}
    failed = next(outcome.error for outcome in report.outcomes if outcome.error)
    if status == 500:
        assert failed.owner is Owner.UPSTREAM
    else:
        assert failed.owner is Owner.CONFIG
        assert str(failed).startswith(f"{mirror.config}:6: {HOST}: the list of its repositories")
        assert "has no catalog" in str(failed)
    assert repositories(mirror) == {"team/a", "team/deep/b", "other"}


@pytest.mark.usefixtures("pushed")
async def test_a_prefix_below_which_nothing_is_fails_in_words(mirror: Mirror) -> None:
    """A slip of the pen in the prefix is told, with its line and how many repositories there are."""
    mirror.configure('"{host}/taem/*"')
    (outcome,) = (await mirror.sync()).outcomes
    assert str(outcome.error) == (f"{mirror.config}:6: {HOST}/taem/*: none of the registry's 3 repositories is there")


async def test_a_repository_with_nothing_that_fits_is_no_failure(mirror: Mirror, pushed: Scripted) -> None:
    """Nobody named it: one without versions, or without the tag that the entry names, is passed over."""
    pushed.push("team/odd", image("odd"), "latest")
    mirror.configure(TEAM)
    report = await mirror.sync()
    assert not report.has_failed
    assert "team/odd" not in repositories(mirror)
    mirror.configure('"{host}/team/*"')
    report = await mirror.sync()
    assert by_name(report)["team/odd:latest"] is Status.ADDED
    assert not report.has_failed


@pytest.mark.usefixtures("pushed")
async def test_what_leaves_the_config_with_its_catalog_is_dropped(mirror: Mirror) -> None:
    """Without the entry its repositories go, as any image's do."""
    mirror.configure(TEAM, "{host}/teams/c:1.0")
    await mirror.sync()
    mirror.configure("{host}/teams/c:1.0")
    report = await mirror.sync()
    assert by_name(report)["team/a:1.1"] is Status.REMOVED
    assert repositories(mirror) == {"teams/c"}


@pytest.mark.usefixtures("pushed")
async def test_an_entry_of_its_own_adds_to_what_the_catalog_says(mirror: Mirror) -> None:
    """One repository in both is every tag that one of them selects, as with any two entries."""
    mirror.configure(TEAM, "{host}/team/a:1.0")
    await mirror.sync()
    assert set(mirror.tags("team/a")) == {"1.0", "1.1"}
    assert set(mirror.tags("team/deep/b")) == {"1.1"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('{{name: "{host}/team/a:1.0", platforms: linux/amd64}}', "differs from its entry at"),
        ('{{name: "{host}/teams/c:1.0", as: registry.test/team/a}}', "would have the name registry.test/team/a that"),
    ],
)
@pytest.mark.usefixtures("pushed")
async def test_a_name_that_another_image_has_stays_that_ones(mirror: Mirror, entry: str, words: str) -> None:
    """A collision is an error of that one repository of the catalog, with both lines; the named image is mirrored."""
    mirror.configure(TEAM, entry)
    report = await mirror.sync()
    failed = {outcome.name: outcome.error for outcome in report.outcomes if outcome.error}
    ((name, error),) = failed.items()
    assert name == f"{HOST}/team/a ({mirror.config}:6)"
    assert words in str(error)
    assert f"{mirror.config}:7" in str(error)
    assert set(mirror.tags("team/a")) == {"1.0"}
    assert set(mirror.tags("team/deep/b")) == {"1.1"}


async def test_a_registrys_other_name_is_its_repositories_too(mirror: Mirror, pushed: Scripted) -> None:
    """`as:` on the registry: its catalog's repositories are served below that, and found gone there."""
    mirror.registry = "as: lab"
    mirror.configure(TEAM)
    report = await mirror.sync()
    assert {outcome.name for outcome in report.outcomes} == {"lab/team/a:1.1", "lab/team/deep/b:1.1"}
    del pushed.repositories["team/a"]
    report = await mirror.sync()
    assert {outcome.name: outcome.status for outcome in report.outcomes}["lab/team/a:1.1"] is Status.KEPT


async def test_one_repository_of_a_catalog_can_be_synced_by_name(mirror: Mirror, pushed: Scripted) -> None:
    """`sync IMAGE` finds it by its name upstream or here, and needs no catalog for that."""
    mirror.configure(TEAM)
    assert by_name(await mirror.sync(f"{HOST}/team/a")) == {"team/a:1.1": Status.ADDED}
    assert pushed.asked("_catalog") == 0
    assert repositories(mirror) == {"team/a"}
    with pytest.raises(ConfigError, match="neither the config nor the mirror has an image of that name"):
        await mirror.sync(f"{HOST}/teams/c")


def test_one_repository_of_a_renamed_catalog_can_be_synced_by_its_name_here(tmp_path: Path) -> None:
    """The same where the registry has another name on the mirror."""
    config = tmp_path / "mirrord.yaml"
    config.write_text(f"registries: {{{HOST}: {{as: lab}}}}\nimages: ['{HOST}/team/*']\n")
    for typed in ("lab/team/a", f"{HOST}/team/a"):
        (plan,) = plan_some(images_of(load(config)), (), [typed])
        assert plan.name == "lab/team/a"
        assert str(plan.images[0].repository) == f"{HOST}/team/a"


async def test_a_command_may_name_a_catalog(mirror: Mirror, pushed: Scripted) -> None:
    """Without a config, `sync 'host/team/*'` adds what is there; what the catalog lacks later is left alone."""
    pushed.push("team/a", image("latest"), "latest")
    mirror.configure('"{host}/team/*"')
    config = load(mirror.config)
    for _ in range(2):
        async with open_store(mirror.root, command="test", threads=1, reserve=Reserve(size=0)) as store:
            report = await run_sync(config, Order(plan_command(images_of(config)), "test"), store, Progress())
        assert not report.has_failed
        assert set(mirror.tags("team/a")) == {"latest"}
        pushed.repositories.pop("team/a", None)


async def test_a_group_that_is_published_whole_waits_for_its_catalog(mirror: Mirror, pushed: Scripted) -> None:
    """`together`: what a catalog brings is of its group, and where that can't be had nothing of the group changes."""
    pushed.push("other", image("x"), "1")
    mirror.configure(f'"{{host}}/{"unused"}:1"')
    text = mirror.config.read_text().partition("images:")[0]
    mirror.config.write_text(
        f"{text}groups: [{{name: g, together: true, images: [{{name: {HOST}/team/*, tags: {{newest: 1}}}}, "
        f"{HOST}/other:1]}}]\n"
    )
    pushed.when("_catalog", answer(500))
    report = await mirror.sync()
    assert report.snapshots == ()
    assert list(report.withheld) == ["g"]
    report = await mirror.sync()
    assert len(report.snapshots) == 1
    assert repositories(mirror) == {"team/a", "team/deep/b", "other"}


async def test_two_catalogs_may_overlap(mirror: Mirror, pushed: Scripted) -> None:
    """A repository that both cover is every tag that one of them selects; the registry is asked for one catalog."""
    mirror.configure(TEAM, '{{name: "{host}/*", tags: "1.0"}}')
    await mirror.sync()
    assert set(mirror.tags("team/a")) == {"1.0", "1.1"}
    assert set(mirror.tags("teams/c")) == {"1.0"}
    assert pushed.asked("_catalog") == 1

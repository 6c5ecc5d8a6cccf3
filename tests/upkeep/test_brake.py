"""The brake: a publication that would drop too many tags does not happen until a person says that it is meant."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mirror import HOST, Mirror
from support.model import Keeper
from support.scripted import Scripted, Stall
from support.warm import Ended, Warm

from mirrord.demo.images import image, signature, signature_tag
from mirrord.errors import BrakeError
from mirrord.oci.reference import Repository
from mirrord.store.change import Brake, Change
from mirrord.store.snapshot import Reason
from mirrord.store.store import open_store
from mirrord.store.tree import Tree

IMAGE = image("x")
SIGNED = [image(f"signed {number}") for number in range(40)]


def dropped(number: int) -> dict[str, frozenset[str]]:
    """So many tags of one repository."""
    return {"app": frozenset(f"v{each}" for each in range(number))}


def is_stopped(brake: Brake, number: int, held: int) -> bool:
    """Whether dropping so many of so many is."""
    try:
        brake.check(dropped(number), lambda: held)
    except BrakeError:
        return True
    return False


@pytest.mark.parametrize(
    ("share", "number", "held", "stopped"),
    [
        (0.25, 20, 20, False),  # a few may always go, all of them too
        (0.25, 21, 21, True),
        (0.25, 21, 84, False),  # exactly a quarter
        (0.25, 21, 83, True),
        (0.25, 25, 100, False),
        (0.25, 26, 100, True),
        (0.29, 29, 100, False),  # though 0.29 * 100 is less than 29
        (0.07, 21, 300, False),
        (0.0, 20, 1000, False),
        (0.0, 21, 100_000, True),
        (1.0, 5000, 5000, False),
    ],
)
def test_exactly_at_the_limits(share: float, number: int, held: int, *, stopped: bool) -> None:
    """More than the share *and* more than twenty: what is exactly at either passes."""
    assert is_stopped(Brake(share), number, held) == stopped


@given(percent=st.integers(0, 100), number=st.integers(0, 3000), more=st.integers(0, 3000))
def test_it_is_the_rule_of_whole_numbers(percent: int, number: int, more: int) -> None:
    """For any share, whatever floats make of it: stopped if number/held > percent/100 and number > 20."""
    held = number + more
    assert is_stopped(Brake(percent / 100), number, held) == (number > 20 and number * 100 > percent * held)


def test_signatures_are_not_counted() -> None:
    """They go whenever their image moves on: hundreds of them stop nothing."""
    tags = frozenset(signature_tag(each.digest) for each in SIGNED)
    Brake(0.0).check({"app": tags}, lambda: 1)


def test_the_message_says_what_why_and_what_to_do() -> None:
    """Names of tags (ten, and how many more), of how many, the limit with its key, the cause, the option."""
    with pytest.raises(BrakeError) as stopped:
        Brake(0.125).check(dropped(30), lambda: 100)
    words = str(stopped.value)
    assert words.startswith("this would drop 30 of 100 tags, more than 12.5% (delete.max): app:v0, app:v1, ")
    assert "and 20 more" in words
    assert words.count("app:v") == 10
    assert "left the config, its rules, or the upstream's lists" in words
    assert words.endswith("mirrord sync --allow-deletes")


async def test_signatures_are_not_counted_among_what_is_held_either(keeper: Keeper) -> None:
    """A mirror whose every image is signed is as well braked as one of unsigned images."""
    wanted = {f"v{number}": built for number, built in enumerate(SIGNED)}
    signatures = {signature_tag(built.digest): signature(built) for built in SIGNED}
    more = {f"{tag.removesuffix('sig')}att": each for tag, each in signatures.items()}
    await keeper.serve({"app": {**wanted, **signatures, **more}})
    gone = Change("app", Repository("r.test", "app"), dropped_tags=frozenset([*list(wanted)[:30], *signatures]))
    with pytest.raises(BrakeError, match="30 of 40 tags"):
        await keeper.store.publish([gone], Reason("", ""), Brake(0.3))
    assert len(keeper.store.tree.tags("app")) == 120
    assert (await keeper.store.publish([gone], Reason("", ""), Brake(0.75))).publication is not None


def names(numbers: Iterable[int]) -> str:
    """A YAML list of tags."""
    return "[" + ", ".join(f"v{number}" for number in numbers) + "]"


def configure(mirror: Mirror, app: Sequence[int], other: Sequence[str], *, extra: str = "") -> None:
    """Want these tags of two repositories."""
    others = ", ".join(f'"{tag}"' for tag in other)
    mirror.configure(
        f'{{{{name: "{{host}}/app", tags: {names(app)}}}}}',
        f'{{{{name: "{{host}}/other", tags: [{others}]}}}}',
        extra=extra,
    )


@pytest.fixture
async def full(mirror: Mirror, upstream: Scripted) -> Mirror:
    """A mirror of 60 tags, and an upstream with one more."""
    upstream.push("app", IMAGE, *(f"v{number}" for number in range(59)))
    upstream.push("other", IMAGE, "1", "2")
    configure(mirror, range(59), ["1"])
    await mirror.sync()
    return mirror


async def sync(warm: Warm, mirror: Mirror, *more: str) -> Ended:
    """The real command."""
    return await asyncio.to_thread(warm.run, mirror.place, "sync", "-q", *more, "--config", str(mirror.config))


def served(mirror: Mirror) -> tuple[int, int]:
    """How many tags of each repository."""
    tree = Tree(mirror.layout)
    return len(tree.tags(f"{HOST}/app")), len(tree.tags(f"{HOST}/other"))


async def test_a_run_that_would_drop_too_many_publishes_nothing(full: Mirror, warm: Warm) -> None:
    """Exit status 1, the tags named, that run's other changes wait too; --allow-deletes lets all of it pass."""
    configure(full, range(30), ["1", "2"])
    for _ in range(2):
        ended = await sync(warm, full)
        assert ended.status == 1
        assert "config: what is complete could not be published: this would drop 29 of 60 tags" in ended.words
        assert f"{HOST}/app:v30" in ended.words
        assert "--allow-deletes" in ended.words
        assert served(full) == (59, 1)
    ended = await sync(warm, full, "--allow-deletes")
    assert ended.status == 0
    assert served(full) == (30, 2)


async def test_twenty_may_always_go_and_one_more_may_not(full: Mirror, warm: Warm) -> None:
    """A third of the tags goes without a word while it is no more than twenty."""
    configure(full, range(38), ["1"])
    assert (await sync(warm, full)).status == 1
    configure(full, range(39), ["1"])
    assert (await sync(warm, full)).status == 0
    assert served(full) == (39, 1)


@pytest.mark.parametrize(("limit", "status"), [("50%", 0), ("48%", 1), ("0%", 1), ("100%", 0)])
async def test_the_config_says_how_many(full: Mirror, warm: Warm, limit: str, status: int) -> None:
    """`delete.max` is the share; 29 of 60 are a bit more than 48 %."""
    configure(full, range(30), ["1"], extra=f"delete: {{max: {limit}}}\n")
    assert (await sync(warm, full)).status == status


async def test_an_image_that_leaves_the_config_is_braked_too(full: Mirror, warm: Warm) -> None:
    """A config that lost its entries (an include that was not there) takes nothing away."""
    full.configure("{host}/other:1")
    ended = await sync(warm, full)
    assert (ended.status, served(full)) == (1, (59, 1))
    assert "59 of 60 tags" in ended.words


async def test_the_json_report_has_it(full: Mirror, warm: Warm) -> None:
    """`--json`: the problem, with its owner, and no snapshot."""
    configure(full, range(30), ["1"])
    ended = await sync(warm, full, "--json", "-q", "-q")
    assert ended.status == 1
    assert '"problem": {\n    "owner": "config",\n    "error": "this would drop 29 of 60 tags' in ended.words
    assert '"snapshots": []' in ended.words


async def test_a_publication_on_the_way_that_is_braked_ends_nothing(
    full: Mirror, upstream: Scripted, warm: Warm, tmp_path: Path
) -> None:
    """With `publish_every` passing within the run the brake is told each time, and the run goes on to its end."""
    slow = Stall()
    upstream.when("GET /v2/other/manifests/2", slow)
    configure(full, range(30), ["1", "2"], extra="publish_every: 1s\n")
    run = asyncio.create_task(sync(warm, full))
    async with asyncio.timeout(30):
        await slow.waiting.wait()
    await asyncio.sleep(2.5)
    slow.released.set()
    ended = await run
    assert ended.status == 1
    assert "Traceback" not in ended.words
    assert "never retrieved" not in ended.words
    assert ended.words.count("publication.failed") >= 2
    assert served(full) == (59, 1)
    assert tmp_path == full.place


async def test_what_a_rollback_holds_back_drops_nothing(full: Mirror, warm: Warm) -> None:
    """Changes that a hold keeps are not counted: they are not published."""
    ended = warm.run(full.place, "snapshots", "rollback", "1", "--yes", "--config", str(full.config))
    assert ended.status == 0
    configure(full, range(30), ["1"])
    ended = await sync(warm, full)
    assert (ended.status, served(full)) == (0, (59, 1))


async def test_what_is_left_waits_and_comes_with_the_next_run(full: Mirror, warm: Warm) -> None:
    """When the config is mended, what waited is published without another word."""
    configure(full, range(30), ["1", "2"])
    assert (await sync(warm, full)).status == 1
    configure(full, range(50), ["1", "2"])
    assert (await sync(warm, full)).status == 0
    assert served(full) == (50, 2)


async def test_no_brake_without_a_publication_before(tmp_path: Path) -> None:
    """The first publication drops nothing; a brake of 0 % lets it pass."""
    from mirrord.config.reserve import Reserve

    async with open_store(tmp_path / "root", command="test", threads=1, reserve=Reserve(size=0)) as store:
        held = await Keeper(store).put("app", IMAGE)
        change = Change("app", Repository("r.test", "app"), {f"v{each}": held for each in range(30)})
        assert (await store.publish([change], Reason("", ""), Brake(0.0, floor=0))).publication is not None

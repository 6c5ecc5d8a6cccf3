"""What a run remembers does not grow with its tags: measured in bytes allocated, and in images in work."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import structlog
from aiohttp import web
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer

from mirrord import events
from mirrord.cli.invocation import Invocation
from mirrord.config.loader import load
from mirrord.config.reserve import Reserve
from mirrord.errors import DeferredError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.oci.reference import Repository
from mirrord.service.operation import Workshop
from mirrord.service.operations.sync import Sync
from mirrord.store.change import Change
from mirrord.store.record import Held, Source
from mirrord.store.snapshot import Reason
from mirrord.store.store import Store, open_store
from mirrord.sync import lanes
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.outcome import Outcome, Progress, Report, Status
from mirrord.sync.outcomes import Outcomes, pack
from mirrord.sync.ready import Ready

REPOSITORIES, TAGS = 4, 100
BYTES_A_TAG = 500
ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
NAMES = ("a", "a (here:1)", "a-b:1", "a.b:1", "a/b:1", "a0:1", "a:1", "a:2", "a@sha256", "a_b:1", "b/c:1", "b:1")


@asynccontextmanager
async def opened(root: Path) -> AsyncIterator[Store]:
    """The store of a root."""
    async with open_store(root, command="test", threads=2, reserve=Reserve(size=0)) as store:
        yield store


async def _hold(mirror: Mirror, upstream: Scripted, repositories: int) -> None:
    """Have so many repositories here as they are upstream, without a request: of a manifest only its name is asked."""
    changes = []
    async with opened(mirror.root) as store:
        for number in range(repositories):
            name = f"app{number}"
            tags = {f"1.{tag}": Digest.of(f"{name} {tag}".encode()) for tag in range(TAGS)}
            mirror.layout.manifests(f"{HOST}/{name}").mkdir(parents=True)
            for tag, digest in tags.items():
                mirror.layout.manifest(f"{HOST}/{name}", digest, Kind.OCI_MANIFEST).write_bytes(b"here")
                upstream.tag(name, tag, digest)
            held = {tag: Held(digest, Kind.OCI_MANIFEST, 1000) for tag, digest in tags.items()}
            changes.append(Change(f"{HOST}/{name}", Repository(HOST, name), held))
        await store.publish(changes, Reason("", "test"))
    rest = 'tags: ["1.*"], immutable: ["*"], referrers: false'
    mirror.configure(*(f'{{{{name: "{{host}}/app{number}", {rest}}}}}' for number in range(repositories)))


@contextmanager
def quietly() -> Iterator[None]:
    """Without events: their lines would be what is measured."""
    before = structlog.get_config()
    events.configure("warning", "json")
    try:
        yield
    finally:
        structlog.configure(**before)


async def _peak(mirror: Mirror) -> int:
    """Bytes allocated at most by a second run of all there is, from its plan to the last line of its report."""
    config = load(mirror.config)
    async with opened(mirror.root) as store:
        await Sync(words="test").perform(Workshop(store, config))
        tracemalloc.start()
        reply = await Sync(words="test").perform(Workshop(store, config))
        assert all(each["status"] == "unchanged" for each in reply.document["images"])  # type: ignore[attr-defined] # a document is JSON
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak


async def test_a_run_needs_hardly_more_memory_for_twice_as_many_tags(tmp_path: Path, upstream: Scripted) -> None:
    """Bounded: of a tag that is as it was, a run keeps next to nothing, up to the last line of its report."""
    peaks = []
    for repositories in (1, REPOSITORIES, 2 * REPOSITORIES):  # the first one fills what is filled once
        mirror = Mirror(tmp_path / str(repositories), upstream.url)
        mirror.place.mkdir()
        await _hold(mirror, upstream, repositories)
        with quietly():
            peaks.append([await _peak(mirror) for _ in range(2)])  # two repositories may be read at once, or not
    assert min(peaks[2]) - max(peaks[1]) < BYTES_A_TAG * REPOSITORIES * TAGS


async def test_repositories_are_begun_as_images_are(mirror: Mirror, upstream: Scripted) -> None:
    """Bounded: of many large repositories only as many are looked at as keep the upstream busy."""
    for number in range(REPOSITORIES):
        for tag in range(lanes.IMAGES_WAITING):
            upstream.tag(f"app{number}", f"1.{tag}", ONE)
    lists: list[int] = []

    async def notice(_request: web.Request) -> web.StreamResponse:
        lists.append(upstream.asked("GET .*/tags/list"))
        return web.Response(status=404)

    upstream.when("GET .*/manifests/", then=notice)
    mirror.limits = "{attempts: 1, concurrency: 4}"
    mirror.configure(*(f'{{{{name: "{{host}}/app{number}", tags: ["*"]}}}}' for number in range(REPOSITORIES)))
    assert len(by_name(await mirror.sync())) == REPOSITORIES * lanes.IMAGES_WAITING
    for asked, looked_at in enumerate(lists):
        assert looked_at <= asked // lanes.IMAGES_WAITING + 2


async def test_a_host_that_does_not_answer_keeps_no_other_waiting(mirror: Mirror, upstream: Scripted) -> None:
    """All images of one host are seen to while another answers nothing."""
    answering = asyncio.Event()

    async def wait(_request: web.Request) -> web.StreamResponse:
        await answering.wait()
        return web.Response(status=404)

    async def last(_request: web.Request) -> web.StreamResponse:
        answering.set()
        return web.Response(status=404)

    count = lanes.REPOSITORIES + 10
    upstream.when("GET .*/manifests/", *[answer(404)] * (count - 1), last)
    async with Scripted.running() as silent:
        silent.when("manifests", then=wait)
        mirror.limits = "{attempts: 1, concurrency: 8}"
        hosts = ("slow.test", "{host}")
        mirror.configure(*(f"{host}/app{number}:1" for host in hosts for number in range(count)))
        text = mirror.config.read_text()
        other = f'  slow.test: {{endpoint: "{silent.url}", concurrency: 4}}'
        mirror.config.write_text(text.replace("registries:", f"registries:\n{other}"))
        assert len((await mirror.sync()).outcomes) == 2 * count


def test_outcomes_are_what_they_were_and_sorted() -> None:
    """Packing loses nothing of an outcome, whatever repositories' names begin with, and sorts as names sort."""
    given = [
        *(Outcome(name, Status.UNCHANGED, ONE, ONE) for name in NAMES),
        Outcome("a:3", Status.ADDED, Digest.of(b"long", "sha512")),
        Outcome("a:4", Status.UPDATED, ONE, TWO, warning="a single image"),
        Outcome("a:5", Status.REMOVED, None, TWO),
        Outcome("a:6", Status.DEFERRED, ONE, ONE, warning="cooldown", until=12.5),
        Outcome.of_error("a:7", UpstreamError("no"), ONE),
        Outcome.of_error("b:2", DeferredError("later", seconds=3)),
        *(Outcome(f"c:{number}", Status.ADDED, ONE) for number in range(1000)),
    ]
    found = Outcomes.of(reversed(given))
    assert list(found) == sorted(given, key=lambda outcome: outcome.name)
    assert [outcome.name for outcome in found.open] == ["a:7", "b:2"]
    assert len(found) == len(given)
    assert found.counts[Status.ADDED] == 1001


def test_outcomes_come_together() -> None:
    """What is added later, of other repositories or of the same, stands where its name belongs."""
    found = Outcomes.of([Outcome("b:2", Status.ADDED, ONE)])
    for name in ("a:1", "c:1", "b:3", "b:1"):
        found.take(pack([Outcome(name, Status.ADDED, ONE)]))
    assert [outcome.name for outcome in found] == ["a:1", "b:1", "b:2", "b:3", "c:1"]
    assert found.counts[Status.ADDED] == 5


async def test_what_is_packed_is_published_whole_and_once(tmp_path: Path) -> None:
    """What is ready of a repository is the same before and after it is made small, and gone once it is published."""
    held = Held(ONE, Kind.OCI_MANIFEST, 5, ("linux/amd64",), (TWO,), "2024-01-01T00:00:00+00:00")
    listed = ({"digest": str(TWO), "size": 3, "annotations": {"a": "\u2028\n"}},)
    plan = RepositoryPlan("app", (), Source.CONFIG)
    ready = Ready(plan, Repository(HOST, "team/*"), {"1": held}, {TWO: held}, {ONE: listed, TWO: ()})
    ready.dropped_tags = frozenset({"0"})
    before = ready.change()
    async with opened(tmp_path / "root") as store:
        await ready.pack(store)
    after = ready.change()
    assert not ready.tags
    assert after.opened() == before
    ready.published(after)
    assert ready.change().is_empty


async def test_what_is_published_while_the_last_images_come_is_not_published_again(tmp_path: Path) -> None:
    """A publication that began before a repository was done takes out of what is packed what it published."""
    one, two = Held(ONE, Kind.OCI_MANIFEST, 5), Held(TWO, Kind.OCI_MANIFEST, 5)
    ready = Ready(RepositoryPlan("app", (), Source.CONFIG), Repository(HOST, "app"), {"1": one})
    begun = ready.change()
    ready.tags["2"] = two
    async with opened(tmp_path / "root") as store:
        await ready.pack(store)
    ready.published(begun)
    assert ready.change().opened().tags == {"2": two}


def test_a_document_made_piece_by_piece_is_printed_as_json_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    """What `--json` prints does not depend on whether its images are there all at once."""
    outcomes = [
        Outcome.of_error('a:"1"', UpstreamError("no\nway é")),
        Outcome("b:1", Status.DEFERRED, ONE, TWO, until=1.5),
    ]
    for found in (Outcomes.of(outcomes), Outcomes()):
        report = Report("r", found, (), 1.0, 0, Progress())
        Invocation().print_json("sync", report.document())
        whole = {**report.document(), "images": [outcome.document() for outcome in found]}
        assert capsys.readouterr().out == json.dumps({"schema": "mirrord.sync/1", **whole}, indent=2) + "\n"
    Invocation().print_json("x", {"a": [], "b": {}, "c": "", "d": [{"e": [1, {"f": None}]}], "g": {"h": True}})
    printed = {"schema": "mirrord.x/1", "a": [], "b": {}, "c": "", "d": [{"e": [1, {"f": None}]}], "g": {"h": True}}
    assert capsys.readouterr().out == json.dumps(printed, indent=2) + "\n"

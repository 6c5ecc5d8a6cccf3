"""Documents of the tree, fuzzed: what a torn disk or a hostile hand leaves is read, or is an error of the host.

What is taken holds names of their grammar alone, for they become paths and requests.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from support.spoil import spoiled_json, taken
from support.tree import ScratchTree

from mirrord.demo.images import image
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.oci.reference import Repository, is_local_name, is_tag
from mirrord.store.blocks import read_blocks
from mirrord.store.hold import read_hold, read_pins
from mirrord.store.layout import Layout, generation_sequence
from mirrord.store.record import Held, Record
from mirrord.store.root import create, hold
from mirrord.store.snapshot import read_snapshot, served_name
from mirrord.store.tombstones import Tombstones
from mirrord.store.tree import Tree
from mirrord.sync.notes import Notes

fuzz = pytest.mark.fuzz
calm = settings.get_profile("fuzz")

APP = image("a")
OTHER = Digest.of(b"other")
HELD = Held(APP.digest, Kind.OCI_INDEX, 5, ("linux/amd64",), (OTHER,), "2024-01-01T00:00:00+00:00")
RECORD = Record(
    "team/app",
    Repository("registry.lan:5000", "team/app"),
    {"1": HELD, "latest": HELD},
    {OTHER: HELD},
    {APP.digest: ({"mediaType": "x/y", "digest": str(OTHER), "size": 3, "annotations": {"a": "b"}},)},
)
SNAPSHOT = {
    "schema": "mirrord.snapshot/1",
    "sequence": 7,
    "published": "2024-01-01T00:00:00+00:00",
    "parent": "00000006-20240101T000000Z",
    "reason": "mirrord sync",
    "run": "ab12cd34",
    "counts": {"repositories": 1, "tags": 1},
    "generations": {"team/app": "_00000007-0123456789abcdef"},
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A root that serves one repository, all of it made by hand."""
    tree = ScratchTree(tmp_path / "root")
    tree.publish({"team/app": {"1": APP}})
    tree.layout.state.mkdir()
    return tree.layout


def put(path: Path, content: bytes) -> None:
    """Have this in a file."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@fuzz("record.json")
@calm
@given(spoiled_json(json.loads(RECORD.encode())))
def test_a_record_is_whole_or_damage(layout: Layout, content: bytes) -> None:
    """Its tags, digests and upstream are of their grammar, and it can be written again; or HostError names the file."""
    put(layout.current / "team!app" / "record.json", content)
    record, words = taken(lambda: Tree(layout).record("team/app"), HostError)
    if record is None:
        assert "record.json" in words
        return
    assert record.name == "team/app"
    assert Repository.of(record.upstream.host, record.upstream.path) == record.upstream
    assert all(map(is_tag, record.tags))
    assert all(held.first_seen.isprintable() for held in record.tags.values())
    assert Record.parse(record.encode()) == record


@fuzz("_snapshot.json")
@calm
@given(spoiled_json(SNAPSHOT))
def test_a_snapshot_is_whole_or_damage(layout: Layout, content: bytes) -> None:
    """Its repositories and generations are of their grammar; or HostError names the file."""
    name = served_name(layout)
    assert name is not None
    put(layout.snapshots / name / "_snapshot.json", content)
    snapshot, words = taken(lambda: read_snapshot(layout, name), HostError)
    if snapshot is None:
        assert "_snapshot.json" in words
        return
    assert all(map(is_local_name, snapshot.generations))
    assert all(generation_sequence(identity) is not None for identity in snapshot.generations.values())
    assert snapshot.published.tzinfo is not None


@fuzz("catalogs and lists")
@calm
@given(spoiled_json({"repositories": ["a", "team/app"], "tags": ["1", "v2"], "name": "team/app"}))
def test_a_catalog_or_list_is_names_or_damage(layout: Layout, content: bytes) -> None:
    """Names of their grammar, or HostError names the file."""
    tree = Tree(layout)
    put(tree.catalog_file(), content)
    put(tree.tag_list_file("team/app"), content)
    listed: list[tuple[Callable[[], tuple[str, ...]], Callable[[str], bool]]] = [
        (tree.repositories, is_local_name),
        (lambda: tree.tags("team/app"), is_tag),
    ]
    for names, is_name in listed:
        found, words = taken(names, HostError)
        assert all(map(is_name, found or ()))
        assert found is not None or ".json" in words


@fuzz("notes")
@calm
@given(
    spoiled_json(
        {"team/app": 1_700_000_000.5},
        {"team/app": {"sha256:ab.oci-index": 1_700_000_000}},
        {"snapshot": "00000006-20240101T000000Z", "repositories": ["team/app"], "since": "2024-01-01T00:00:00+00:00"},
        ["00000006-20240101T000000Z"],
        [{"what": "team/app:1", "why": "because", "since": "2024-01-01T00:00:00+00:00"}, {"what": str(OTHER)}],
    )
)
def test_what_runs_remember_is_read_or_lost_or_told(layout: Layout, content: bytes) -> None:
    """Notes whose loss costs time are lost without a word; a person's decisions are HostError, and never guessed at."""
    for path in ("followers.json", "hold.json", "pins.json", "tombstones.json", "blocks.json"):
        put(layout.state / path, content)
    assert Notes.load(layout).is_due("team/app") in {True, False}
    tombstones = Tombstones.load(layout)
    tombstones.note("team/app", ["sha256:ab.oci-index"], 1e9)
    assert tombstones.is_due("team/app", "sha256:ab.oci-index", 2e9, 60.0) in {True, False}
    readers: list[Callable[[Layout], object]] = [read_hold, read_pins, read_blocks]
    for read in readers:
        found, words = taken(partial(read, layout), HostError)
        assert "/state/" in words or isinstance(str(found), str)


@fuzz("root.json")
@calm
@given(spoiled_json({"schema": "mirrord.root/1", "format": 1, "created": "2024-01-01T00:00:00+00:00"}))
def test_a_mark_is_right_or_the_root_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever is in it: the root is held, or HostError names it."""
    layout = create(tmp_path / "root")
    put(layout.mark, content)

    def sequence() -> int:
        with hold(layout.root, "fuzz") as root:
            return root.next_sequence

    found, words = taken(sequence, HostError)
    assert found == 1 or str(layout.root) in words


@fuzz("lock")
@calm
@given(spoiled_json({"pid": 5, "command": "mirrord sync", "since": "2024-01-01T00:00:00+00:00"}))
def test_the_holder_is_named_in_one_short_line(tmp_path: Path, content: bytes) -> None:
    """Whatever the file ``lock`` says, a second writer is refused in words that can be shown."""
    with hold(tmp_path / "root", "first") as root:
        put(root.layout.root / "lock", content)
        with pytest.raises(HostError, match="is in use by") as told, hold(tmp_path / "root", "second"):
            pass
        assert str(told.value).isprintable()
        assert len(str(told.value)) < 1000

"""The status read and written image by image is what it is read and written whole."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mirrord.config.model import Config
from mirrord.config.reserve import Reserve
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout
from mirrord.store.store import open_store
from mirrord.sync.journal import read_document, read_status, write_down, write_down_once
from mirrord.sync.outcome import Outcome, Progress, Report, Status
from mirrord.sync.outcomes import Outcomes
from mirrord.sync.status import ImageStatus, MirrorStatus, Trouble
from mirrord.sync.status_file import STATUS
from mirrord.sync.status_stream import open_status

ONE, TWO = Digest.of(b"one"), Digest.of(b"two")
LONG = "an error of which much is told: " + 'é\\"},' * 40_000
GROUPS = {"default": {"schedule": "@daily", "stale_after": 172_800.0}}


def status(images: int = 300) -> MirrorStatus:
    """One that is longer than what is read at once, with a value that is as well."""
    found = {f"app:{number:03}": ImageStatus("default", 5.0, str(ONE), state="unchanged") for number in range(images)}
    found["app:100"] = ImageStatus("default", 5.0, trouble=Trouble("upstream", LONG, "2024-01-01T00:00:00+00:00"))
    return MirrorStatus(found, GROUPS)


def laid(root: Path, content: bytes) -> Layout:
    """A root whose status has that content."""
    layout = Layout(root)
    layout.status.mkdir(parents=True)
    (layout.status / STATUS).write_bytes(content)
    return layout


@pytest.mark.parametrize("images", [0, 1, 3000])
def test_it_reads_what_was_written(tmp_path: Path, images: int) -> None:
    """Every image, and what was known of groups, wherever the pieces that are read end."""
    written = status(images)
    layout = laid(tmp_path, written.encode({"version": "1", "disk": {"total": 5}, "groups": GROUPS, "upstreams": {}}))
    with open_status(layout) as found:
        assert found.groups == GROUPS
        assert dict(found.images) == written.images


def test_an_indented_one_is_read_as_well(tmp_path: Path) -> None:
    """Spaces between values mean nothing."""
    document = json.loads(status(5).encode({"groups": GROUPS}))
    with open_status(laid(tmp_path, json.dumps(document, indent=2).encode())) as found:
        assert dict(found.images) == status(5).images


def test_where_there_is_none_nothing_is_known(tmp_path: Path) -> None:
    """A root without a status has no images yet."""
    with open_status(Layout(tmp_path)) as found:
        assert (found.groups, list(found.images)) == ({}, [])


@pytest.mark.parametrize("length", range(0, 1200, 97))
def test_what_is_torn_is_told(tmp_path: Path, length: int) -> None:
    """Anything but a whole status is a HostError, wherever it ends."""
    content = status(2).encode({"groups": GROUPS, "number": 12_345})[:length]
    with pytest.raises(HostError), open_status(laid(tmp_path, content)) as found:
        list(found.images)


async def told(root: Path, before: bytes, report: Report, *, once: bool) -> MirrorStatus:
    """The status after a report, by one way or the other."""
    async with open_store(root, command="test", threads=2, reserve=Reserve(size=0)) as store:
        store.now = lambda: datetime(2024, 5, 1, tzinfo=UTC)
        (store.layout.status / STATUS).write_bytes(before)
        if once:
            await write_down_once(store, Config(), report)
        else:
            await write_down(store, Config(), report)
        found = read_document(store.layout)
        assert list(found["images"]) == sorted(found["images"])
        return read_status(store.layout)


def backwards(document: bytes) -> bytes:
    """The same with its images in another order."""
    found = json.loads(document)
    return json.dumps(found | {"images": dict(reversed(found["images"].items()))}).encode()


def first(document: bytes) -> bytes:
    """The same with its images before all else."""
    found = json.loads(document)
    return json.dumps({"images": found.pop("images"), **found}).encode()


@pytest.mark.parametrize("change", [bytes, backwards, first, lambda content: content[:-9], lambda _: b"no status"])
async def test_a_run_is_written_down_alike_by_pieces_and_whole(tmp_path: Path, change: object) -> None:
    """Whoever ends after the run and whoever keeps running write the same, whatever lies there."""
    outcomes = [
        Outcome("app:000", Status.REMOVED, None, ONE),
        Outcome("app:001", Status.UPDATED, TWO, ONE),
        Outcome("app:001a", Status.ADDED, TWO),
        Outcome.of_error("app:002", HostError("no room"), ONE),
        Outcome("zoo:1", Status.ADDED, ONE),
        Outcome("aaa:1", Status.ADDED, ONE),
    ]
    report = Report("r", Outcomes.of(outcomes), (), 1.0, 0, Progress())
    before = change(status(5).encode({"groups": {}, "upstreams": {}}))  # type: ignore[operator] # any of the above
    ways = [await told(tmp_path / str(once), before, report, once=once) for once in (True, False)]
    assert ways[0] == ways[1]
    assert ways[0].images["app:001"].digest == str(TWO)
    assert "app:000" not in ways[0].images

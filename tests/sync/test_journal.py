"""Writing down what runs came to: runs that end together, and files that others put in the place of ours."""

import asyncio
from pathlib import Path

from mirrord.config.model import Config
from mirrord.config.reserve import Reserve
from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout
from mirrord.store.store import open_store
from mirrord.sync import status_file
from mirrord.sync.journal import RUNS, read_document, read_status, write_down
from mirrord.sync.outcome import Outcome, Progress, Report, Status
from mirrord.sync.outcomes import Outcomes
from mirrord.sync.status_file import IMAGES_KEPT, STATUS

ONE = Digest.of(b"one")
ENDING, IMAGES = 16, 40
"""Runs that end together, and the images of each."""


def report(run: str, images: int = IMAGES) -> Report:
    """A run of its own repository."""
    outcomes = Outcomes.of(Outcome(f"{run}:{number}", Status.ADDED, ONE) for number in range(images))
    return Report(run, outcomes, (), 1.0, 0, Progress())


async def written(root: Path, *runs: Report) -> Layout:
    """Write down runs that all end at once."""
    async with open_store(root, command="test", threads=8, reserve=Reserve(size=0)) as store:
        async with asyncio.TaskGroup() as tasks:
            for each in runs:
                tasks.create_task(write_down(store, Config(), each))
        return store.layout


async def test_runs_that_end_together_lose_nothing_of_one_another(tmp_path: Path) -> None:
    """The status has every image of every one of them, and the history a line of each."""
    layout = await written(tmp_path / "root", *(report(f"r{number}") for number in range(ENDING)))
    expected = {f"r{number}:{image}" for number in range(ENDING) for image in range(IMAGES)}
    assert read_status(layout).images.keys() == expected
    assert read_document(layout)["images"].keys() == expected
    assert len((layout.status / RUNS).read_bytes().splitlines()) == ENDING


async def test_what_is_remembered_of_the_status_is_what_its_file_says(tmp_path: Path) -> None:
    """The next run goes on from what lies there: what this process wrote, what another did, or nothing."""
    layout = await written(tmp_path / "root", report("a"))
    other = await written(tmp_path / "other", report("b"))
    ours, theirs = layout.status / STATUS, other.status / STATUS
    assert {name[0] for name in read_status(layout).images} == {"a"}
    await written(tmp_path / "root", report("c"))
    assert {name[0] for name in read_status(layout).images} == {"a", "c"}
    ours.unlink()
    ours.write_bytes(theirs.read_bytes())
    assert {name[0] for name in read_status(layout).images} == {"b"}
    await written(tmp_path / "root", report("d"))
    assert {name[0] for name in read_document(layout)["images"]} == {"b", "d"}
    ours.write_text("no status")
    assert read_status(layout).images == {}
    await written(tmp_path / "root", report("e"))
    assert {name[0] for name in read_document(layout)["images"]} == {"e"}


async def test_of_more_images_than_are_remembered_the_file_is_the_same(tmp_path: Path) -> None:
    """Above the bound the file is read and encoded whole; nobody sees it."""
    remembered = await written(tmp_path / "few", report("a", IMAGES_KEPT))
    whole = await written(tmp_path / "many", report("a", IMAGES_KEPT), report("b", 1))
    images = read_document(whole)["images"]
    assert len(images) == IMAGES_KEPT + 1
    del images["b:0"]
    stamps = {"checked", "succeeded", "changed"}
    assert [{k: v for k, v in image.items() if k not in stamps} for image in images.values()] == [
        {k: v for k, v in image.items() if k not in stamps} for image in read_document(remembered)["images"].values()
    ]
    assert read_status(whole).images.keys() == images.keys() | {"b:0"}
    assert status_file.StatusFile().read(whole) == read_status(whole)

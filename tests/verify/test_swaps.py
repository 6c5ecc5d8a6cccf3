"""Files that took each other's place: both are found and mended, however they were exchanged."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.closed import check_tree
from support.damage import AMD, ARM, INDEX, exchange_bytes, seen, swap
from support.mirror import HOST, Mirror
from support.scripted import Scripted
from support.verifying import repaired, verified

from mirrord.store.layout import Layout, flat_name

APP, TOOL = f"{HOST}/app", f"{HOST}/tool"


def pool_files(layout: Layout) -> tuple[Path, Path]:
    """Two layers of the pool."""
    return layout.pooled(AMD.manifest.layers[1].digest), layout.pooled(ARM.manifest.layers[0].digest)


def blobs(layout: Layout) -> tuple[Path, Path]:
    """Two blobs of a repository."""
    return layout.blob(APP, AMD.manifest.layers[1].digest), layout.blob(APP, ARM.manifest.layers[0].digest)


def manifests(layout: Layout) -> tuple[Path, Path]:
    """Two manifests of a repository."""
    one, two = (layout.manifest(APP, each.digest, each.manifest.kind) for each in (AMD, INDEX))
    return one, two


def _generations(layout: Layout, repository: str) -> list[Path]:
    return sorted((layout.generations / flat_name(repository)).iterdir())


def tag_lists(layout: Layout) -> tuple[Path, Path]:
    """The tag lists of two generations."""
    first, second, *_ = _generations(layout, APP)
    return first / "list.json", second / "list.json"


def records(layout: Layout) -> tuple[Path, Path]:
    """The records of two generations."""
    first, second, *_ = _generations(layout, APP)
    return first / "record.json", second / "record.json"


def tags(layout: Layout) -> tuple[Path, Path]:
    """Two tags of one generation."""
    room = _generations(layout, TOOL)[-1] / "tags"
    return room / "v1", room / "v2"


def links(layout: Layout) -> tuple[Path, Path]:
    """Two links of the served snapshot."""
    served = layout.current.resolve()
    return served / flat_name(APP), served / flat_name(TOOL)


def notes(layout: Layout) -> tuple[Path, Path]:
    """The notes of two snapshots."""
    first, second, *_ = sorted(layout.snapshots.iterdir())
    return first / "_snapshot.json", second / "_snapshot.json"


NAMES = (pool_files, blobs, manifests, tag_lists, tags, links)
"""A swap of these can be mended to the byte."""


@pytest.mark.parametrize("pair", NAMES)
async def test_two_names_that_were_exchanged(
    copy: tuple[Mirror, Scripted], pair: Callable[[Layout], tuple[Path, Path]]
) -> None:
    """Both are named; all that was linked to them elsewhere mends them, without a request."""
    mirror, upstream = copy
    before = seen(mirror.root)
    one, two = pair(mirror.layout)
    swap(one, two)
    paths = {each.path for each in (await verified(mirror.root)).findings}
    assert {str(path.relative_to(mirror.root)) for path in (one, two)} <= paths
    assert (await repaired(mirror)).left == ()
    assert seen(mirror.root) == before
    assert not upstream.requests
    check_tree(mirror.root)


@pytest.mark.parametrize("pair", [pool_files, blobs, manifests])
async def test_two_files_whose_bytes_were_exchanged(
    copy: tuple[Mirror, Scripted], pair: Callable[[Layout], tuple[Path, Path]]
) -> None:
    """Every name of both is wrong: they are fetched again, each once."""
    mirror, upstream = copy
    before = seen(mirror.root)
    exchange_bytes(*pair(mirror.layout))
    found = await verified(mirror.root)
    assert len(found.damaged) == 2
    assert (await repaired(mirror)).left == ()
    assert seen(mirror.root) == before
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("pair", [records, notes])
async def test_records_and_notes_that_were_exchanged(
    copy: tuple[Mirror, Scripted], pair: Callable[[Layout], tuple[Path, Path]]
) -> None:
    """Each is the other's: both are found, and what is served is sound after the repair."""
    mirror, _ = copy
    one, two = pair(mirror.layout)
    swap(one, two)
    paths = {each.path for each in (await verified(mirror.root)).findings}
    assert {str(path.relative_to(mirror.root)) for path in (one, two)} <= paths
    await repaired(mirror)
    check_tree(mirror.root)
    await mirror.sync()

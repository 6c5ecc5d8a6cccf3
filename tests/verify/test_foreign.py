"""What is none of mirrord's: reported wherever it lies, and never removed."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from support.closed import check_tree
from support.damage import AMD, INDEX, seen
from support.mirror import HOST, Mirror
from support.scripted import Scripted
from support.verifying import repaired, verified

from mirrord.store.layout import flat_name
from mirrord.store.verify_finding import Damage

APP = f"{HOST}/app"
PLACES = (
    "foreign",
    "pool/foreign",
    "pool/sha256/foreign",
    "pool/sha256/00/foreign",
    f"pool/sha256/{INDEX.digest.hex[:2]}/{'0' * 64}",
    f"pool/sha256/{INDEX.digest.hex[:2]}/{INDEX.digest.hex}.bak",
    "content/Foreign",
    f"content/{APP}/_foreign",
    f"content/{APP}/_blobs/foreign",
    f"content/{APP}/_manifests/foreign",
    f"content/{APP}/_manifests/{AMD.digest}",
    "generations/_foreign",
    f"generations/{flat_name(APP)}/foreign",
    f"generations/{flat_name(APP)}/@/foreign",
    f"generations/{flat_name(APP)}/@/tags/foreign",
    f"generations/{flat_name(APP)}/@/referrers/foreign.json",
    "snapshots/foreign",
    "current/foreign",
)


def a_file(path: Path) -> None:
    """Somebody's notes."""
    path.write_text("x")


def a_directory(path: Path) -> None:
    """Somebody's backup."""
    path.mkdir()


def a_fifo(path: Path) -> None:
    """What nobody may wait for."""
    os.mkfifo(path)


def a_link(path: Path) -> None:
    """A way out."""
    path.symlink_to("/etc")


@pytest.mark.parametrize("make", [a_file, a_directory, a_fifo, a_link])
async def test_foreign_things_are_reported_and_stay(
    copy: tuple[Mirror, Scripted], make: Callable[[Path], None]
) -> None:
    """In every room: each path is named, and a repair leaves it where it is, with all around it whole."""
    mirror, _ = copy
    root = mirror.root
    served = (root / "current" / flat_name(APP)).resolve().name
    refused = "pool/sha256/foreign" if make is a_link else None  # a writer takes no pool that leads elsewhere
    paths = [root / place.replace("@", served) for place in PLACES if place != refused]
    (root / "pool/sha256/00").mkdir(exist_ok=True)
    for path in paths:
        make(path)
    found = await verified(root)
    real = {str((path.parent.resolve() / path.name).relative_to(root.resolve())) for path in paths}
    assert {each.path for each in found.findings if each.damage is Damage.FOREIGN} == real
    assert all(each.advice for each in found.findings)
    repair = await repaired(mirror)
    assert {each.path for each in repair.left} == real
    assert all(os.path.lexists(path) for path in paths)


@pytest.mark.parametrize("make", [a_file, a_directory, a_fifo, a_link])
async def test_private_rooms_hold_only_what_runs_leave(
    copy: tuple[Mirror, Scripted], make: Callable[[Path], None]
) -> None:
    """What is in staging/ or state/ and nobody's is reported; what a run keeps there is not."""
    root = copy[0].root
    for path in (root / "staging" / "foreign", root / "state" / "foreign"):
        make(path)
    (root / "staging" / f"{INDEX.digest}.part").write_bytes(b"half")
    found = await verified(root)
    assert {each.path for each in found.findings} == {"staging/foreign", "state/foreign"}


async def test_a_manifest_under_the_name_of_another_kind_goes(copy: tuple[Mirror, Scripted]) -> None:
    """Clients would be told a wrong media type: the misnamed link is found and removed, the right one stays."""
    mirror, _ = copy
    before = seen(mirror.root)
    right = mirror.layout.content / APP / "_manifests" / f"{AMD.digest}.oci-manifest"
    os.link(right, right.with_suffix(".docker-manifest"))
    found = await verified(mirror.root)
    assert [(each.damage, Path(each.path).suffix) for each in found.findings] == [(Damage.LINK, ".docker-manifest")]
    assert (await repaired(mirror)).left == ()
    assert seen(mirror.root) == before
    right.rename(right.with_suffix(".docker-manifest"))
    assert {each.damage for each in (await verified(mirror.root)).findings} == {Damage.LINK, Damage.MISSING}
    assert (await repaired(mirror)).left == ()
    assert seen(mirror.root) == before


async def test_notes_that_others_can_read_are_closed(copy: tuple[Mirror, Scripted]) -> None:
    """state/ is private: a note of an open mode is found and closed."""
    mirror, _ = copy
    note = mirror.layout.state / "followers.json"
    note.chmod(0o644)
    assert [each.path for each in (await verified(mirror.root)).findings] == ["state/followers.json"]
    assert (await repaired(mirror)).left == ()
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    check_tree(mirror.root)

"""What an ordinary user can't see for its mode: found, mended, and what is behind it verified after all."""

import asyncio
import os
from pathlib import Path

import pytest
from support.damage import AMD, Model, flip, seen, targets
from support.mirror import Mirror
from support.ordinary import NOBODY, own, run_ordinary
from support.scripted import Scripted
from support.verifying import verified

from mirrord.store.verify_finding import Damage


def _ordinary(mirror: Mirror) -> None:
    """Let the mirror belong to an ordinary user, in a place that others may enter."""
    mirror.place.chmod(0o755)
    own(mirror.place)


CLOSED = (
    "a layer in the pool",
    "a record",
    "a directory of blobs",
    "a directory above repositories",
    "a generation",
)


@pytest.mark.parametrize("what", CLOSED)
async def test_what_its_owner_may_not_read_is_opened_and_verified(
    model: Model, copy: tuple[Mirror, Scripted], what: str
) -> None:
    """A mode of 0: told as such; a repair sets it, then finds and mends what was damaged behind it."""
    mirror, _ = copy
    path = targets(mirror.root)[what]
    flip(mirror.layout.pooled(AMD.manifest.layers[1].digest))
    path.chmod(0)
    _ordinary(mirror)
    done = await asyncio.to_thread(run_ordinary, mirror.place, "verify")
    assert done.returncode == 1, done.stderr
    assert f"wrong mode     {path.relative_to(mirror.root)}" in done.stdout
    done = await asyncio.to_thread(run_ordinary, mirror.place, "verify", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen(mirror.root) == model.seen
    assert (await verified(mirror.root)).findings == ()


async def test_files_of_another_user_are_told(copy: tuple[Mirror, Scripted]) -> None:
    """STORAGE hole 19: what a `sudo` left behind is named, a link as well as a file, with what to do about it."""
    mirror, _ = copy
    paths = [
        targets(mirror.root)[what] for what in ("a tag list", "a tag", "a directory of tags", "a layer in the pool")
    ]
    for path in paths:
        os.lchown(path, NOBODY, NOBODY)
    found = [each for each in (await verified(mirror.root)).findings if each.damage is Damage.OWNER]
    assert {Path(each.path) for each in found} >= {path.relative_to(mirror.root) for path in paths}
    assert all("chown" in each.advice for each in found)

"""Damage at random: none missed, whatever it is done to."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from support.damage import Model, random_damage
from support.verifying import about, verified

CI, SOAK = 60, 1000


async def _none_missed(model: Path, place: Path, seeds: range) -> None:
    for seed in seeds:
        root = place / "mirror"
        subprocess.run(["cp", "-a", f"{model}/mirror", place], check=True)
        path, what = random_damage(root, random.Random(seed))  # noqa: S311 - a choice to be made again
        found = await verified(root)
        assert about(found.findings, path, root), f"seed {seed}: {what} of {path}"
        shutil.rmtree(root)
        shutil.rmtree(place / "outside", ignore_errors=True)


async def test_random_damage_is_found(model: Model, place: Path) -> None:
    """Bits flipped anywhere, and every other kind of damage, to any file or link of the tree."""
    await _none_missed(model.place, place, range(CI))


@pytest.mark.soak
async def test_a_thousand_random_damages_are_found(model: Model, place: Path) -> None:
    """The same, a thousand times."""
    await _none_missed(model.place, place, range(CI, CI + SOAK))

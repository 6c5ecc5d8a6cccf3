"""The benchmark: that it runs whole, and says how its ratios stand. How fast anything is decides no test."""

import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.mark.soak
def test_the_quick_benchmark_tells_its_ratios() -> None:
    """Every corpus by every contender, each ratio beside the one written down; what is counted, not timed, is held."""
    done = subprocess.run(
        [str(PROJECT / "scripts/bench"), "--quick"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures, _, ratios = done.stdout.partition("### Ratios, beside those written down")
    lines = ratios.splitlines()[4:]
    assert len(lines) >= 10
    assert all(line.count("|") == 5 and line.endswith(" x |") for line in lines), ratios
    counted = [line for line in figures.splitlines() if line.startswith(("| requests of", "| *big* on disk"))]
    assert len(counted) == 3
    assert all(line.endswith("| met |") for line in counted), counted
    print(done.stdout)  # noqa: T201 - what a soak is run for


@pytest.mark.soak
def test_the_quick_benchmark_of_serving_answers_everything() -> None:
    """Every load of nginx and docker-registry, and every option of nginx, finds its line in the configuration."""
    done = subprocess.run(
        [str(PROJECT / "scripts/bench"), "--serve", "--quick"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "### Options of nginx" in done.stdout
    print(done.stdout)  # noqa: T201 - likewise

"""The benchmark: that it runs whole, and says how its ratios stand. How fast anything is decides no test."""

import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.mark.soak
def test_the_quick_benchmark_tells_its_ratios() -> None:
    """Every corpus by every contender, and each ratio beside the one that was written down."""
    done = subprocess.run(
        [str(PROJECT / "scripts/bench"), "--quick"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    _, _, ratios = done.stdout.partition("### Ratios, beside those written down")
    lines = ratios.splitlines()[4:]
    assert len(lines) >= 10
    assert all(line.count("|") == 5 and line.endswith(" x |") for line in lines), ratios
    print(done.stdout)  # noqa: T201 - what a soak is run for

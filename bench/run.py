"""Measures mirrord side by side with its peers and the machine's limit. Run as `scripts/bench`."""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.child import run
from bench.page import SERVING, bars_table, ratios_table, write
from bench.peers import versions
from bench.plot import plot
from bench.sections import SECTIONS
from bench.serve import Effort, measure_serving
from bench.session import Bench
from bench.upstream import program, running_registry

PAGE = Path("docs/performance.md")
IMAGES = Path("docs/images")
RATIOS = Path("bench/ratios.json")


def main() -> None:
    """Measure, print the tables, and write the page where that was asked for."""
    options = _options()
    if options.serve:
        _serve(options)
        return
    with _room(options.memory) as memory, _room(options.disk) as disk, running_registry(memory) as served:
        bench = Bench(served, memory, disk, options.rounds, is_quick=options.quick)
        for name, measure_section in SECTIONS.items():
            if options.corpus in {None, name}:
                measure_section(bench)
    figures = "\n".join([_conditions(options), bars_table(bench.bars), *bench.sections])
    sys.stdout.write(figures)
    if options.quick:
        committed = json.loads(RATIOS.read_text())
        known = {name: ratio for name, ratio in committed.items() if name in bench.ratios or not options.corpus}
        sys.stdout.write("\n" + ratios_table(bench.ratios, known))
    if options.write and options.quick:
        RATIOS.write_text(json.dumps(bench.ratios, indent=1) + "\n")
    elif options.write:
        for name, rows in bench.found.items():
            plot(IMAGES / f"performance-{name}.svg", f"{name}: seconds", rows)
        write(PAGE, figures)


def _serve(options: argparse.Namespace) -> None:
    """Measure what is served rather than what is synced."""
    effort = Effort(options.rounds, 1 if options.quick else 2, options.quick)
    with _room(options.memory) as memory, running_registry(memory) as served:
        figures = f"{_conditions(options)}\n{measure_serving(memory, served, effort)}"
    sys.stdout.write(figures)
    if options.write:
        write(PAGE, figures, SERVING)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="small corpora, one round: ratios beside those written down"
    )
    parser.add_argument("--rounds", type=int, help="rounds whose medians count (default 3)")
    parser.add_argument("--corpus", choices=list(SECTIONS), help="only this part")
    parser.add_argument("--serve", action="store_true", help="what nginx answers, beside docker-registry, and no syncs")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a directory in memory")  # noqa: S108 - a room of our own is made in it
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="a directory on a disk")  # noqa: S108 - likewise
    parser.add_argument(
        "--write", action="store_true", help=f"write the tables into {PAGE}; with --quick: the ratios into {RATIOS}"
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


@contextmanager
def _room(place: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mirrord-bench-", dir=place) as room:
        yield Path(room)


def _conditions(options: argparse.Namespace) -> str:
    """How and on what the figures were taken."""
    command = " ".join(["scripts/bench", *sys.argv[1:]])
    beside = [
        f"Python {platform.python_version()}",
        versions(),
        f"docker-registry {run([program('docker-registry'), '--version']).output.split()[-1]} as upstream",
    ]
    rounds = f"medians of {options.rounds} rounds" if options.rounds > 1 else "one round"
    if options.quick:
        rounds += " of small corpora (the bars are for the whole ones)"
    commit = run([program("git"), "describe", "--always"]).output.strip()
    if run([program("git"), "status", "--porcelain", "--", ".", ":!docs"]).output:  # figures change no code
        commit += "-dirty"
    return f"`{command}` at {commit}: {rounds}, {os.cpu_count()} cores, {', '.join(beside)}.\n"


if __name__ == "__main__":
    main()

"""Measures mirrord beside other tools, on this host and on loopback alone: `scripts/bench --help`."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from support.docker_registry import running_registry

from bench import report
from bench.corpus import CORPORA, Corpus
from bench.measure import BenchError, Cost, disk_bytes, run
from bench.works import TARGET, Contender, Places, Work, works

NEEDS = {"big": "big", "disk": "big", "tags": "tags", "noop": "tags"}
"""The corpus of each work."""
MEMORY = "/dev/shm"  # noqa: S108 - a private directory is made in it
DISK = "/var/tmp"  # noqa: S108 - likewise


def main() -> int:
    """Measure what was asked for; gives the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(NEEDS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="one round of each, docs/performance.md left alone")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--memory", default=MEMORY, metavar="DIR", help=f"on tmpfs, with 4 GiB free ({MEMORY})")
    parser.add_argument("--disk", default=DISK, metavar="DIR", help=f"on a disk ({DISK})")
    arguments = parser.parse_args()
    if unknown := set(arguments.works) - NEEDS.keys():
        parser.error(f"no such work: {', '.join(sorted(unknown))}")
    asked = arguments.works or list(NEEDS)
    rounds = 1 if arguments.quick else arguments.rounds
    with _directory(arguments.memory) as memory, _directory(arguments.disk) as disk:
        try:
            lines = measure_all(Places(memory, disk), asked, rounds)
        except BenchError as error:
            sys.stderr.write(f"bench: {error}\n")
            return 1
    if not arguments.quick and not arguments.works:
        report.write(lines)
    return 0


def measure_all(places: Places, asked: Sequence[str], rounds: int) -> list[str]:
    """Push the corpora, do the works, and give the lines of the report, which are shown as they come."""
    lines = [report.circumstances(rounds)]
    storage = places.memory / "upstream"
    storage.mkdir()
    with running_registry(storage) as registry:
        corpora = {}
        for name in dict.fromkeys(NEEDS[work] for work in asked):
            sys.stderr.write(f"pushing {name}\n")
            corpora[name] = Corpus(registry)
            CORPORA[name](corpora[name])
        for work in works(places, corpora):
            if work.name in asked:
                told = ["", *report.table(work, measure(work, rounds))]
                sys.stdout.write("\n".join(told) + "\n")
                sys.stdout.flush()
                lines += told
    return lines


def measure(work: Work, rounds: int) -> dict[str, list[Cost]]:
    """Do a work so many times by each contender in turn."""
    figures: dict[str, list[Cost]] = {contender.name: [] for contender in work.contenders}
    for number in range(1, rounds + 1):
        for contender in work.contenders:
            sys.stderr.write(f"{work.name}, round {number}: {contender.name}\n")
            figures[contender.name].append(_once(work, contender))
    return figures


def _once(work: Work, contender: Contender) -> Cost:
    with _directory(work.place) as place:
        cost = run(contender.command(place), place, contender.stdin)
        return replace(cost, disk_bytes=disk_bytes(place / TARGET)) if work.unique_bytes else cost


@contextmanager
def _directory(parent: str | Path) -> Iterator[Path]:
    """A fresh directory that is gone afterwards, whatever modes are in it."""
    place = Path(tempfile.mkdtemp(prefix="mirrord-bench-", dir=parent))
    try:
        yield place
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main())

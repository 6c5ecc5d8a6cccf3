"""Measures mirrord side by side with skopeo and the machine's limit. Run as `scripts/bench`."""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench import measure
from bench.child import run
from bench.measure import Corpus, Figure
from bench.page import MB, SERVING, Bar, bars_table, middle, table, write
from bench.serve import Effort, measure_serving
from bench.upstream import program, running_registry

PAGE = Path("docs/performance.md")
COLD, AGAIN, SKOPEO = "mirrord, cold", "mirrord again, nothing new", "skopeo sync --all"
LIMIT, QUESTIONS = "the same requests in C", "the questions of the second sync in C"
ON_DISK, DD = "mirrord, cold, on a disk", "dd conv=fsync, on that disk"
_NO_OP_BAR, _TAGS_BAR, _PEAK_BAR = 0.8, 7.0, 96 * MB
_PUBLISH_BARS = {"in memory": 50, "on disk": 200}


class Bench:
    """One session of measurements."""

    def __init__(self, options: argparse.Namespace, memory: Path, disk: Path) -> None:
        self._options = options
        self._memory = memory
        self._disk = disk
        self._reference = measure.compile_reference(memory)
        self.sections: list[str] = []
        self.bars: list[Bar] = []

    def big(self, port: int) -> None:
        """Few large layers: cold, again, skopeo, the limit; then on a disk."""
        corpus = self._push("big", port)
        found = self._rounds(
            {
                LIMIT: lambda: self._fresh(self._memory, lambda at: self._limit(corpus, corpus.fetches, 4, at)),
                COLD: lambda: self._fresh(self._memory, lambda at: [measure.mirrord(corpus, at)]),
                SKOPEO: lambda: self._fresh(self._memory, lambda at: [measure.skopeo(corpus, at)]),
                DD: lambda: self._fresh(self._disk, lambda at: [measure.bare_write(corpus.unique, at)]),
                ON_DISK: lambda: self._fresh(self._disk, lambda at: [measure.mirrord(corpus, at)]),
            }
        )
        self._section(corpus, "few large layers", found)
        limit, cold, skopeo = (middle(found[name]) for name in (LIMIT, COLD, SKOPEO))
        bare, on_disk = middle(found[DD]), middle(found[ON_DISK])
        share = cold.wall / skopeo.wall
        self._bar("cold sync of *big*, beside skopeo", "≤ 1/5 of its time", f"{share:.2f} of it", share <= 1 / 5)
        share = limit.wall / cold.wall
        self._bar("cold sync of *big*, beside the limit", "≥ 65 % of its speed", f"{share:.0%}", share >= 0.65)  # noqa: PLR2004 - said beside it
        share = on_disk.wall / bare.wall
        self._bar("cold sync of *big* on a disk", "≤ 1.15 x `dd conv=fsync`", f"{share:.2f} x", share <= 1.15)  # noqa: PLR2004 - said beside it
        share = (cold.disk or 0) / corpus.unique - 1
        self._bar("*big* on disk", "its unique bytes + 1 %", f"+ {share:.2%}", share <= 0.01)  # noqa: PLR2004 - said beside it
        self._peak(corpus, cold)

    def tags(self, port: int) -> None:
        """Many small images: cold, again, skopeo, and both times the same requests in C."""
        corpus = self._push("tags", port)
        found = self._rounds(
            {
                LIMIT: lambda: self._fresh(self._memory, lambda at: self._limit(corpus, corpus.fetches, 8, at)),
                f"{COLD}|{AGAIN}": lambda: self._fresh(
                    self._memory, lambda at: [measure.mirrord(corpus, at), measure.mirrord(corpus, at)]
                ),
                QUESTIONS: lambda: self._fresh(self._memory, lambda at: self._limit(corpus, corpus.questions, 8, at)),
                SKOPEO: lambda: self._fresh(self._memory, lambda at: [measure.skopeo(corpus, at)]),
            }
        )
        self._section(corpus, "many small images", found)
        cold, again, limit, questions = (middle(found[name]) for name in (COLD, AGAIN, LIMIT, QUESTIONS))
        noop = f"second sync of *{corpus.name}*, nothing new"
        measured = f"{again.wall:.2f} s, {again.wall / questions.wall:.1f} x the same questions in C"
        self._bar(noop, "≤ 0.8 s", measured, again.wall <= _NO_OP_BAR)
        least = max(_TAGS_BAR, 2 * limit.wall)
        measured = f"{cold.wall:.2f} s, {cold.wall / limit.wall:.1f} x"
        self._bar(
            f"cold sync of *{corpus.name}*", "≤ 7 s, or ≤ 2 x the same requests in C", measured, cold.wall <= least
        )
        self._peak(corpus, cold)

    def publications(self) -> None:
        """A publication that moves one tag of a large mirror."""
        size = (100, 20) if self._options.quick else (1000, 100)
        count = size[0] * size[1]
        for name, place in (("in memory", self._memory), ("on disk", self._disk)):
            room = Path(tempfile.mkdtemp(dir=place))
            first, moves = measure.publications(room / "root", size, 11)
            shutil.rmtree(room)
            taken, bar = median(moves) * 1000, _PUBLISH_BARS[name]
            spread = f"{min(moves) * 1000:.0f} to {max(moves) * 1000:.0f}"
            self._bar(
                f"publication that moves 1 tag of {count:,} ({size[0]:,} repositories), {name}",
                f"≤ {bar} ms",
                f"{taken:.0f} ms ({spread}; the first one, of all tags, {first:.1f} s)",
                taken <= bar,
            )

    def _limit(self, corpus: Corpus, requests: Sequence[str], connections: int, at: Path) -> list[Figure]:
        return [measure.reference(self._reference, corpus, requests, connections, at)]

    def _push(self, name: str, port: int) -> Corpus:
        _say(f"pushing {name}")
        return measure.push(f"{name}-quick" if self._options.quick else name, port)

    def _rounds(self, contenders: dict[str, Callable[[], list[Figure]]]) -> dict[str, list[Figure]]:
        """Let the contenders take turns, in the other order every other round."""
        found: dict[str, list[Figure]] = defaultdict(list)
        for number in range(self._options.rounds):
            order = list(contenders)[:: -1 if number % 2 else 1]
            for names in order:
                for name, figure in zip(names.split("|"), contenders[names](), strict=True):
                    found[name].append(figure)
                    _say(f"round {number + 1}: {name}: {figure.wall:.2f} s")
        return {name: found[name] for names in contenders for name in names.split("|")}

    def _fresh(self, place: Path, take: Callable[[Path], list[Figure]]) -> list[Figure]:
        """Measure in a directory that did not exist before and does not after."""
        room = Path(tempfile.mkdtemp(dir=place))
        try:
            return take(room / "root")
        finally:
            shutil.rmtree(room)
            os.sync()

    def _section(self, corpus: Corpus, words: str, found: dict[str, list[Figure]]) -> None:
        title = (
            f"*{corpus.name}*: {words}: {corpus.tags:,} tags in {len(corpus.repositories)} repositories, "
            f"{corpus.unique / MB:,.0f} MB unique"
        )
        self.sections.append(table(title, {name: middle(figures) for name, figures in found.items()}))

    def _peak(self, corpus: Corpus, cold: Figure) -> None:
        peak = cold.peak or 0
        self._bar(f"peak memory, cold sync of *{corpus.name}*", "≤ 96 MB", f"{peak / MB:.0f} MB", peak <= _PEAK_BAR)

    def _bar(self, what: str, wanted: str, measured: str, is_met: bool) -> None:  # noqa: FBT001 - a value, no switch
        self.bars.append(Bar(what, wanted, measured, is_met))


def main() -> None:
    """Measure, print the tables, and write the page where that was asked for."""
    options = _options()
    if options.serve:
        _serve(options)
        return
    with _room(options.memory) as memory, _room(options.disk) as disk, running_registry(memory) as port:
        bench = Bench(options, memory, disk)
        if options.corpus in {None, "big"}:
            bench.big(port)
        if options.corpus in {None, "tags"}:
            bench.tags(port)
        if options.corpus is None:
            bench.publications()
    figures = "\n".join([_conditions(options), bars_table(bench.bars), *bench.sections])
    sys.stdout.write(figures)
    if options.write:
        write(PAGE, figures)


def _serve(options: argparse.Namespace) -> None:
    """Measure what is served rather than what is synced."""
    effort = Effort(options.rounds, 2 if options.quick else 8, options.quick)
    with _room(options.memory) as memory, running_registry(memory) as port:
        figures = f"{_conditions(options)}\n{measure_serving(memory, port, effort)}"
    sys.stdout.write(figures)
    if options.write:
        write(PAGE, figures, SERVING)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small corpora and one round: whether it works")
    parser.add_argument("--rounds", type=int, help="rounds whose medians count (default 3)")
    parser.add_argument("--corpus", choices=["big", "tags"], help="only this one, and no publications")
    parser.add_argument("--serve", action="store_true", help="what nginx answers, beside docker-registry, and no syncs")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a directory in memory")  # noqa: S108 - a room of our own is made in it
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="a directory on a disk")  # noqa: S108 - likewise
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE}")
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
    versions = [
        f"Python {platform.python_version()}",
        run([program("skopeo"), "--version"]).output.strip(),
        f"docker-registry {run([program('docker-registry'), '--version']).output.split()[-1]} as upstream",
    ]
    rounds = f"medians of {options.rounds} rounds" if options.rounds > 1 else "one round"
    if options.quick:
        rounds += " of small corpora (the bars are for the whole ones)"
    return f"`{command}`: {rounds}, {os.cpu_count()} cores, {', '.join(versions)}.\n"


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


if __name__ == "__main__":
    main()

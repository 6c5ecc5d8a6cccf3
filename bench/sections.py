"""What is measured: each corpus by all contenders in turns, and what their figures are held to."""

import json
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from bench import measure
from bench.child import run
from bench.link import DELAY, slow_link
from bench.measure import Corpus, Figure
from bench.page import MB, Bar, middle, table
from bench.upstream import Served

COLD, AGAIN, SKOPEO = "mirrord, cold", "mirrord again, nothing new", "skopeo sync --all"
LIMIT, QUESTIONS = "the same requests in C", "the questions of the second sync in C"
ON_DISK, DD = "mirrord, cold, on a disk", "dd conv=fsync, on that disk"
OVER_TLS, THREADS = "mirrord, cold, over TLS", "the same over TLS by Python's threads"
_NO_OP_BAR, _TAGS_BAR, _PEAK_BAR = 0.8, 7.0, 96 * MB
_PUBLISH_BARS = {"in memory": 50, "on disk": 200}
_AT_ONCE = 8
"""Requests to one registry at once, by default (registries.HOST.concurrency)."""

Take = Callable[[Path], list[Figure]]


class Bench:
    """One session of measurements."""

    def __init__(self, served: Served, memory: Path, disk: Path, rounds: int, *, is_quick: bool) -> None:
        self.memory, self.disk, self.is_quick = memory, disk, is_quick
        self._served = served
        self._rounds = rounds
        self._reference = measure.compile_reference(memory)
        self.sections: list[str] = []
        self.bars: list[Bar] = []
        self.ratios: dict[str, float] = {}
        """What does not depend on the host much: one contender's time by another's."""
        self.found: dict[str, dict[str, Figure]] = {}
        """Every corpus's figures by contender."""

    def push(self, name: str) -> Corpus:
        """Push a corpus."""
        say(f"pushing {name}")
        has_quick = self.is_quick and f"{name}-quick" in measure.shapes()
        return measure.push(f"{name}-quick" if has_quick else name, self._served)

    def limit(self, corpus: Corpus, requests: Sequence[str], connections: int) -> Take:
        """The same requests in C."""
        return lambda at: [measure.reference(self._reference, corpus, requests, connections, at)]

    def peers(self, corpus: Corpus) -> dict[str, Take]:
        """All peers that are here."""

        def counted(peer: Callable[[Corpus, Path], Figure], at: Path) -> list[Figure]:
            before = corpus.served.requests()
            return [replace(peer(corpus, at), requests=corpus.served.requests() - before)]

        skopeos: dict[str, Callable[[Corpus, Path], Figure]] = {
            (SKOPEO if len(measure.skopeos()) == 1 else f"{SKOPEO} ({binary})"): partial(measure.skopeo, binary=binary)
            for binary in measure.skopeos()
        }
        return {name: partial(counted, peer) for name, peer in {**skopeos, **measure.other_peers()}.items()}

    def race(
        self, corpus: Corpus, words: str, contenders: Mapping[str, tuple[Path, Take]], known_as: str = ""
    ) -> dict[str, Figure]:
        """Let the contenders take turns, in the other order every other round, each in a new directory."""
        found: dict[str, list[Figure]] = defaultdict(list)
        for number in range(self._rounds):
            for names in list(contenders)[:: -1 if number % 2 else 1]:
                for name, figure in zip(names.split("|"), fresh(*contenders[names]), strict=True):
                    found[name].append(figure)
                    say(f"{corpus.name}, round {number + 1}: {name}: {figure.wall:.2f} s")
        figures = {name: middle(found[name]) for names in contenders for name in names.split("|")}
        title = f"*{corpus.name}*: {words}: {corpus.tags:,} tags in {len(corpus.repositories)} repositories"
        self.found[known_as or corpus.name] = figures
        self.sections.append(table(f"{title}, {corpus.unique / MB:,.0f} MB unique", figures))
        return figures

    def bar(self, what: str, wanted: str, measured: str, *, is_met: bool) -> None:
        """Note what a figure is held to."""
        self.bars.append(Bar(what, wanted, measured, is_met))

    def share(self, what: str, share: float, wanted: str, *, is_met: bool) -> None:
        """Note a ratio that is held to something."""
        self.ratios[what] = round(share, 3)
        self.bar(what, wanted, f"{share:.2f}", is_met=is_met)

    def peak(self, corpus: Corpus, cold: Figure) -> None:
        """Hold the memory of a sync to its bar."""
        peak = cold.peak or 0
        self.bar(
            f"peak memory, cold sync of *{corpus.name}*", "≤ 96 MB", f"{peak / MB:.0f} MB", is_met=peak <= _PEAK_BAR
        )


def big(bench: Bench) -> None:
    """Few large layers: cold, the peers, the limit; on a disk; over TLS."""
    corpus = bench.push("big")
    memory, disk = bench.memory, bench.disk
    found = bench.race(
        corpus,
        "few large layers",
        {
            LIMIT: (memory, bench.limit(corpus, corpus.fetches, 4)),
            COLD: (memory, lambda at: [measure.mirrord(corpus, at)]),
            **{name: (memory, take) for name, take in bench.peers(corpus).items()},
            THREADS: (memory, lambda at: [measure.threads(corpus, corpus.fetches, 4, at)]),
            OVER_TLS: (memory, lambda at: [measure.mirrord(corpus, at, over_tls=True)]),
            DD: (disk, lambda at: [measure.bare_write(corpus.unique, at)]),
            ON_DISK: (disk, lambda at: [measure.mirrord(corpus, at)]),
        },
    )
    cold = found[COLD]
    share = cold.wall / found[_skopeo(found)].wall
    bench.share("cold sync of *big*: its time by skopeo's", share, "≤ 1/5", is_met=share <= 1 / 5)
    share = found[LIMIT].wall / cold.wall
    bench.share("cold sync of *big*: its speed by that of C", share, "≥ 0.65", is_met=share >= 0.65)  # noqa: PLR2004 - said beside it
    share = found[THREADS].wall / found[OVER_TLS].wall
    what = "cold sync of *big* over TLS: its speed by that of threads"
    bench.share(what, share, "≥ 0.60", is_met=share >= 0.6)  # noqa: PLR2004 - likewise
    share = found[ON_DISK].wall / found[DD].wall
    bench.share("cold sync of *big* on a disk: its time by dd's", share, "≤ 1.15", is_met=share <= 1.15)  # noqa: PLR2004 - likewise
    more = (cold.disk or 0) / corpus.unique - 1
    bench.bar("*big* on disk", "its unique bytes + 1 %", f"+ {more:.2%}", is_met=more <= 0.01)  # noqa: PLR2004 - likewise
    bench.peak(corpus, cold)


def tags(bench: Bench) -> None:
    """Many small images: cold, again, the peers, and both times the same requests in C."""
    corpus = bench.push("tags")
    memory = bench.memory
    found = bench.race(
        corpus,
        "many small images",
        {
            LIMIT: (memory, bench.limit(corpus, corpus.fetches, 8)),
            f"{COLD}|{AGAIN}": (memory, partial(_twice, corpus)),
            QUESTIONS: (memory, bench.limit(corpus, corpus.questions, 8)),
            **{name: (memory, take) for name, take in bench.peers(corpus).items()},
        },
    )
    cold, again, limit, questions = (found[name] for name in (COLD, AGAIN, LIMIT, QUESTIONS))
    _no_op(bench, corpus, again, f"≤ {_NO_OP_BAR} s", _NO_OP_BAR)
    share = again.wall / questions.wall
    bench.share("second sync of *tags*: its time by that of C", share, "", is_met=again.wall <= _NO_OP_BAR)
    best = min(found[name].wall for name in bench.peers(corpus))
    share = cold.wall / best
    bench.share("cold sync of *tags*: its time by the best peer's", share, "≤ 1/4", is_met=share <= 1 / 4)
    share = cold.wall / limit.wall
    is_met = cold.wall <= max(_TAGS_BAR, 2 * limit.wall)
    bench.share("cold sync of *tags*: its time by that of C", share, f"≤ 2, or ≤ {_TAGS_BAR:.0f} s", is_met=is_met)
    bench.peak(corpus, cold)


def others(bench: Bench) -> None:
    """Layers that many repositories share; indexes with attestations and signatures; one layer of 4 GiB."""
    for name, words in (
        ("shared", "repositories that share nine layers of ten"),
        ("index", "8 platforms, attestations and signatures"),
        ("huge", "one layer"),
    ):
        corpus = bench.push(name)
        contenders: dict[str, tuple[Path, Take]] = {
            LIMIT: (bench.memory, bench.limit(corpus, corpus.fetches, 4)),
            COLD: (bench.memory, partial(_cold, corpus)),
            **{peer: (bench.memory, take) for peer, take in bench.peers(corpus).items()},
        }
        found = bench.race(corpus, words, contenders)
        bench.ratios[f"cold sync of *{name}*: its time by skopeo's"] = round(
            found[COLD].wall / found[_skopeo(found)].wall, 3
        )
        bench.ratios[f"cold sync of *{name}*: its speed by that of C"] = round(found[LIMIT].wall / found[COLD].wall, 3)
        bench.peak(corpus, found[COLD])


def far(bench: Bench) -> None:
    """An upstream that is 20 ms and 200 Mbit/s away."""
    near = bench.push("tags")
    with slow_link(near.port) as port:
        corpus = replace(near, port=port)
        found = bench.race(
            corpus,
            "through a link of 20 ms and 200 Mbit/s",
            {
                LIMIT: (bench.memory, bench.limit(corpus, corpus.fetches, 8)),
                f"{COLD}|{AGAIN}": (
                    bench.memory,
                    partial(_twice, corpus),
                ),
                QUESTIONS: (bench.memory, bench.limit(corpus, corpus.questions, 8)),
            },
            "far",
        )
    most = 3 * corpus.tags / _AT_ONCE * 2 * DELAY
    _no_op(bench, corpus, found[AGAIN], f"≤ {most:.1f} s, three times tags / concurrency x 20 ms", most, "far away")


def memory(bench: Bench) -> None:
    """Whether memory depends on how many tags there are."""
    peaks = []
    for name in ("one", "tags") if bench.is_quick else ("one", "tags", "many"):
        corpus = bench.push(name)
        cold, again = fresh(bench.memory, partial(_twice, corpus))
        peaks.append(f"{corpus.tags:,} tags {(cold.peak or 0) / MB:.0f} MB, again {(again.peak or 0) / MB:.0f} MB")
        is_met = max(cold.peak or 0, again.peak or 0) <= _PEAK_BAR
    bench.bar("peak memory by the number of tags", "≤ 96 MB, flat", "; ".join(peaks), is_met=is_met)


def publications(bench: Bench) -> None:
    """A publication that moves one tag of a large mirror."""
    size = (100, 20) if bench.is_quick else (1000, 100)
    count = size[0] * size[1]
    for name, place in (("in memory", bench.memory), ("on disk", bench.disk)):
        room = Path(tempfile.mkdtemp(dir=place))
        first, moves = measure.publications(room / "root", size, 11)
        shutil.rmtree(room)
        taken, most = median(moves) * 1000, _PUBLISH_BARS[name]
        spread = f"{min(moves) * 1000:.0f} to {max(moves) * 1000:.0f}"
        bench.bar(
            f"publication that moves 1 tag of {count:,} ({size[0]:,} repositories), {name}",
            f"≤ {most} ms",
            f"{taken:.0f} ms ({spread}; the first one, of all tags, {first:.1f} s)",
            is_met=taken <= most,
        )


def scale(bench: Bench) -> None:
    """Looking after 1,000 repositories with 100 tags each, and how long commands take to start."""
    size = ("100", "20") if bench.is_quick else ("1000", "100")
    room = Path(tempfile.mkdtemp(dir=bench.memory))
    found = json.loads(run([sys.executable, "-m", "bench.upkeep", str(room / "root"), *size]).output)
    shutil.rmtree(room)
    lines = ["| command | seconds | processor s | peak MB |", "|---|---:|---:|---:|"]
    for name, cost in found.items():
        lines.append(f"| `{name}` | {cost['seconds']:.2f} | {cost['processor']:.2f} | {cost['peak'] / MB:.0f} |")
    title = f"### *scale*: {int(size[0]):,} repositories with {size[1]} tags each, 21 snapshots, in memory\n"
    bench.sections.append("\n".join([title, *lines]) + "\n")
    mirrord = str(Path(sys.executable).with_name("mirrord"))
    config = bench.memory / "start.yaml"
    config.write_text(f"root: {bench.memory / 'none'}\nimages: [registry.example/app:1]\n")
    for what, command, most in (
        ("start of `mirrord --version`", [mirrord, "--version"], 0.150),
        ("`mirrord check`, of a small config", [mirrord, "check", "--config", str(config)], 0.400),
    ):
        taken = median(run(command).wall for _ in range(7))
        bench.bar(what, f"≤ {most * 1000:.0f} ms", f"{taken * 1000:.0f} ms", is_met=taken <= most)


SECTIONS: Mapping[str, Callable[[Bench], None]] = {
    "big": big,
    "tags": tags,
    "others": others,
    "far": far,
    "memory": memory,
    "publications": publications,
    "scale": scale,
}


def fresh(place: Path, take: Take) -> list[Figure]:
    """Measure in a directory that did not exist before and does not after."""
    room = Path(tempfile.mkdtemp(dir=place))
    try:
        return take(room / "root")
    finally:
        shutil.rmtree(room)
        os.sync()


def say(text: str) -> None:
    """Tell what is going on."""
    sys.stderr.write(f"bench: {text}\n")


def _cold(corpus: Corpus, at: Path) -> list[Figure]:
    """A first sync, and what it makes durable, seen in another one."""
    figure = measure.mirrord(corpus, at)
    return [replace(figure, syncs=fresh_syncs(corpus, at.parent))]


def _twice(corpus: Corpus, at: Path) -> list[Figure]:
    return [measure.mirrord(corpus, at), measure.mirrord(corpus, at)]


def fresh_syncs(corpus: Corpus, room: Path) -> int:
    """What a first sync makes durable."""
    watched = room / "watched"
    watched.mkdir()
    return measure.mirrord_syncs(corpus, watched / "root")


def _skopeo(found: Mapping[str, Figure]) -> str:
    return next(name for name in found if name.startswith(SKOPEO))


def _no_op(bench: Bench, corpus: Corpus, again: Figure, wanted: str, most: float, where: str = "") -> None:
    """Hold a sync with nothing new to its bars."""
    name = f"second sync of *{corpus.name}*{where and ' '}{where}, nothing new"
    bench.bar(name, wanted, f"{again.wall:.2f} s", is_met=again.wall <= most)
    asked = again.requests or 0
    lists = len(corpus.repositories)
    words = f"{asked:,} for {corpus.tags:,} tags and {lists} lists"
    bench.bar(f"requests of the {name}", "≤ 1 a tag", words, is_met=asked <= corpus.tags + lists)

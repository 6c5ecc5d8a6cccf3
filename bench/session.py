"""One session of measurements: contenders that take turns, each in a directory of its own, and what is held to what."""

import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import measure
from bench.measure import Corpus, Figure
from bench.page import MB, Bar, middle, table
from bench.peers import Peer, peers
from bench.upstream import Served

PEAK_BAR = 96 * MB

Take = Callable[[Path], list[Figure]]


class Bench:
    """One session of measurements."""

    def __init__(self, served: Served, memory: Path, disk: Path, rounds: int, *, is_quick: bool) -> None:
        self.memory, self.disk, self.is_quick = memory, disk, is_quick
        self._served = served
        self._rounds = rounds
        self._reference = measure.compiled("reference", memory)
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

    def limit(self, corpus: Corpus, requests: Sequence[str], connections: int, *, is_durable: bool = False) -> Take:
        """The same requests in C."""
        return lambda at: [measure.reference(self._reference, corpus, requests, connections, at, is_durable=is_durable)]

    def peers(self, corpus: Corpus) -> dict[str, tuple[Path, Take]]:
        """All peers that are here, as contenders in memory."""

        def counted(peer: Peer, at: Path) -> list[Figure]:
            before = corpus.served.requests()
            return [replace(peer(corpus, at), requests=corpus.served.requests() - before)]

        return {name: (self.memory, partial(counted, peer)) for name, peer in peers().items()}

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

    def peak(self, corpus: Corpus, cold: Figure, how: str = "") -> None:
        """Hold the memory of a sync to its bar."""
        peak = cold.peak or 0
        what = f"peak memory, cold sync of *{corpus.name}*{how and ' '}{how}"
        self.bar(what, f"≤ {PEAK_BAR / MB:.0f} MB", f"{peak / MB:.0f} MB", is_met=peak <= PEAK_BAR)


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

"""What nginx answers from a mirror's tree beside docker-registry with the same images: worker by worker, and all."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench import measure
from bench.load import Load, Server, Taken, take
from bench.measure import Corpus
from bench.options import measure_options
from bench.page import Bar, bars_table
from bench.servers import configuration, running_nginx, running_registry
from bench.session import say
from bench.upstream import Served, free_port

TAG, DIGEST, LIST = "manifests by tag", "manifests by digest", "tag lists"
LAYERS = {count: f"a layer of 16 MiB, {count} at once" for count in (1, 4, 32)}
BARS = {TAG: 10.0, DIGEST: 25.0, **dict.fromkeys(LAYERS.values(), 1.0)}
"""How many times as many answers as docker-registry, a worker or a processor of each."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often."""

    rounds: int
    seconds: int
    is_quick: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """nginx and docker-registry with as many processors each."""

    processors: int
    own: Server
    other: Server


Found = Mapping[str, Sequence[tuple[Taken, Taken]]]
"""nginx's and docker-registry's by load, a pair a round."""


def measure_serving(place: Path, served: Served, effort: Effort) -> str:
    """Tables of both, taken in turns; the images of ``served`` are in ``place``, a directory that may be filled."""
    tags, layer = measure.push("tags-quick" if effort.is_quick else "tags", served), measure.push("layer", served)
    root = place / "root"
    measure.mirrord(replace(tags, repositories={**tags.repositories, **layer.repositories}), root)
    measure.compiled("drain", place)
    place.chmod(0o755)  # nginx's own user reads it
    loads = _loads(tags, layer)
    fresh = replace(loads[1], what=f"{DIGEST}, a connection each", keeps_alive=False)
    with ExitStack() as running:
        pairs = []
        for count in sorted({1, os.cpu_count() or 1}):
            port = free_port()
            text = configuration(root, port, count)
            own = running.enter_context(running_nginx(text, port, place / f"nginx-{count}"))
            pairs.append(Pair(count, own, running.enter_context(running_registry(place, count))))
        found = {pair.processors: _taken(pair, loads, effort, place) for pair in pairs}
    title = f"{tags.tags:,} tags in {len(tags.repositories)} repositories"
    return "\n".join(
        [
            bars_table(_bars(found[1])),
            *(_table(f"{_words(count)}, with {title}", loads, each) for count, each in found.items()),
            measure_options(root, place, {load.what: load for load in [*loads, fresh]}, 1 if effort.is_quick else 3),
        ]
    )


def _taken(pair: Pair, loads: Sequence[Load], effort: Effort, place: Path) -> Found:
    found = defaultdict[str, list[tuple[Taken, Taken]]](list)
    for number in range(effort.rounds):
        for load in loads:
            turns = [pair.own, pair.other][:: -1 if number % 2 else 1]
            values = [take(server, load, effort.seconds, place) for server in turns]
            own, other = values[:: -1 if number % 2 else 1]
            found[load.what].append((own, other))
            rates = f"{load.shown(own.rate)} and {load.shown(other.rate)} {load.unit}"
            say(f"{_words(pair.processors)}: {load.what}: {rates}")
    return found


def _words(count: int) -> str:
    return f"{count} worker{'s' * (count > 1)} of nginx, {count} processor{'s' * (count > 1)} for docker-registry"


def _loads(tags: Corpus, layer: Corpus) -> Sequence[Load]:
    manifests = [line.split() for line in tags.fetches if "/manifests/" in line]
    by_tag = [target.removeprefix("/v2") for _, target, _ in manifests]
    by_digest = [
        f"{target.rpartition('/')[0]}/sha256:{digest}" for target, (_, _, digest) in zip(by_tag, manifests, strict=True)
    ]
    blob = layer.fetches[-1].split()[1].removeprefix("/v2")  # after its config
    return [
        Load(TAG, by_tag),
        Load(DIGEST, by_digest),
        Load(LIST, [f"/{name}/tags/list" for name in tags.repositories]),
        *(Load(what, [blob], count, is_body=True) for count, what in LAYERS.items()),
    ]


def _ratios(values: Sequence[tuple[Taken, Taken]]) -> tuple[float, float]:
    """How many times as many answers, and as few seconds of processor: medians of the rounds, each by itself."""
    return median(own.rate / other.rate for own, other in values), median(
        other.cost / own.cost for own, other in values
    )


def _bars(found: Found) -> Sequence[Bar]:
    bars = []
    for what, wanted in BARS.items():
        ratio, by_cost = _ratios(found[what])
        measured = f"{ratio:.1f} x (by processor time {by_cost:.1f} x)"
        bars.append(Bar(f"{what}, a worker", f"≥ {wanted:.0f} x docker-registry", measured, ratio >= wanted))
    return bars


def _table(title: str, loads: Sequence[Load], found: Found) -> str:
    lines = [
        f"### {title}\n",
        "| | | answers | | ratio | processor for each | | ratio | processors busy | |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        f"| | {' | '.join(['', *(['nginx', 'docker-registry', ''] * 3)])[:-3]} |",
    ]
    for load in loads:
        ratio, by_cost = _ratios(found[load.what])
        sides = list(zip(*found[load.what], strict=True))
        cells = [
            *(load.shown(median(each.rate for each in side)) for side in sides),
            f"{ratio:.1f}",
            *(_cost(load, median(each.cost for each in side)) for side in sides),
            f"{by_cost:.1f}",
            *(" + ".join(f"{median(part):.2f}" for part in _busy(side)) for side in sides),
        ]
        lines.append(f"| {load.what} | {load.unit} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cost(load: Load, seconds: float) -> str:
    return f"{seconds * 1e3:,.0f} ms/GB" if load.is_body else f"{seconds * 1e6:,.0f} µs"


def _busy(values: Sequence[Taken]) -> tuple[Sequence[float], Sequence[float]]:
    """The processors that the server had, and whoever asked it."""
    return [each.busy for each in values], [each.asking for each in values]

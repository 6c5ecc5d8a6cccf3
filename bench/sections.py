"""What is measured: each corpus by all contenders in turns, and what their figures are held to."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import alone, measure, service
from bench.link import DELAY, RATE, slow_link
from bench.measure import Corpus, Figure
from bench.page import Reach, reach_table
from bench.peers import SKOPEO
from bench.session import Bench, Take

COLD, AGAIN = "mirrord, cold", "mirrord again, nothing new"
SERVICE = "mirrord's service, nothing new"
LIMIT, QUESTIONS = "the same requests in C", "the questions of the second sync in C"
ON_DISK, DD = "mirrord, cold, on a disk", "dd conv=fsync, on that disk"
LIMIT_ON_DISK = "the same requests in C, each file made durable, on that disk"
OVER_TLS, THREADS = "mirrord, cold, over TLS", "the same over TLS by Python's threads"
_NO_OP_BAR, _TAGS_BAR = 0.8, 7.0
_AT_ONCE = 8
"""Requests to one registry at once, by default (registries.HOST.concurrency)."""
_FAR = ", through the link"


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
            **bench.peers(corpus),
            THREADS: (memory, lambda at: [measure.threads(corpus, corpus.fetches, 4, at)]),
            OVER_TLS: (memory, lambda at: [measure.mirrord(corpus, at, over_tls=True)]),
            LIMIT_ON_DISK: (disk, bench.limit(corpus, corpus.fetches, 4, is_durable=True)),
            DD: (disk, lambda at: [measure.bare_write(corpus.unique, at)]),
            ON_DISK: (disk, lambda at: [measure.mirrord(corpus, at)]),
        },
    )
    cold = found[COLD]
    share = cold.wall / found[_skopeo(found)].wall
    bench.share("cold sync of *big*: its time by skopeo's", share, "≤ 1/5", is_met=share <= 1 / 5)
    share = _by_best(bench, corpus, found)
    bench.share("cold sync of *big*: its time by the best peer's", share, "< 1", is_met=share < 1)
    share = found[LIMIT].wall / cold.wall
    bench.share("cold sync of *big*: its speed by that of C", share, "≥ 0.65", is_met=share >= 0.65)  # noqa: PLR2004 - said beside it
    share = found[THREADS].wall / found[OVER_TLS].wall
    what = "cold sync of *big* over TLS: its speed by that of threads"
    bench.share(what, share, "≥ 0.60", is_met=share >= 0.6)  # noqa: PLR2004 - likewise
    share = found[ON_DISK].wall / found[DD].wall
    bench.share("cold sync of *big* on a disk: its time by dd's", share, "≤ 1.15", is_met=share <= 1.15)  # noqa: PLR2004 - likewise
    share = found[LIMIT_ON_DISK].wall / found[ON_DISK].wall
    bench.share("cold sync of *big* on a disk: its speed by that of C", share, "≥ 0.65", is_met=share >= 0.65)  # noqa: PLR2004 - likewise
    more = (cold.disk or 0) / corpus.unique - 1
    bench.bar("*big* on disk", "its unique bytes + 1 %", f"+ {more:.2%}", is_met=more <= 0.01)  # noqa: PLR2004 - likewise
    bench.peak(corpus, cold)
    bench.peak(corpus, found[OVER_TLS], "over TLS")


def tags(bench: Bench) -> None:
    """Many small images: cold, again, the peers, and both times the same requests in C."""
    corpus = bench.push("tags")
    memory = bench.memory
    found = bench.race(
        corpus,
        "many small images",
        {
            LIMIT: (memory, bench.limit(corpus, corpus.fetches, 8)),
            f"{COLD}|{AGAIN}|{SERVICE}": (
                memory,
                lambda at: [*measure.twice(corpus, at), service.again(corpus, at)],
            ),
            QUESTIONS: (memory, bench.limit(corpus, corpus.questions, 8)),
            **bench.peers(corpus),
        },
    )
    cold, again, limit, questions = (found[name] for name in (COLD, AGAIN, LIMIT, QUESTIONS))
    _no_op(bench, corpus, again, f"≤ {_NO_OP_BAR} s", _NO_OP_BAR)
    taken = found[SERVICE].wall
    bench.bar("the same in mirrord's service", f"≤ {_NO_OP_BAR} s", f"{taken:.2f} s", is_met=taken <= _NO_OP_BAR)
    share = taken / questions.wall
    bench.share("the same in mirrord's service: its time by that of C", share, "≤ 1.5", is_met=share <= 1.5)  # noqa: PLR2004 - likewise
    share = again.wall / questions.wall
    bench.share("second sync of *tags*: its time by that of C", share, "", is_met=again.wall <= _NO_OP_BAR)
    share = _by_best(bench, corpus, found)
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
            **bench.peers(corpus),
        }
        found = bench.race(corpus, words, contenders)
        bench.ratios[f"cold sync of *{name}*: its time by skopeo's"] = round(
            found[COLD].wall / found[_skopeo(found)].wall, 3
        )
        bench.ratios[f"cold sync of *{name}*: its speed by that of C"] = round(found[LIMIT].wall / found[COLD].wall, 3)
        bench.peak(corpus, found[COLD])


def far(bench: Bench) -> None:
    """An upstream that is 20 ms and 200 Mbit/s away: what is left of the link's bytes, and of its round trips."""
    tags, layers = bench.push("tags"), bench.push("big-far")
    memory = bench.memory
    with slow_link(tags.port) as port:
        corpus = replace(tags, port=port)
        of_tags = bench.race(
            corpus,
            "through a link of 20 ms and 200 Mbit/s",
            {
                LIMIT: (memory, bench.limit(corpus, corpus.fetches, _AT_ONCE)),
                f"{COLD}|{AGAIN}": (memory, partial(measure.twice, corpus)),
                QUESTIONS: (memory, bench.limit(corpus, corpus.questions, _AT_ONCE)),
            },
            "far",
        )
        of_layers = bench.race(
            layers,
            "large layers, also through a link of 20 ms and 200 Mbit/s",
            {
                **_with_large_layers(bench, layers),
                **{
                    f"{name}{_FAR}": take
                    for name, take in _with_large_layers(bench, replace(layers, port=port)).items()
                },
            },
            "big-far",
        )
    most = 3 * corpus.tags / _AT_ONCE * 2 * DELAY
    _no_op(bench, corpus, of_tags[AGAIN], f"≤ {most:.1f} s, three times tags / concurrency x 20 ms", most, "far away")
    near = bench.found.get("tags", {})
    trips = {LIMIT: len(corpus.fetches), COLD: len(corpus.fetches), AGAIN: corpus.tags, QUESTIONS: corpus.tags}
    bench.sections.append(
        reach_table(
            [
                *(
                    Reach(f"*{layers.name}*: {name}", of_layers[name], of_layers[f"{name}{_FAR}"], layers.unique / RATE)
                    for name in _with_large_layers(bench, layers)
                ),
                *(
                    Reach(f"*{tags.name}*: {name}", near.get(name), figure, trips[name] / _AT_ONCE * 2 * DELAY)
                    for name, figure in of_tags.items()
                ),
            ]
        )
    )


def _with_large_layers(bench: Bench, corpus: Corpus) -> Mapping[str, tuple[Path, Take]]:
    return {
        LIMIT: (bench.memory, bench.limit(corpus, corpus.fetches, 4)),
        COLD: (bench.memory, lambda at: [measure.mirrord(corpus, at)]),
        **bench.peers(corpus),
    }


SECTIONS: Mapping[str, Callable[[Bench], None]] = {
    "big": big,
    "tags": tags,
    "others": others,
    "far": far,
    "memory": alone.memory,
    "publications": alone.publications,
    "scale": alone.scale,
}


def _cold(corpus: Corpus, at: Path) -> list[Figure]:
    """A first sync, and what it makes durable, seen in another one."""
    figure = measure.mirrord(corpus, at)
    watched = at.parent / "watched"
    watched.mkdir()
    return [replace(figure, syncs=measure.mirrord_syncs(corpus, watched / "root"))]


def _skopeo(found: Mapping[str, Figure]) -> str:
    return next(name for name in found if name.startswith(SKOPEO))


def _by_best(bench: Bench, corpus: Corpus, found: Mapping[str, Figure]) -> float:
    """The time of a first sync by that of the fastest peer."""
    return found[COLD].wall / min(found[name].wall for name in bench.peers(corpus))


def _no_op(bench: Bench, corpus: Corpus, again: Figure, wanted: str, most: float, where: str = "") -> None:
    """Hold a sync with nothing new to its bars."""
    name = f"second sync of *{corpus.name}*{where and ' '}{where}, nothing new"
    bench.bar(name, wanted, f"{again.wall:.2f} s", is_met=again.wall <= most)
    asked = again.requests or 0
    lists = len(corpus.repositories)
    words = f"{asked:,} for {corpus.tags:,} tags and {lists} lists"
    bench.bar(f"requests of the {name}", "≤ 1 a tag", words, is_met=asked <= corpus.tags + lists)

"""The works that are measured, and who does each of them: mirrord, Debian's skopeo, and the bare requests in C."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from support.programs import program

from bench.corpus import Corpus
from bench.measure import run

MIRRORD, SKOPEO, BARE, DD = "mirrord", "skopeo", "the bare requests in C", "dd conv=fsync"
TARGET = "target"
"""The directory, in the one a command gets, whose bytes on disk are counted."""

Command = Callable[[Path], Sequence[str | Path]]
"""Makes the command to be measured, for a fresh directory of its own."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do a work."""

    name: str
    command: Command
    stdin: Path | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done, by whom, and on which filesystem."""

    name: str
    title: str
    place: Path
    contenders: tuple[Contender, ...]
    unique_bytes: int = 0
    """What the bytes on disk are to be held against; 0 where nothing is written."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where measurements happen."""

    memory: Path
    disk: Path


def compile_reference(place: Path) -> Path:
    """Compile the reference program into ``place``."""
    binary = place / "reference"
    source = Path(__file__).with_name("reference.c")
    compiler = program("gcc", "gcc")
    run([compiler, "-O2", "-pthread", "-o", binary, source, "-l:libcrypto.so.3"], place)
    return binary


def works(places: Places, corpora: dict[str, Corpus]) -> list[Work]:
    """Every work that the pushed corpora allow."""
    reference = compile_reference(places.memory)
    found = []
    if big := corpora.get("big"):
        found += [
            Work(
                "big",
                f"Cold sync of 10 repositories with 2 tags each, {big.unique_bytes >> 20} MiB unique, in memory",
                places.memory,
                (mirrord(big), skopeo(big), bare(reference, big, places.memory / "big.txt", big.requests, 4)),
                big.unique_bytes,
            ),
            Work(
                "disk",
                "The same onto a disk; dd writes as many bytes into one file",
                places.disk,
                (mirrord(big), dd(big.unique_bytes)),
                big.unique_bytes,
            ),
        ]
    if tags := corpora.get("tags"):
        found += [
            Work(
                "tags",
                "Cold sync of 2,000 small tags in 10 repositories, in memory",
                places.memory,
                (mirrord(tags), skopeo(tags), bare(reference, tags, places.memory / "tags.txt", tags.requests, 8)),
                tags.unique_bytes,
            ),
            Work(
                "noop",
                "The next sync of those 2,000 tags, none of which moved",
                places.memory,
                (
                    mirrord_again(tags, places.memory / "again"),
                    bare(reference, tags, places.memory / "questions.txt", tags.questions, 8),
                ),
            ),
        ]
    return found


def mirrord(corpus: Corpus) -> Contender:
    """A sync into an empty root."""
    return Contender(MIRRORD, lambda place: _mirrord(corpus, place, place / TARGET))


def mirrord_again(corpus: Corpus, place: Path) -> Contender:
    """A sync into a root that has everything already."""
    place.mkdir()
    root = place / TARGET
    run(_mirrord(corpus, place, root), place)
    return Contender(MIRRORD, lambda fresh: _mirrord(corpus, fresh, root))


def _mirrord(corpus: Corpus, place: Path, root: Path) -> Sequence[str | Path]:
    images = "".join(f'  - {{name: bench.test/{name}, tags: ["*"]}}\n' for name in corpus.repositories)
    config = place / "mirrord.yaml"
    config.write_text(
        f'root: {root}\nregistries:\n  bench.test: {{endpoint: "{corpus.registry.url}"}}\nimages:\n{images}'
    )
    return [sys.executable, "-m", "mirrord", "sync", "--config", config]


def skopeo(corpus: Corpus) -> Contender:
    """Have skopeo sync into directories: it has no form that shares layers without a registry to run."""
    binary = program("skopeo", "skopeo")

    def command(place: Path) -> Sequence[str | Path]:
        images = "".join(f"    {name}: []\n" for name in corpus.repositories)
        listing = place / "skopeo.yaml"
        listing.write_text(f'"{corpus.registry.host}":\n  tls-verify: false\n  images:\n{images}')
        (place / TARGET).mkdir()
        options = ["--all", "--scoped", "--src", "yaml", "--dest", "dir"]
        return [binary, "--insecure-policy", "sync", *options, listing, place / TARGET]

    return Contender(SKOPEO, command)


def bare(reference: Path, corpus: Corpus, listing: Path, requests: Sequence[str], connections: int) -> Contender:
    """The requests alone, each body hashed and written."""
    listing.write_text("\n".join(requests) + "\n")

    def command(place: Path) -> Sequence[str | Path]:
        (place / TARGET).mkdir()
        return [reference, str(urlsplit(corpus.registry.url).port), str(connections), place / TARGET]

    return Contender(BARE, command, listing)


def dd(size: int) -> Contender:
    """One file of as many bytes, durable."""
    binary = program("dd", "coreutils")

    def command(place: Path) -> Sequence[str | Path]:
        (place / TARGET).mkdir()
        return [binary, "if=/dev/zero", f"of={place / TARGET / 'bytes'}", "bs=1M", f"count={size >> 20}", "conv=fsync"]

    return Contender(DD, command)

"""One measurement each: a sync by mirrord, the same requests in C and by threads, a bare write, a publication."""

import json
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.child import run
from bench.corpus import SHAPES
from bench.upstream import Served, program

HOST = "bench.local"


@dataclass(frozen=True, slots=True)
class Figure:
    """What one measurement came to; what does not apply is None."""

    wall: float
    cpu: float
    peak: int | None = None
    disk: int | None = None
    requests: int | None = None
    syncs: int | None = None
    """Calls that make something durable."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus as it was pushed."""

    name: str
    served: Served
    port: int
    """Where contenders ask for it: the registry itself, or a link to it."""
    repositories: dict[str, list[str]]
    unique: int
    """Bytes of its blobs and manifests, each once."""
    fetches: list[str] = field(repr=False)
    """What a first sync has to ask beside lists, a line each: METHOD PATH HEX-DIGEST."""
    questions: list[str] = field(repr=False)
    """What a sync has to ask beside lists where nothing is new."""

    @property
    def tags(self) -> int:
        """All tags of all repositories but those of signatures, which belong to their images."""
        return sum(not tag.endswith(".sig") for tags in self.repositories.values() for tag in tags)


def shapes() -> Collection[str]:
    """The names of all corpora."""
    return SHAPES


def push(name: str, served: Served) -> Corpus:
    """Push a corpus, in a process of its own: this one's memory counts to what it starts."""
    output = run([sys.executable, "-m", "bench.corpus", f"http://127.0.0.1:{served.port}", name]).output
    return Corpus(name, served, served.port, **json.loads(output))


def mirrord(corpus: Corpus, root: Path, *, over_tls: bool = False) -> Figure:
    """One `mirrord sync` of the whole corpus into ``root``."""
    cost = run([*_sync(corpus, root, over_tls=over_tls)])
    report = json.loads(cost.output)
    done = sum(report["counts"].values())
    if done != corpus.tags or report["problem"]:
        raise SystemExit(f"mirrord synced {done} of {corpus.tags} images: {report['problem']}")
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(root), report["requests"])


def twice(corpus: Corpus, root: Path) -> list[Figure]:
    """A first sync and a second one, for which nothing is new."""
    return [mirrord(corpus, root), mirrord(corpus, root)]


def mirrord_syncs(corpus: Corpus, root: Path) -> int:
    """How often one `mirrord sync` makes something durable; not timed, as who watches slows it down."""
    calls = root.parent / "calls"
    watch = ["-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,syncfs", "-e", "signal=none", "-o"]
    run([program("strace"), *watch, str(calls), *_sync(corpus, root)])
    return sum(1 for line in calls.read_text().splitlines() if "sync" in line and "resumed" not in line)


def configure(corpus: Corpus, root: Path, *, over_tls: bool = False) -> Path:
    """Write the config of a mirror of the whole corpus, beside ``root``."""
    config = root.parent / "mirrord.yaml"
    images = "".join(f"  - {{name: {HOST}/{name}, tags: ['*']}}\n" for name in corpus.repositories)
    endpoint = f"{{endpoint: 'http://127.0.0.1:{corpus.port}', plain_http: true}}"
    if over_tls:
        served = corpus.served
        endpoint = f"{{endpoint: 'https://localhost:{served.tls_port}', ca_file: {served.certificate}}}"
    config.write_text(f"root: {root}\nlog: {{level: warning}}\nregistries:\n  {HOST}: {endpoint}\nimages:\n{images}")
    return config


def _sync(corpus: Corpus, root: Path, *, over_tls: bool = False) -> list[str]:
    config = configure(corpus, root, over_tls=over_tls)
    return [str(Path(sys.executable).with_name("mirrord")), "sync", "--config", str(config), "--json"]


def compiled(name: str, place: Path) -> Path:
    """Compile one of the programs in C that are beside this file into ``place``."""
    source = str(Path(__file__).with_name(f"{name}.c"))
    run([program("gcc"), "-O2", "-pthread", "-o", str(place / name), source, "-l:libcrypto.so.3"])
    return place / name


def reference(
    binary: Path, corpus: Corpus, requests: Sequence[str], connections: int, target: Path, *, is_durable: bool = False
) -> Figure:
    """The bare requests in C: bodies hashed and written, nothing decided, linked or published."""
    listed = target.parent / "requests.txt"
    listed.write_text("\n".join(requests) + "\n")
    target.mkdir()
    with listed.open("rb") as file:
        how = ["fsync"] if is_durable else []
        cost = run([str(binary), str(corpus.port), str(connections), str(target), *how], stdin=file)
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(target), len(requests))


def threads(corpus: Corpus, requests: Sequence[str], connections: int, target: Path) -> Figure:
    """The bare requests over TLS by Python's threads."""
    listed = target.parent / "requests.txt"
    listed.write_text("\n".join(requests) + "\n")
    target.mkdir()
    served = corpus.served
    where = [str(served.tls_port), str(connections), str(target), str(served.certificate)]
    with listed.open("rb") as file:
        cost = run([sys.executable, "-m", "bench.threads", *where], stdin=file)
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(target), len(requests))


def bare_write(size: int, target: Path) -> Figure:
    """As many bytes written to one file and made durable."""
    blocks = f"count={size >> 20}"
    cost = run([program("dd"), "if=/dev/zero", f"of={target}", "bs=1M", blocks, "conv=fsync"])
    return Figure(cost.wall, cost.cpu)


def publications(root: Path, size: tuple[int, int], times: int) -> tuple[float, Sequence[float]]:
    """Seconds of the publication that makes ``size`` (repositories, tags of each), and of those that move one tag."""
    repositories, tags = size
    output = run([sys.executable, "-m", "bench.publish", str(root), str(repositories), str(tags), str(times)]).output
    report = json.loads(output)
    return report["first"], report["moves"]


def allocated(place: Path) -> int:
    """Bytes that the files and directories below ``place`` take on disk, each inode once."""
    seen: dict[int, int] = {}
    for folder, _, files in os.walk(place):
        for name in (".", *files):
            status = os.lstat(Path(folder, name))
            seen[status.st_ino] = status.st_blocks * 512
    return sum(seen.values())

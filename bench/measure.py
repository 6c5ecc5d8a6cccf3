"""One measurement each: a sync by mirrord, by skopeo, the same requests in C, a bare write, a publication."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.child import run
from bench.upstream import program

HOST = "bench.local"


@dataclass(frozen=True, slots=True)
class Figure:
    """What one measurement came to; what does not apply is None."""

    wall: float
    cpu: float
    peak: int | None = None
    disk: int | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus as it was pushed."""

    name: str
    port: int
    repositories: dict[str, list[str]]
    unique: int
    """Bytes of its blobs and manifests, each once."""
    fetches: list[str] = field(repr=False)
    """What a first sync has to ask beside lists, a line each: METHOD PATH HEX-DIGEST."""
    questions: list[str] = field(repr=False)
    """What a sync has to ask beside lists where nothing is new."""

    @property
    def tags(self) -> int:
        """All tags of all repositories."""
        return sum(map(len, self.repositories.values()))


def push(name: str, port: int) -> Corpus:
    """Push a corpus, in a process of its own: this one's memory counts to what it starts."""
    output = run([sys.executable, "-m", "bench.corpus", f"http://127.0.0.1:{port}", name]).output
    return Corpus(name, port, **json.loads(output))


def mirrord(corpus: Corpus, root: Path) -> Figure:
    """One `mirrord sync` of the whole corpus into ``root``."""
    config = root.parent / "mirrord.yaml"
    images = "".join(f"  - {{name: {HOST}/{name}, tags: ['*']}}\n" for name in corpus.repositories)
    endpoint = f"{{endpoint: 'http://127.0.0.1:{corpus.port}', plain_http: true}}"
    config.write_text(f"root: {root}\nlog: {{level: warning}}\nregistries:\n  {HOST}: {endpoint}\nimages:\n{images}")
    command = str(Path(sys.executable).with_name("mirrord"))
    cost = run([command, "sync", "--config", str(config), "--json"])
    report = json.loads(cost.output)
    done = sum(report["counts"].values())
    if done != corpus.tags or report["problem"]:
        raise SystemExit(f"mirrord synced {done} of {corpus.tags} images: {report['problem']}")
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(root), report["requests"])


def skopeo(corpus: Corpus, target: Path) -> Figure:
    """One `skopeo sync` of the whole corpus into ``target``."""
    config = target.parent / "skopeo.yaml"
    images = "".join(f"    {name}: []\n" for name in corpus.repositories)
    config.write_text(f"127.0.0.1:{corpus.port}:\n  tls-verify: false\n  images:\n{images}")
    target.mkdir()
    cost = run([program("skopeo"), "sync", "--all", "--src", "yaml", "--dest", "dir", str(config), str(target)])
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(target))


def compile_reference(place: Path) -> Path:
    """Compile `reference.c` into ``place``."""
    binary = place / "reference"
    source = str(Path(__file__).with_name("reference.c"))
    run([program("gcc"), "-O2", "-pthread", "-o", str(binary), source, "-l:libcrypto.so.3"])
    return binary


def reference(binary: Path, corpus: Corpus, requests: Sequence[str], connections: int, target: Path) -> Figure:
    """The bare requests in C: bodies hashed and written, nothing decided, durable, linked or published."""
    listed = target.parent / "requests.txt"
    listed.write_text("\n".join(requests) + "\n")
    target.mkdir()
    with listed.open("rb") as file:
        cost = run([str(binary), str(corpus.port), str(connections), str(target)], stdin=file)
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

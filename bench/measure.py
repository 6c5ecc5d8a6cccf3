"""One measurement each: a sync by mirrord, by skopeo, the same requests in C, a bare write, a publication."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Sequence
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


def mirrord_syncs(corpus: Corpus, root: Path) -> int:
    """How often one `mirrord sync` makes something durable; not timed, as who watches slows it down."""
    calls = root.parent / "calls"
    watch = ["-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,syncfs", "-e", "signal=none", "-o"]
    run([program("strace"), *watch, str(calls), *_sync(corpus, root)])
    return sum(1 for line in calls.read_text().splitlines() if "sync" in line and "resumed" not in line)


def _sync(corpus: Corpus, root: Path, *, over_tls: bool = False) -> list[str]:
    config = root.parent / "mirrord.yaml"
    images = "".join(f"  - {{name: {HOST}/{name}, tags: ['*']}}\n" for name in corpus.repositories)
    endpoint = f"{{endpoint: 'http://127.0.0.1:{corpus.port}', plain_http: true}}"
    if over_tls:
        served = corpus.served
        endpoint = f"{{endpoint: 'https://localhost:{served.tls_port}', ca_file: {served.certificate}}}"
    config.write_text(f"root: {root}\nlog: {{level: warning}}\nregistries:\n  {HOST}: {endpoint}\nimages:\n{images}")
    return [str(Path(sys.executable).with_name("mirrord")), "sync", "--config", str(config), "--json"]


def skopeos() -> list[str]:
    """Every skopeo on PATH, Debian's and any newer one."""
    places = os.environ.get("PATH", "").split(os.pathsep)
    found = {os.path.realpath(path) for place in places if (path := shutil.which("skopeo", path=place))}
    return sorted(found) or [program("skopeo")]


def other_peers() -> dict[str, Callable[[Corpus, Path], Figure]]:
    """The peers that Debian does not have, as far as they are on PATH."""
    known = {"regsync": regsync, "crane": crane}
    return {name: peer for name, peer in known.items() if shutil.which(name)}


def regsync(corpus: Corpus, target: Path) -> Figure:
    """One `regsync once` of the whole corpus into OCI layouts."""
    config = target.parent / "regsync.yml"
    host = f"127.0.0.1:{corpus.port}"
    steps = "".join(
        f"  - {{source: '{host}/{name}', target: 'ocidir://{target}/{name}', type: repository}}\n"
        for name in corpus.repositories
    )
    config.write_text(
        f"version: 1\ncreds:\n  - {{registry: '{host}', tls: disabled}}\ndefaults: {{parallel: 8}}\nsync:\n{steps}"
    )
    cost = run([program("regsync"), "once", "-c", str(config)])
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(target))


def crane(corpus: Corpus, target: Path) -> Figure:
    """One `crane pull` of every image of the corpus into one OCI layout."""
    host = f"127.0.0.1:{corpus.port}"
    images = [f"{host}/{name}:{tag}" for name, tags in corpus.repositories.items() for tag in tags]
    cost = run([program("crane"), "pull", "--insecure", "--format=oci", *images, str(target)])
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(target))


def skopeo(corpus: Corpus, target: Path, binary: str) -> Figure:
    """One `skopeo sync` of the whole corpus into ``target``."""
    config = target.parent / "skopeo.yaml"
    images = "".join(f"    {name}: []\n" for name in corpus.repositories)
    config.write_text(f"127.0.0.1:{corpus.port}:\n  tls-verify: false\n  images:\n{images}")
    target.mkdir()
    cost = run([binary, "sync", "--all", "--src", "yaml", "--dest", "dir", str(config), str(target)])
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

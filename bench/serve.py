"""What one nginx worker answers from a mirror's tree, beside docker-registry with the same images, by wrk."""

import contextlib
import os
import re
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench import measure
from bench.child import run
from bench.corpus import OCI_MANIFEST
from bench.measure import HOST, Corpus
from bench.page import Bar, bars_table
from bench.upstream import Served, program
from mirrord.serve.nginx import NginxSite, render

MIRROR, REGISTRY = "mirrord, one nginx worker", "docker-registry"
TAG, DIGEST, LIST = "manifests by tag", "manifests by digest", "tag lists"
BARS = {TAG: 8, DIGEST: 20}
"""How many times as many answers as docker-registry."""
_WAIT = 20.0
_SIZES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "B": 1.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk asks, and over how many connections."""

    what: str
    targets: Sequence[str]
    """As docker-registry has them, without ``/v2``."""
    connections: int = 32
    unit: str = "answers/s"
    """Or GB/s."""


def measure_serving(place: Path, served: Served, options: "Effort") -> str:
    """Tables of both, taken in turns; ``served`` is docker-registry, and ``place`` a directory that may be filled."""
    tags, layer = measure.push("tags-quick" if options.is_quick else "tags", served), measure.push("layer", served)
    measure.mirrord(replace(tags, repositories={**tags.repositories, **layer.repositories}), place / "root")
    place.chmod(0o755)  # nginx's own user reads it
    loads, found = _loads(tags, layer), defaultdict[tuple[str, str], list[Taken]](list)
    with _running_nginx(place / "root", place / "nginx") as own:
        bases = {MIRROR: f"http://127.0.0.1:{own}/v2/{HOST}", REGISTRY: f"http://127.0.0.1:{served.port}/v2"}
        programs = {MIRROR: "nginx", REGISTRY: "docker-registry"}
        for number in range(options.rounds):
            for load in loads:
                for name in list(bases)[:: -1 if number % 2 else 1]:
                    before = _processor(programs[name])
                    rate, answers = _wrk(bases[name], load, options.seconds, place / "wrk.lua")
                    found[load.what, name].append(Taken(rate, (_processor(programs[name]) - before) / answers))
    return "\n".join([bars_table(_bars(found)), _table(tags, loads, found)])


@dataclass(frozen=True, slots=True)
class Taken:
    """What one load came to."""

    rate: float
    """In the load's unit."""
    cost: float
    """Seconds of processor that the server took for an answer."""


Found = Mapping[tuple[str, str], Sequence[Taken]]
"""By load and contender, a value a round."""


def _ratios(found: Found, what: str) -> tuple[float, float]:
    """How many times as many answers, and as few seconds of processor: medians of the rounds, each by itself."""
    pairs = list(zip(found[what, MIRROR], found[what, REGISTRY], strict=True))
    return median(own.rate / other.rate for own, other in pairs), median(other.cost / own.cost for own, other in pairs)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often."""

    rounds: int
    seconds: int
    is_quick: bool


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
        *(Load(f"a layer of 16 MiB, {count} at once", [blob], count, "GB/s") for count in (1, 4, 32)),
    ]


def _wrk(base: str, load: Load, seconds: int, script: Path) -> tuple[float, int]:
    """Answers a second, or GB, and how many answers. Raises SystemExit where one of them was an error."""
    path = base.partition("//")[2].partition("/")[2]
    targets = ", ".join(f'"/{path}{target}"' for target in load.targets)
    script.write_text(
        f"wrk.headers['Accept'] = '{OCI_MANIFEST}'\n"
        f"local targets, ready, n = {{{targets}}}, {{}}, 0\n"
        "function init() for i, target in ipairs(targets) do ready[i] = wrk.format('GET', target) end end\n"
        "function request() n = n + 1; return ready[n % #ready + 1] end\n"
    )
    command = [program("wrk"), "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
    output = run([*command, base]).output
    if errors := re.findall(r"(?:Non-2xx|Socket errors).*", output):
        raise SystemExit(f"wrk, {load.what} of {base}: {', '.join(errors)}")
    answers = int(_told(r"(\d+) requests in", output)[1])
    if load.unit == "answers/s":
        return float(_told(r"Requests/sec:\s+([0-9.]+)", output)[1]), answers
    size = _told(r"Transfer/sec:\s+([0-9.]+)([KMG]?B)", output)
    return float(size[1]) * _SIZES[size[2]] / 1e9, answers


def _told(pattern: str, output: str) -> "re.Match[str]":
    found = re.search(pattern, output)
    if not found:
        raise SystemExit(f"wrk says something else than expected: {output}")
    return found


def _processor(name: str) -> float:
    """Seconds of processor that the programs of this name have taken which this process started, children included."""
    return sum(_ticks(child) for child in _below(os.getpid()) if _stat(child)[0] == name) / os.sysconf("SC_CLK_TCK")


def _below(process: int) -> Iterator[int]:
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from _below(child)


def _ticks(process: int) -> int:
    return sum(map(int, _stat(process)[1][11:13]))  # user and system mode


def _stat(process: int) -> tuple[str, Sequence[str]]:
    name, _, rest = Path(f"/proc/{process}/stat").read_text().partition("(")[2].rpartition(")")
    return name, rest.split()


@contextlib.contextmanager
def _running_nginx(root: Path, place: Path) -> Iterator[int]:
    """Run nginx with one worker and its files in ``place``, its log as it is ordinarily; gives its port."""
    place.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    rendered = render(NginxSite(root, f"127.0.0.1:{port}", standalone=True))
    (place / "nginx.conf").write_text(rendered.replace("worker_processes auto;", "worker_processes 1;"))
    nginx = program("nginx") if "/usr/sbin" in os.environ["PATH"] else "/usr/sbin/nginx"
    command = [nginx, "-e", "error.log", "-p", str(place), "-c", "nginx.conf", "-g", "daemon off;"]
    with subprocess.Popen(command) as process:  # noqa: S603 - ours
        try:
            _wait_for(port, process, place / "error.log")
            yield port
        finally:
            process.terminate()


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _WAIT
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"nginx does not listen at port {port}: {log.read_text()}")


def _bars(found: Found) -> Sequence[Bar]:
    bars = []
    for what, wanted in BARS.items():
        ratio, by_cost = _ratios(found, what)
        measured = f"{ratio:.1f} x (by processor time {by_cost:.1f} x)"
        bars.append(Bar(what, f"≥ {wanted} x docker-registry", measured, ratio >= wanted))
    return bars


def _table(tags: Corpus, loads: Sequence[Load], found: Found) -> str:
    lines = [
        f"### Answers, with {tags.tags:,} tags in {len(tags.repositories)} repositories\n",
        f"| | | {MIRROR} | {REGISTRY} | ratio | processor µs an answer | | ratio |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for load in loads:
        ratio, by_cost = _ratios(found, load.what)
        both = (found[load.what, MIRROR], found[load.what, REGISTRY])
        rates = [median(each.rate for each in values) for values in both]
        shown = [f"{rate:.2f}" if load.unit == "GB/s" else f"{rate:,.0f}" for rate in rates]
        costs = [f"{median(each.cost for each in values) * 1e6:,.0f}" for values in both]
        cells = [*shown, f"{ratio:.1f}", *costs, f"{by_cost:.1f}"]
        lines.append(f"| {load.what} | {load.unit} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"

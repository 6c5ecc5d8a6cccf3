"""Load on a server that runs: what wrk or drain.c get of it, and what of the processors the server takes for that."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.child import Cost, run
from bench.corpus import OCI_MANIFEST
from bench.upstream import program


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    base: str
    """The URL that targets are appended to."""
    process: int


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked, and over how many connections."""

    what: str
    targets: Sequence[str]
    """Below a server's base; all in turn."""
    connections: int = 32
    is_body: bool = False
    """Whether bytes count rather than answers: of one target, thrown away by drain.c as they come."""
    keeps_alive: bool = True
    """Or takes a connection for each answer."""

    @property
    def unit(self) -> str:
        """What a rate of it is in."""
        return "GB/s" if self.is_body else "answers/s"

    def shown(self, rate: float) -> str:
        """A rate as it stands in a table."""
        return f"{rate:.2f}" if self.is_body else f"{rate:,.0f}"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one load came to."""

    rate: float
    """In the load's unit."""
    cost: float
    """Seconds of processor that the server took for an answer, or for a GB."""
    busy: float
    """Processors that the server had, on average."""
    asking: float
    """Likewise whoever asked."""


def take(server: Server, load: Load, seconds: int, room: Path) -> Taken:
    """Ask for so long; ``room`` has drain.c compiled. Raises SystemExit where an answer was an error."""
    before = _processor(server.process)
    asked = _drain if load.is_body else _wrk
    rate, count, cost = asked(server, load, seconds, room)
    taken = _processor(server.process) - before
    return Taken(rate, taken / count, taken / cost.wall, cost.cpu / cost.wall)


def _wrk(server: Server, load: Load, seconds: int, room: Path) -> tuple[float, float, Cost]:
    """Answers a second, and how many, by one thread of wrk."""
    script = room / "wrk.lua"
    script.write_text(_script(server.base, load))
    command = [program("wrk"), "-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
    cost = run([*command, server.base])
    if errors := re.findall(r"(?:Non-2xx|Socket errors).*", cost.output):
        raise SystemExit(f"wrk, {load.what} of {server.base}: {', '.join(errors)}")
    found = re.search(r"(\d+) requests in[^$]*Requests/sec:\s+([0-9.]+)", cost.output)
    if not found:
        raise SystemExit(f"wrk says something else than expected: {cost.output}")
    return float(found[2]), int(found[1]), cost


def _drain(server: Server, load: Load, seconds: int, room: Path) -> tuple[float, float, Cost]:
    """GB a second, and how many, by drain.c."""
    url = urlsplit(f"{server.base}{load.targets[0]}")
    cost = run([str(room / "drain"), str(url.port), str(load.connections), str(seconds), url.path])
    size, taken = map(float, cost.output.split())
    return size / 1e9 / taken, size / 1e9, cost


def _script(base: str, load: Load) -> str:
    path = base.partition("//")[2].partition("/")[2]
    targets = ", ".join(f'"/{path}{target}"' for target in load.targets)
    return (
        f"wrk.headers['Accept'] = '{OCI_MANIFEST}'\n"
        + ("" if load.keeps_alive else "wrk.headers['Connection'] = 'close'\n")
        + f"local targets, ready, n = {{{targets}}}, {{}}, 0\n"
        "function init() for i, target in ipairs(targets) do ready[i] = wrk.format('GET', target) end end\n"
        "function request() n = n + 1; return ready[n % #ready + 1] end\n"
    )


def _processor(process: int) -> float:
    """Seconds of processor that a process and those below it have taken."""
    return sum(_ticks(each) for each in (process, *_below(process))) / os.sysconf("SC_CLK_TCK")


def _below(process: int) -> Iterator[int]:
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            yield child
            yield from _below(child)


def _ticks(process: int) -> int:
    stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, stat[11:13]))  # user and system mode

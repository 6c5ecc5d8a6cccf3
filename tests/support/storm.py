"""A storm of swaps: two snapshots take turns hundreds of times a second, while wrk and readers verify every answer."""

import hashlib
import http.client
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from support.programs import program
from support.tree import ScratchTree

TAGS = tuple(f"v{number}" for number in range(20))
REPOSITORY = "storm/app"
_PAUSE = 0.003
"""Seconds between two swaps."""
_ROUND = 3
"""Seconds that wrk runs at a time."""
_READERS = 2


@dataclass(frozen=True, slots=True)
class Enough:
    """When a storm may end: all of it has come together."""

    seconds: float
    swaps: int
    answers: int


@dataclass(slots=True)
class Storm:
    """What came of it so far."""

    swaps: int = 0
    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    """What was no whole answer of one of the two snapshots."""
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, answers: int, wrong: Sequence[str] = ()) -> None:
        """Take note of verified answers."""
        with self._lock:
            self.answers += answers
            self.wrong += wrong

    def is_enough(self, enough: Enough, begun: float) -> bool:
        """Whether it may end; what is wrong ends it too."""
        reached = self.swaps >= enough.swaps and self.answers >= enough.answers
        return bool(self.wrong) or (reached and time.monotonic() - begun >= enough.seconds)


def weather(
    port: int, tree: ScratchTree, snapshots: Sequence[str], known: Mapping[str, bytes], enough: Enough, place: Path
) -> Storm:
    """Let the two snapshots take turns until it is enough; every answer has to be one of ``known``, by digest."""
    storm, begun = Storm(), time.monotonic()
    script = place / "verify.lua"
    script.write_text(_lua(known))
    with ThreadPoolExecutor(_READERS + 2) as pool:
        parts = [pool.submit(_swap, storm, tree, snapshots)]
        parts += [pool.submit(_read, storm, port, known) for _ in range(_READERS)]
        parts.append(pool.submit(_wrk, storm, port, script))
        while not storm.is_enough(enough, begun) and not any(part.done() for part in parts):
            time.sleep(0.05)
        storm.over.set()
        for part in parts:
            part.result()
    return storm


def _swap(storm: Storm, tree: ScratchTree, snapshots: Sequence[str]) -> None:
    for snapshot in itertools.cycle(snapshots):
        tree.serve(snapshot)
        storm.swaps += 1
        if storm.over.wait(_PAUSE):
            return


def _read(storm: Storm, port: int, known: Mapping[str, bytes]) -> None:
    """Pull as clients do: a tag, then what it named, by digest; each body hashed."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for tag in itertools.cycle(TAGS):
        digest = _verified(storm, connection, tag, known)
        if storm.over.is_set():
            connection.close()
            return
        if digest:
            _verified(storm, connection, digest, known)


def _verified(storm: Storm, connection: http.client.HTTPConnection, reference: str, known: Mapping[str, bytes]) -> str:
    """Ask for a manifest, and give the digest that its answer claims."""
    connection.request("GET", f"/v2/{REPOSITORY}/manifests/{reference}")
    answer = connection.getresponse()
    body, digest = answer.read(), answer.getheader("Docker-Content-Digest", "")
    is_right = answer.status == 200 and f"sha256:{hashlib.sha256(body).hexdigest()}" == digest and digest in known
    storm.count(1, () if is_right else [f"{reference}: {answer.status} {digest} {body[:200]!r}"])
    return digest


def _wrk(storm: Storm, port: int, script: Path) -> None:
    command = [program("wrk", "wrk"), "-t1", "-c16", f"-d{_ROUND}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    while not storm.over.is_set():
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ROUND + 60)
        report = json.loads(done.stdout.rpartition("REPORT ")[2])
        storm.count(report["answers"], [f"wrk: {done.stdout}"] if report["wrong"] or report["errors"] else ())


def _lua(known: Mapping[str, bytes]) -> str:
    """A script that asks for the tags in turn, and compares each body with the one that its digest names."""
    bodies = "\n".join(f'known["{digest}"] = [==[{body.decode()}]==]' for digest, body in known.items())
    tags = ", ".join(f'"{tag}"' for tag in TAGS)
    return f"""
known = {{}}
{bodies}
tags = {{{tags}}}
asked, answers, wrong = 0, 0, 0
threads = {{}}
function setup(thread) table.insert(threads, thread) end
function request()
  asked = asked + 1
  return wrk.format("GET", "/v2/{REPOSITORY}/manifests/" .. tags[asked % #tags + 1])
end
function response(status, headers, body)
  answers = answers + 1
  if status ~= 200 or known[headers["Docker-Content-Digest"]] ~= body then wrong = wrong + 1 end
end
function done(summary, latency, requests)
  local answers, wrong, e = 0, 0, summary.errors
  for _, thread in ipairs(threads) do answers = answers + thread:get("answers"); wrong = wrong + thread:get("wrong") end
  io.write(string.format('REPORT {{"answers": %d, "wrong": %d, "errors": %d}}\\n', answers, wrong,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""

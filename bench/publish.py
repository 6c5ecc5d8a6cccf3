"""What a publication costs in a large mirror. Run as `python -m bench.publish DIRECTORY REPOSITORIES TAGS TIMES`.

Makes a root in DIRECTORY whose every repository has as many tags, then moves one tag as many times, each a publication
of its own; prints seconds as JSON. The manifests themselves do not exist: a publication does not look at them.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from mirrord.config.reserve import Reserve
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.oci.reference import Repository
from mirrord.store.change import Change
from mirrord.store.record import Held
from mirrord.store.snapshot import Reason
from mirrord.store.store import open_store

_WHY = Reason("bench", "measured")


def _held(text: str) -> Held:
    return Held(Digest.of(text.encode()), Kind.OCI_MANIFEST, 1_000_000, ("linux/amd64",), first_seen="2024-01-01")


def _change(number: int, tags: dict[str, Held]) -> Change:
    name = f"registry.example/team{number % 20}/app{number}"
    return Change(name, Repository.parse(name), tags)


async def measure(directory: Path, repositories: int, tags: int, times: int) -> dict[str, object]:
    """Seconds of the first publication and of each that moves one tag."""
    async with open_store(directory, command="bench", threads=1, reserve=Reserve(size=0)) as store:
        everything = [
            _change(number, {f"v1.{tag}.0": _held(f"{number} {tag}") for tag in range(tags)})
            for number in range(repositories)
        ]
        begin = time.perf_counter()
        await store.publish(everything, _WHY)
        first = time.perf_counter() - begin
        moves: list[float] = []
        for turn in range(times):
            change = _change(turn * 7 % repositories, {"v1.0.0": _held(f"moved {turn}")})
            begin = time.perf_counter()
            await store.publish([change], _WHY)
            moves.append(time.perf_counter() - begin)
    return {"first": first, "moves": moves}


def main() -> None:
    """Measure what the command line names."""
    directory, *numbers = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(measure(Path(directory), *map(int, numbers)))))


if __name__ == "__main__":
    main()

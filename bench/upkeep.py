"""What looking after a large mirror costs. Run as `python -m bench.upkeep DIRECTORY REPOSITORIES TAGS`.

Makes a root in DIRECTORY, unless one is there: each tag of each repository an image of its own (a manifest, a config, a
layer that all share), then publications that move some tags, and images that no tag ever named. Prints what each
command costs, as JSON: seconds, processor seconds, bytes resident at most. The parent of DIRECTORY must be there.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.child import Cost, run
from mirrord.config.reserve import Reserve
from mirrord.demo.images import BuiltImage, describe, encode
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, parse_manifest
from mirrord.oci.reference import Repository
from mirrord.store.change import Change
from mirrord.store.layout import Layout
from mirrord.store.record import Held
from mirrord.store.snapshot import Reason
from mirrord.store.store import Store, open_store

PUBLICATIONS = 20
_MOVED = 10
"""Repositories of which each publication moves one tag."""
_LOST = 10
"""Repositories with an image that was never published, and whose grace is over."""
_BUILD = "build"
_LAYER = b"a layer that all share"
_WHY = Reason("bench", "measured")


@dataclass(frozen=True, slots=True)
class Mirror:
    """The root that is looked after."""

    store: Store

    async def put(self, name: str, text: str) -> Held:
        """An image of its own in a repository."""
        built = _image(text)
        for content in built.blobs:
            await self.store.add_small(Digest.of(content), content)
        await self.store.complete(name, built.manifest, built.manifest.blobs)
        return Held(built.digest, Kind.OCI_MANIFEST, 1000, ("linux/amd64",), first_seen="2024-01-01T00:00:00+00:00")

    async def change(self, number: int, tags: Sequence[int], text: str) -> Change:
        """Tags of a repository, each with an image of its own."""
        name = _name(number)
        held = await asyncio.gather(*(self.put(name, f"{number} {tag} {text}") for tag in tags))
        return Change(name, Repository.parse(name), {f"v1.{tag}.0": each for tag, each in zip(tags, held, strict=True)})


def _name(number: int) -> str:
    return f"registry.example/team{number % 20}/app{number}"


def _image(text: str) -> BuiltImage:
    config = encode({"architecture": "amd64", "os": "linux", "config": {"Labels": {"of": text}}})
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": Kind.OCI_MANIFEST.media_type,
            "config": describe("application/vnd.oci.image.config.v1+json", config),
            "layers": [describe("application/vnd.oci.image.layer.v1.tar+gzip", _LAYER)],
        }
    )
    return BuiltImage(parse_manifest(raw), (config, _LAYER))


async def build(root: Path, repositories: int, tags: int) -> None:
    """Make the root and its history."""
    async with open_store(root, command="bench", threads=1, reserve=Reserve(size=0)) as store:
        mirror = Mirror(store)
        await store.publish([await mirror.change(each, range(tags), "first") for each in range(repositories)], _WHY)
        for turn in range(1, PUBLICATIONS):
            moved = [(turn * _MOVED + each) * 7 % repositories for each in range(_MOVED)]
            await store.publish(
                [await mirror.change(each, [turn % tags], f"{turn}") for each in sorted(set(moved))], _WHY
            )
        lost = {_name(each): await mirror.put(_name(each), f"lost {each}") for each in range(_LOST)}
    long_ago = time.time() - 1e6
    notes = {name: {f"{held.digest}.{held.kind}": long_ago} for name, held in lost.items()}
    note = root / "state" / "tombstones.json"
    note.touch(0o600)
    note.write_text(json.dumps(notes))


def let_time_pass(root: Path) -> None:
    """Have every publication be of long ago, so that a collection may take what the retention does not keep."""
    for path in Layout(root).snapshots.glob("*/_snapshot.json"):
        document = json.loads(path.read_bytes())
        path.unlink()
        path.write_text(json.dumps({**document, "published": "2024-01-01T00:00:00+00:00"}))


def measure(root: Path) -> dict[str, Cost]:
    """What each command costs, in an order in which each has its usual work."""
    config = root.parent / "upkeep.yaml"
    retention = "{keep_last: 5, keep_daily: 0, keep_weekly: 0, grace: 60s}"
    config.write_text(f"root: {root}\nretention: {retention}\nimages: [registry.example/team0/app0:v1.0.0]\n")

    def mirrord(*arguments: str) -> Cost:
        return run([str(Path(sys.executable).with_name("mirrord")), *arguments, "--config", str(config)])

    figures = {
        "snapshots list": mirrord("snapshots", "list"),
        "snapshots diff": mirrord("snapshots", "diff"),
        "snapshots diff, first to last": mirrord("snapshots", "diff", "1"),
        "images NAME:TAG --history": mirrord("images", f"{_name(0)}:v1.1.0", "--history"),
        "snapshots rollback": mirrord("snapshots", "rollback", "--yes"),
        "snapshots rollback to the first": mirrord("snapshots", "rollback", "1", "--yes"),
        "snapshots release": mirrord("snapshots", "release"),
    }
    figures["verify"] = mirrord("verify")
    let_time_pass(root)
    figures["gc --dry-run"] = mirrord("gc", "--dry-run")
    figures["gc"] = mirrord("gc")
    figures["gc, nothing to do"] = mirrord("gc")
    return figures


def main() -> None:
    """Measure what the command line names."""
    directory, *numbers = sys.argv[1:]
    root = Path(directory)
    if numbers[-1:] == [_BUILD]:
        asyncio.run(build(root, *map(int, numbers[:-1])))
        return
    if not (root / "current").exists():  # in a process of its own: this one's memory counts to what it starts
        run([sys.executable, "-m", "bench.upkeep", directory, *numbers, _BUILD])
    figures = {
        name: {"seconds": round(cost.wall, 3), "processor": round(cost.cpu, 3), "peak": cost.peak}
        for name, cost in measure(root).items()
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Damage done to a copy of a tree: every kind of it, to every kind of path, as disks and people do it."""

import contextlib
import hashlib
import os
import random
import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from support.mirror import HOST, Mirror
from support.scripted import Scripted

from mirrord.demo.images import (
    ARM64,
    artifact,
    attestation,
    fallback_tag,
    image,
    index,
    layer,
    referrers_index,
    signature,
    signature_tag,
)
from mirrord.demo.upstream import Held
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import parse_manifest
from mirrord.store.layout import flat_name
from mirrord.store.store import open_store

BASE = layer("base", 1_200_000)
AMD, ARM = image("app", layers=(BASE, layer("app"))), image("app", platform=ARM64)
INDEX = index(AMD, ARM, attestation(AMD))
SBOM = artifact("sbom", "application/vnd.example.sbom", INDEX)
PINNED = image("pinned")
LIST = index(image("old", docker=True), image("old", platform=ARM64, docker=True), docker=True)
ORPHAN = b"nobody links to it"
TOOLS = 24


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader, and whoever looks at a directory, sees of one path."""

    kind: int
    mode: int
    says: str


def seen(root: Path) -> dict[str, Seen]:
    """All that is in a tree, but for private rooms, who holds it, and times."""
    found: dict[str, Seen] = {}
    for room in ("pool", "content", "generations", "snapshots", "current", "root.json"):
        paths = [root / room]
        for inside, directories, names in os.walk(root / room) if room != "current" else ():
            paths += [Path(inside, name) for name in (*directories, *names)]
        for path in paths:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                says = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                says = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                says = ""
            found[str(path.relative_to(root))] = Seen(stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), says)
    return found


@dataclass(frozen=True, slots=True)
class Model:
    """The tree that copies are made of, never damaged itself, and what its upstream has."""

    place: Path
    held: Mapping[str, Held]
    seen: Mapping[str, Seen]


def push_first(upstream: Scripted) -> None:
    """What the first publication takes."""
    upstream.push("app", INDEX, "1")
    upstream.push("app", signature(INDEX), signature_tag(INDEX.digest))
    upstream.push("app", SBOM)
    upstream.add_manifest("app", parse_manifest(referrers_index([SBOM])), fallback_tag(INDEX.digest))
    upstream.push("app", PINNED)
    upstream.push("deep/docker", LIST, "1", "same")
    for number in range(TOOLS):
        upstream.push("tool", image(f"tool {number}", layers=(BASE, layer(f"tool {number}"))), f"v{number}")


async def build(place: Path) -> Mapping[str, Held]:
    """Make the tree: three publications of three repositories, some 200 files; gives what the upstream has of them."""
    async with Scripted.running() as upstream:
        mirror = mirror_of(place, upstream)
        push_first(upstream)
        await mirror.sync()
        upstream.push("app", image("second"), "2")
        upstream.push("tool", image("moved"), "v0")
        await mirror.sync()
        upstream.push("app", image("third"), "3")
        upstream.push("deep/docker", image("new", docker=True), "1")
        await mirror.sync()
        async with open_store(mirror.root, command="test", threads=1, reserve=NoReserve()) as store:
            await store.add_small(Digest.of(ORPHAN), ORPHAN)
        return upstream.repositories


class NoReserve:
    """Nothing is kept free."""

    def bytes_of(self, total: int) -> int:
        """None of it."""
        return total * 0


def mirror_of(place: Path, upstream: Scripted) -> Mirror:
    """The mirror at ``place``, of ``upstream``."""
    mirror = Mirror(place, upstream.url)
    mirror.configure(
        '{{name: "{host}/app", tags: ["*"]}}',
        f"{{host}}/app@{PINNED.digest}",
        '{{name: "{host}/deep/docker", tags: ["*"]}}',
        '{{name: "{host}/tool", tags: ["v*"]}}',
    )
    return mirror


@contextlib.asynccontextmanager
async def copied(model: Path, place: Path, held: Mapping[str, Held]) -> AsyncIterator[tuple[Mirror, Scripted]]:
    """A copy of the tree, links kept, and an upstream that has all of it."""
    subprocess.run(["cp", "-a", f"{model}/mirror", f"{place}/mirror"], check=True)
    async with Scripted.running() as upstream:
        upstream.repositories = {
            name: Held(dict(each.manifests), dict(each.blobs), dict(each.tags)) for name, each in held.items()
        }
        yield mirror_of(place, upstream), upstream


def targets(root: Path) -> dict[str, Path]:
    """One path of every kind there is in a tree, by what it is."""
    content, generations = root / "content" / HOST, root / "generations"
    served = root / os.readlink(root / "current")
    first = min((root / "snapshots").iterdir())
    app = (served / flat_name(f"{HOST}/app")).resolve()
    old = (first / flat_name(f"{HOST}/app")).resolve()
    layer_digest = AMD.manifest.layers[1].digest
    assert AMD.manifest.config is not None

    def pooled(digest: Digest) -> Path:
        return root / "pool" / digest.algorithm / digest.hex[:2] / digest.hex

    return {
        "a layer in the pool": pooled(layer_digest),
        "a large layer in the pool": pooled(AMD.manifest.layers[0].digest),
        "a config in the pool": pooled(AMD.manifest.config.digest),
        "an index in the pool": pooled(INDEX.digest),
        "a file of the pool that nothing links to": pooled(Digest.of(ORPHAN)),
        "a layer": content / "app" / "_blobs" / str(layer_digest),
        "a config": content / "app" / "_blobs" / str(AMD.manifest.config.digest),
        "a manifest": content / "app" / "_manifests" / f"{AMD.digest}.oci-manifest",
        "an index": content / "app" / "_manifests" / f"{INDEX.digest}.oci-index",
        "a manifest that is pinned": content / "app" / "_manifests" / f"{PINNED.digest}.oci-manifest",
        "a referrer": content / "app" / "_manifests" / f"{SBOM.digest}.oci-manifest",
        "a Docker list that an older snapshot names": content / "deep/docker/_manifests" / f"{LIST.digest}.docker-list",
        "a tag list": app / "list.json",
        "a record": app / "record.json",
        "a record of before": old / "record.json",
        "a referrers document": app / "referrers" / f"{INDEX.digest}.json",
        "a tag": app / "tags" / "1",
        "a snapshot's link": served / flat_name(f"{HOST}/app"),
        "an older snapshot's link": first / flat_name(f"{HOST}/app"),
        "a catalog": served / "_catalog.json",
        "a snapshot's note": served / "_snapshot.json",
        "the served snapshot's name": root / "current",
        "the root's mark": root / "root.json",
        "a directory of the pool": pooled(layer_digest).parent,
        "a directory of blobs": content / "app" / "_blobs",
        "a directory of manifests": content / "app" / "_manifests",
        "a directory above repositories": content / "deep",
        "a generation": app,
        "a directory of tags": app / "tags",
        "a directory of referrers": app / "referrers",
        "a directory of generations": generations / flat_name(f"{HOST}/tool"),
        "the served snapshot": served,
    }


Damage = Callable[[Path], None]


def flip(path: Path, where: float = 0.5, bit: int = 3) -> None:
    """Flip one bit, as a disk does: size, times and links stay."""
    status = path.stat()
    offset = min(int(status.st_size * where), status.st_size - 1)
    with _writable(path) as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def truncate(path: Path) -> None:
    """Cut the second half off."""
    with _writable(path) as file:
        file.truncate(path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Leave nothing in it, as a power cut may."""
    with _writable(path) as file:
        file.truncate(0)


def zero(path: Path) -> None:
    """Fill it with zeros, as a power cut may."""
    with _writable(path) as file:
        file.write(bytes(path.stat().st_size))


def extend(path: Path) -> None:
    """Append a byte."""
    with _writable(path) as file:
        file.seek(0, os.SEEK_END)
        file.write(b"\n")


def rewrite(path: Path) -> None:
    """Put another file in its place, as an editor does: the link is cut, other names keep the right bytes."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content.replace(b'"', b"'") + b" ")
    path.chmod(0o444)


def delete(path: Path) -> None:
    """Remove it, and all in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def link_elsewhere(path: Path) -> None:
    """Move it out of the root, and leave a link to it."""
    root = next(parent for parent in path.parents if (parent / "snapshots").is_dir())
    outside = root.parent / "outside" / path.name
    outside.parent.mkdir(exist_ok=True)
    shutil.move(path, outside)
    path.symlink_to(outside)


def fifo(path: Path) -> None:
    """Put a FIFO in its place: whoever opens it waits for ever."""
    delete(path)
    os.mkfifo(path)
    path.chmod(0o444)


def directory(path: Path) -> None:
    """Put a directory in its place, with something in it."""
    delete(path)
    path.mkdir()
    (path / "inside").write_text("x")


def file(path: Path) -> None:
    """Put a file in the place of a link or directory."""
    delete(path)
    path.write_text("x")
    path.chmod(0o444)


def open_up(path: Path) -> None:
    """Let everybody write."""
    path.chmod(0o777 if path.is_dir() else 0o666)


def close_up(path: Path) -> None:
    """Let nobody but the owner see it."""
    path.chmod(0o700 if path.is_dir() else 0o400)


def dangle(path: Path) -> None:
    """Let a link lead nowhere."""
    path.unlink()
    path.symlink_to("../nowhere")


def redirect(path: Path) -> None:
    """Let a link lead where another of its kind does."""
    others = [p for p in path.parent.iterdir() if p.is_symlink() and os.readlink(p) != os.readlink(path)]
    target = os.readlink(others[0] if others else path) + ("" if others else "x")
    path.unlink()
    path.symlink_to(target)


ON_FILES: Mapping[str, Damage] = {
    "a flipped bit": flip,
    "truncation": truncate,
    "emptiness": empty,
    "zeros": zero,
    "a byte too many": extend,
    "an edit": rewrite,
    "deletion": delete,
    "a link in its place": link_elsewhere,
    "a FIFO in its place": fifo,
    "a directory in its place": directory,
    "a mode too open": open_up,
    "a mode too closed": close_up,
}
ON_LINKS: Mapping[str, Damage] = {
    "deletion": delete,
    "leading nowhere": dangle,
    "leading elsewhere": redirect,
    "a FIFO in its place": fifo,
    "a file in its place": file,
    "a directory in its place": directory,
}
ON_DIRECTORIES: Mapping[str, Damage] = {
    "deletion": delete,
    "a link in its place": link_elsewhere,
    "a file in its place": file,
    "a FIFO in its place": fifo,
    "a mode too open": open_up,
    "a mode too closed": close_up,
}


def damages_for(path: Path) -> Mapping[str, Damage]:
    """What can be done to ``path``."""
    if path.is_symlink():
        return ON_LINKS
    return ON_DIRECTORIES if path.is_dir() else ON_FILES


def swap(one: Path, two: Path) -> None:
    """Exchange two names."""
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


def exchange_bytes(one: Path, two: Path) -> None:
    """Exchange what two files hold, whatever else links to them."""
    first, second = one.read_bytes(), two.read_bytes()
    for path, content in ((one, second), (two, first)):
        with _writable(path) as target:
            target.truncate(0)
            target.write(content)


def random_damage(root: Path, chance: random.Random) -> tuple[Path, str]:
    """Do something to something; gives what and where."""
    mark, orphan = root / "root.json", Digest.of(ORPHAN).hex
    everything = [root / "current", mark]
    for room in ("pool", "content", "generations", "snapshots"):
        for inside, _, names in os.walk(root / room):
            everything += [Path(inside, name) for name in names]
            everything += [p for p in Path(inside).iterdir() if p.is_symlink() and p not in everything]
    while True:
        path = chance.choice(everything)
        if not path.is_symlink() and path != mark and chance.random() < 1 / 3:
            where, bit = chance.random(), chance.randrange(8)
            flip(path, where, bit)
            return path, f"bit {bit} flipped at {where:.3f}"
        name, damage = chance.choice(sorted(damages_for(path).items()))
        if path.name == orphan and name == "deletion":
            continue  # nothing is lost
        if path == mark and name in {"a flipped bit", "a byte too many", "an edit"}:
            continue  # may still be a mark
        damage(path)
        return path, name


@contextlib.contextmanager
def _writable(path: Path) -> Iterator[BinaryIO]:
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o644)
    with path.open("r+b") as opened:
        yield opened
    path.chmod(mode)

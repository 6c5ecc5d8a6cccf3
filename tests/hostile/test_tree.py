"""A root that somebody tampered with, in the hands of every command: nothing followed out of it, nothing hung.

Each command ends by itself (the runner gives up on one that does not), says whose move it is, and shows no traceback.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.mirror import HOST, Mirror
from support.paced import Paced
from support.tamper import EVERY, SECRET, Outside, Tamper, directory, fifo, link_out, loop
from support.warm import Ended, Warm

from mirrord.demo.images import ARM64, image, index, signature, signature_tag
from mirrord.store.layout import Layout

NAME = f"{HOST}/app"
FLAT = f"{HOST}!app"
APP = index(image("amd"), image("arm", platform=ARM64))
PLAIN = image("plain")


@dataclass(slots=True)
class Victim:
    """A mirror that each test gets anew, as it was synced."""

    mirror: Mirror
    upstream: Paced
    warm: Warm

    @property
    def layout(self) -> Layout:
        """The root's paths."""
        return self.mirror.layout

    @property
    def outside(self) -> Outside:
        """A directory beside the root."""
        return Outside(self.mirror.place / "outside")

    def prepare(self) -> None:
        """Mirror an index with a signature, and an image alone."""
        self.upstream.push("app", APP, "1")
        self.upstream.push("app", signature(APP), signature_tag(APP.digest))
        self.upstream.push("app", PLAIN, "plain")
        self.mirror.configure('{{name: "{host}/app", tags: ["1", plain]}}')
        ended = self.run("sync")
        assert ended.status == 0, ended.words
        subprocess.run(["cp", "-a", self.mirror.root, self.mirror.place / "saved"], check=True)

    def fresh(self) -> None:
        """Have it as it was synced; the upstream has a new image of one tag, so that a sync has something to do."""
        for path in (self.mirror.root, self.outside.directory):
            shutil.rmtree(path, ignore_errors=True)
        subprocess.run(["cp", "-a", self.mirror.place / "saved", self.mirror.root], check=True)
        self.upstream.push("app", image("moved"), "plain")

    def run(self, *arguments: str) -> Ended:
        """Run a command on it."""
        return self.warm.run(self.mirror.place, *arguments, "--config", str(self.mirror.config))


@pytest.fixture(scope="module")
def prepared(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A mirror, and its upstream in a thread."""
    upstream = Paced()
    with upstream.in_background():
        victim = Victim(Mirror(tmp_path_factory.mktemp("hostile"), upstream.url), upstream, warm)
        victim.prepare()
        yield victim


@pytest.fixture
def victim(prepared: Victim) -> Victim:
    """A mirror as it was synced."""
    prepared.fresh()
    return prepared


Place = Callable[[Layout], Path]


def snapshot(layout: Layout) -> Path:
    """The directory of the served snapshot."""
    return layout.current.resolve()


def generation(layout: Layout) -> Path:
    """The directory of the served generation."""
    return (layout.current / FLAT).resolve()


def manifest(layout: Layout) -> Path:
    """A manifest, as its repository has it."""
    return layout.manifest(NAME, APP.digest, APP.manifest.kind)


def config_blob(layout: Layout) -> Path:
    """The config of the image, as the repository has it."""
    config = PLAIN.manifest.config
    assert config is not None
    return layout.blob(NAME, config.digest)


FILES: dict[str, Place] = {
    "root.json": lambda layout: layout.mark,
    "lock": lambda layout: layout.root / "lock",
    "current": lambda layout: layout.current,
    "_snapshot.json": lambda layout: snapshot(layout) / "_snapshot.json",
    "_catalog.json": lambda layout: snapshot(layout) / "_catalog.json",
    "<flat>": lambda layout: snapshot(layout) / FLAT,
    "record.json": lambda layout: generation(layout) / "record.json",
    "list.json": lambda layout: generation(layout) / "list.json",
    "tags/1": lambda layout: generation(layout) / "tags" / "1",
    "manifest": manifest,
    "blob": config_blob,
    "pool": lambda layout: layout.pooled(APP.digest),
    "followers.json": lambda layout: layout.state / "followers.json",
    "partial": lambda layout: layout.partial(image("moved").manifest.digest),
}
DIRECTORIES: dict[str, Place] = {
    "snapshots/<id>": snapshot,
    "generations/<flat>": lambda layout: layout.generations / FLAT,
    "generations/<flat>/<id>": generation,
    "content/<host>": lambda layout: layout.content / HOST,
    "_manifests": lambda layout: layout.manifests(NAME),
    "_blobs": lambda layout: layout.blobs(NAME),
    "pool/sha256/ab": lambda layout: layout.pooled(APP.digest).parent,
    "staging": lambda layout: layout.staging,
    "trash": lambda layout: layout.trash,
    "state": lambda layout: layout.state,
}
TOLD = r"\bhost: |^kept: "
"""Whose move it is: the host's, or (garbage collection's words) nobody's in a hurry."""
COMMANDS = (("images",), ("snapshots", "list"), ("sync", "--dry-run"), ("sync",), ("gc",))
KINDS = {tamper.__name__: tamper for tamper in EVERY if tamper.__name__ != "unreadable"}  # root may read everything


def check_each(victim: Victim, place: Place, tamper: Tamper) -> dict[str, Ended]:
    """Run every command on a root that is tampered with: each ends, in our words, and leaves what is outside alone."""
    endings = {}
    for command in COMMANDS:
        victim.fresh()
        path = place(victim.layout)
        path.parent.mkdir(parents=True, exist_ok=True)
        if tamper is link_out and not path.exists():
            path.touch()
        tamper(path, victim.outside)
        before = victim.outside.listing()
        ended = victim.run(*command)
        name = " ".join(command)
        assert ended.status in {0, 1, 3}, f"{name}: {ended.words}"
        assert "Traceback" not in ended.words, f"{name}: {ended.words}"
        assert ended.status == 0 or re.search(TOLD, ended.words), f"{name}: {ended.words}"
        assert SECRET not in ended.words
        assert victim.outside.listing() == before, name
        endings[name] = ended
    return endings


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_whatever_stands_in_the_place_of_a_file(victim: Victim, name: str, kind: str) -> None:
    """A FIFO, a link out, a GiB of nothing in the place of each file: each command ends, and says what is wrong."""
    check_each(victim, FILES[name], KINDS[kind])


@pytest.mark.parametrize("tamper", [link_out, loop, fifo, directory], ids=lambda tamper: tamper.__name__)
@pytest.mark.parametrize("name", DIRECTORIES)
def test_whatever_stands_in_the_place_of_a_directory(victim: Victim, name: str, tamper: Tamper) -> None:
    """A link out of the root in the place of a directory is never walked, written through or swept."""
    check_each(victim, DIRECTORIES[name], tamper)

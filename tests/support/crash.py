"""A mirror that is brought from one state to the next, again and again, and what must hold however it is disturbed."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.closed import check_tree
from support.mirror import Mirror
from support.paced import Paced, Watch
from support.states import State, World
from support.warm import Begun, Ended, Warm

from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout


@dataclass(frozen=True, slots=True)
class Listing:
    """What a root holds, as far as two runs of the same content must agree."""

    served: dict[str, dict[str, Any]]
    """By repository: tags, digests and referrers, without the time they were first seen."""
    content: dict[str, frozenset[str]]
    """By directory below ``content/``, its files."""
    pool: frozenset[str]
    lost: tuple[str, ...]
    """Whatever lies around that nothing will ever use."""

    @classmethod
    def of(cls, root: Path) -> "Listing":
        """Read a root, apart from the product."""
        return cls(_served(root), _files(root / "content"), _pooled(root), tuple(_lost(root)))


def _served(root: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    if os.path.lexists(root / "current"):
        for name in json.loads((root / "current" / "_catalog.json").read_bytes())["repositories"]:
            record: Any = json.loads((root / "current" / name.replace("/", "!") / "record.json").read_bytes())
            for held in (*record["tags"].values(), *record["digests"].values()):
                del held["first_seen"]
            found[name] = {key: record[key] for key in ("tags", "digests", "referrers")}
    return found


def _files(root: Path) -> dict[str, frozenset[str]]:
    return {os.path.relpath(path, root): frozenset(names) for path, _, names in os.walk(root) if names}


def _pooled(root: Path) -> frozenset[str]:
    return frozenset(name for names in _files(root / "pool").values() for name in names)


def _lost(root: Path) -> Iterator[str]:
    """What a finished run must not leave: staging, temporary names, generations and snapshots that were not served."""
    yield from (f"staging/{name}" for name in os.listdir(root / "staging") if name != "trash")
    yield from (f"staging/trash/{name}" for name in os.listdir(root / "staging" / "trash"))
    for room in (root, root / "state"):
        yield from (name for name in os.listdir(room) if name.startswith("."))
    names = set(os.listdir(root / "snapshots"))
    linked: set[str] = set()
    snapshot = (root / "current").resolve().name
    while snapshot:
        names.discard(snapshot)
        directory = root / "snapshots" / snapshot
        linked |= {str(link.resolve()) for link in directory.iterdir() if link.is_symlink()}
        snapshot = json.loads((directory / "_snapshot.json").read_bytes())["parent"]
    yield from (f"snapshots/{name}, which was never served" for name in names)
    for path in (root / "generations").glob("*/*"):
        if str(path) not in linked:
            yield f"{path}, which no snapshot names"


def check_true(root: Path) -> int:
    """Hash every file of the pool and of ``content/``, named by anything or not; give how many there are."""
    paths = [path for room in ("pool", "content") for path in (root / room).rglob("*") if path.is_file()]
    for path in paths:
        named = re.search(r"(sha256|sha512)[:/](?:../)?([0-9a-f]{64,})", str(path))
        assert named, path
        assert hashlib.new(named[1], path.read_bytes()).hexdigest() == named[2], f"{path} does not hash to its name"
    return len(paths)


@dataclass(slots=True)
class Ground:
    """Where a mirror is brought from before to after, again and again."""

    mirror: Mirror
    upstream: Paced
    warm: Warm
    world: World
    root: Path = field(init=False)
    """Where the mirror is."""
    before: Listing = field(init=False)
    after: Listing = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.mirror.root

    @contextlib.contextmanager
    def moved_to(self, root: Path) -> Iterator[None]:
        """Work in another place until the block ends."""
        before, self.root = self.root, root
        try:
            yield
        finally:
            self.root = before

    @property
    def _saved(self) -> Path:
        return self.mirror.place / "before"

    def prepare(self) -> None:
        """Mirror the state before, keep a copy of it, and find out what an undisturbed run makes of it."""
        self.before = Listing({}, {}, frozenset(), ())
        if self.world.before.images:
            self._turn_to(self.world.before)
            self._succeed()
            self.before = Listing.of(self.root)
            partial = Layout(self.root).partial(Digest.of(self.world.big))
            partial.write_bytes(bytes(4096))  # as a power cut leaves it: it is resumed, found wrong, and begun anew
            partial.chmod(0o600)
            shutil.rmtree(self._saved, ignore_errors=True)
            self._copy(self.root, self._saved)
        self._turn_to(self.world.after)
        self._succeed()
        self.after = Listing.of(self.root)

    def fresh(self) -> None:
        """Have the state before again."""
        shutil.rmtree(self.root, ignore_errors=True)
        if self._saved.exists():
            self._copy(self._saved, self.root)

    def begin(self) -> Begun:
        """Have the run under test ready; it will make the same system calls in the same order each time."""
        run = self.warm.begin(self.mirror.place, *self._command())
        self.upstream.watch = Watch(run.process, self.world.many)
        return run

    def begin_freely(self) -> Begun:
        """Have the run under test ready, as fast as it can."""
        self.upstream.watch = None
        return self.warm.begin(self.mirror.place, *self._command())

    def run(self) -> Ended:
        """The run under test, undisturbed."""
        run = self.begin_freely()
        run.go()
        return run.wait()

    def check_served(self) -> bool:
        """Closed, true, and one of the two states: gives whether it is the later one."""
        check_tree(self.root)
        served = _served(self.root)
        assert served in (self.before.served, self.after.served)
        return served == self.after.served

    def check_served_mixed(self) -> None:
        """Closed and true; each tag is as before or as after (where one image's failure stops no other)."""
        check_tree(self.root)
        for repository, record in _served(self.root).items():
            for key in ("tags", "digests"):
                known = [listing.served.get(repository, {}).get(key, {}) for listing in (self.before, self.after)]
                for tag, held in record[key].items():
                    assert held in [each.get(tag) for each in known], f"{repository} {tag}"

    def check_next_run(self) -> None:
        """With no hand work the next run succeeds, and all is as if nothing had happened."""
        self._succeed()
        found = Listing.of(self.root)
        for name in ("served", "content", "pool", "lost"):
            got, expected = getattr(found, name), getattr(self.after, name)
            assert got == expected, f"{name}: {got}, after an undisturbed run {expected}"

    def _succeed(self) -> None:
        ended = self.run()
        assert ended.status == 0, ended.words[-800:]
        check_tree(self.root)

    def _turn_to(self, state: State) -> None:
        self.upstream.repositories.clear()
        for repository, built, tags in state.images:
            self.upstream.push(repository, built, *tags)
        for content in filter(None, (self.world.big, self.world.lesser)):
            self.upstream.when(f"GET .*{Digest.of(content)}", then=self.upstream.in_pieces(content))
        self.mirror.configure(*state.wanted)

    def _command(self) -> tuple[str, ...]:
        return ("sync", "-q", "--config", str(self.mirror.config), "--root", str(self.root))

    def _copy(self, source: Path, target: Path) -> None:
        subprocess.run(["cp", "-a", source, target], check=True)

"""The order of a run's system calls, held against the order of writes that makes a root survive anything.

What no filesystem here can show by losing it (ext4's one journal keeps names in order) is shown by this.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

_CALL = re.compile(r"\d+ +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_DESCRIPTOR = re.compile(r"(\d+)<([^>]*)>")
_NAMED = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<directory>[^>]*)>, )?"(?P<name>[^"]*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One call that did what it was asked to."""

    name: str
    paths: tuple[str, ...]
    """Relative to the root: the descriptor's file, or the names in the order of the arguments."""
    descriptor: int
    """The one it works on, or the one it opened; -1 for none."""


def read_calls(lines: Iterable[str], root: Path) -> list[Call]:
    """Read strace's lines: those about ``root``, without those that failed."""
    return [call for line in lines for call in _read(line, root)]


def _read(line: str, root: Path) -> Iterator[Call]:
    found = _CALL.match(line)
    if found is None or int(found["result"]) < 0:
        return
    name, arguments = found["name"], found["arguments"]
    if name in {"fsync", "syncfs", "fchmod", "ftruncate", "write", "writev"}:
        on = _DESCRIPTOR.match(arguments)
        paths, descriptor = ([on[2]], int(on[1])) if on else ([], -1)
    else:
        paths = [str(PurePath(each["directory"] or "/", each["name"])) for each in _NAMED.finditer(arguments)]
        descriptor = int(found["result"]) if name.startswith("open") else -1
        if name == "symlink":
            paths = paths[1:]
    inside = tuple(str(PurePath(path).relative_to(root)) for path in paths if PurePath(path).is_relative_to(root))
    if inside:
        yield Call(name, inside, descriptor)


@dataclass(slots=True)
class Order:
    """Follows a run call by call, and finds what comes before that which must precede it."""

    faults: list[str] = field(default_factory=list)
    _step: int = 0
    _opened: dict[int, int] = field(default_factory=dict)
    """By descriptor, the step at which it was opened."""
    _unsafe_bytes: dict[str, int] = field(default_factory=dict)
    """By file whose bytes are not durable, the step of the first write to it."""
    _unsafe_names: set[str] = field(default_factory=set)
    _is_swapped: bool = False
    """Whether the last call was the one that publishes."""

    @classmethod
    def faults_of(cls, calls: Iterable[Call]) -> list[str]:
        """What is out of order in a run."""
        order = cls()
        for call in calls:
            order.follow(call)
        return order.faults

    def follow(self, call: Call) -> None:
        """Take the next call."""
        self._step += 1
        if call.name.startswith("open"):
            self._opened[call.descriptor] = self._step
            return
        if self._is_swapped and (call.name, call.paths) != ("fsync", (".",)):
            self.faults.append(f"B4: {call.name} {call.paths} before the swap was durable")
        self._is_swapped = False
        match call.name:
            case "write" | "writev":
                self._unsafe_bytes.setdefault(call.paths[0], self._step)
            case "fsync":
                self._unsafe_bytes.pop(call.paths[0], None)
                self._unsafe_names = {name for name in self._unsafe_names if _directory(name) != call.paths[0]}
            case "syncfs":
                self._sync_all(self._opened.get(call.descriptor, self._step))
            case "linkat" | "symlink" | "mkdir":
                self._name(call.paths[-1], call.paths[0])
            case "rename":
                self._rename(*call.paths)

    def _sync_all(self, since: int) -> None:
        """A syncfs tells of lost bytes only what was written since its descriptor was opened."""
        self._unsafe_bytes = {path: step for path, step in self._unsafe_bytes.items() if step < since}
        self._unsafe_names = set()

    def _name(self, path: str, source: str) -> None:
        if path.startswith("pool/") and source in self._unsafe_bytes:
            self.faults.append(f"B1: {path} has its name before its bytes are durable")
        if "/_manifests/" in path:
            repository = path.partition("/_manifests/")[0]
            late = [name for name in self._unsafe_names if name.startswith(f"{repository}/_blobs/")]
            self.faults += [f"B2: {path} is there before {name} is durable" for name in late]
        self._unsafe_names.add(path)

    def _rename(self, source: str, target: str) -> None:
        if target == "current":
            named = ("content/", "generations/", "snapshots/", "pool/")
            late = [path for path in (*self._unsafe_bytes, *self._unsafe_names) if path.startswith(named)]
            self.faults += [f"B3: {path} is served before it is durable" for path in late]
            self._is_swapped = True
            return
        self._name(target, source)
        moved = {path: step for path, step in self._unsafe_bytes.items() if path.startswith(f"{source}/")}
        for path, step in moved.items():
            del self._unsafe_bytes[path]
            self._unsafe_bytes[target + path.removeprefix(source)] = step


def _directory(path: str) -> str:
    return str(PurePath(path).parent)

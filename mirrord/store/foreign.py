"""Trees of other tools: where their blobs and manifests lie. No link is followed, and no file waited for."""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from msgspec import Struct

from mirrord.errors import ConfigError
from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout

_SHA = re.compile(r"sha256|sha512")
_HEX = re.compile(r"[0-9a-f]{64}|[0-9a-f]{128}")
_TWO = re.compile(r"[0-9a-f]{2}")
_JSON = re.compile(r"[0-9a-f]{64}\.json")
_ANY = re.compile(r"[^/]+")
_MANIFEST: Final = "manifest.json"

_Level = str | re.Pattern[str]
_Shape = tuple[_Level, ...]

_SHAPES: Final[Mapping[str, Sequence[_Shape]]] = {
    "oci-layout": [("blobs", _SHA, _HEX)],
    "docker-registry": [
        ("docker", "registry", "v2", "blobs", _SHA, _TWO, _HEX, "data"),
        ("v2", "blobs", _SHA, _TWO, _HEX, "data"),
        ("blobs", _SHA, _TWO, _HEX, "data"),
    ],
    "ancestor": [
        ("v2", "blobs", _HEX),
        ("v2", "manifests", _JSON),
        ("docker_images", _ANY, _ANY, re.compile(rf"[0-9a-f]{{64}}|{_MANIFEST}")),
    ],
    "root": [("pool", _SHA, _TWO, _HEX)],
}
_EXPECTED: Final[Mapping[str, str]] = {
    "oci-layout": "blobs/sha256/ as an OCI image layout has it",
    "docker-registry": "docker/registry/v2/blobs/, as the storage of a docker-registry (distribution) has it",
    "ancestor": "docker_images/ or v2/, as the playbook makes them",
    "root": "pool/, as a mirrord root has it",
}
_PASSED_OVER: Final = frozenset({"version"})
"""A file beside the ancestor's blobs that is none."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Candidate(Struct, frozen=True):
    """A file that may be content: where it is, and the digest in its name (None: it has to be a manifest)."""

    parts: tuple[str, ...]
    digest: Digest | None

    def __str__(self) -> str:
        return "/".join(self.parts)


class Stranger(Struct, frozen=True):
    """What lies where content should, and is none."""

    parts: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return "/".join(self.parts)


class Foreign(Struct, frozen=True):
    """One tree of another tool. Everything here blocks."""

    kind: str
    place: Path

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``docker-registry:/var/lib/registry``. Raises ConfigError."""
        kind, colon, place = text.partition(":")
        if kind not in _SHAPES or not colon or not place:
            kinds = ", ".join(f"{kind}:DIR" for kind in _SHAPES)
            raise ConfigError(f"{text!r} names no tree that can be taken over; write one of {kinds}")
        return cls(kind, Path(os.path.abspath(place)))

    def require(self, layout: Layout) -> None:
        """Raise ConfigError where there is no such tree, or it is the root itself."""
        try:
            place = os.stat(self.place)
        except OSError as error:
            raise ConfigError(f"{self.place} can't be looked at: {error.strerror}; name a directory") from error
        if not stat.S_ISDIR(place.st_mode):
            raise ConfigError(f"{self.place} is no directory; name the directory of the tree")
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(place, os.stat(layout.root)):
                raise ConfigError(f"{self.place} is the root itself: all of it is there already")
        if not self._shapes():
            raise ConfigError(f"{self.place} has no {_EXPECTED[self.kind]}; is it another kind, or another directory?")

    def walk(self) -> Iterator[Candidate | Stranger]:
        """Every file that may be content, and what is none of it; nothing is opened but directories."""
        with _opened(None, str(self.place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as top:
            for shape in self._shapes():
                yield from _walk(top, shape, ())

    def open(self, candidate: Candidate) -> int:
        """A descriptor of a candidate for reading. Raises OSError: a link, a FIFO and the like are refused."""
        with contextlib.ExitStack() as stack:
            at = stack.enter_context(_opened(None, str(self.place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            for part in candidate.parts[:-1]:
                at = stack.enter_context(_opened(at, part, _DIRECTORY))
            descriptor = os.open(candidate.parts[-1], _FILE, dir_fd=at)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "is no regular file")
        return descriptor

    def _shapes(self) -> Sequence[_Shape]:
        """The shapes whose first directories are here."""

        def is_here(shape: _Shape) -> bool:
            fixed = [level for level in shape[:-1] if isinstance(level, str)]
            place = self.place.joinpath(*fixed)
            return place.is_dir() and not place.is_symlink()

        return [shape for shape in _SHAPES[self.kind] if is_here(shape)]


@contextlib.contextmanager
def _opened(at: int | None, name: str, flags: int) -> Iterator[int]:
    descriptor = os.open(name, flags, dir_fd=at)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _walk(at: int, shape: _Shape, above: tuple[str, ...]) -> Iterator[Candidate | Stranger]:
    level, rest = shape[0], shape[1:]
    names = [level] if isinstance(level, str) else sorted(os.listdir(at))
    for name in names:
        parts = (*above, name)
        if isinstance(level, re.Pattern) and not level.fullmatch(name):
            if name not in _PASSED_OVER:
                yield Stranger(parts, "has a name that no content has")
        elif not rest:
            yield Candidate(parts, _digest_in(parts))
        else:
            try:
                descriptor = os.open(name, _DIRECTORY, dir_fd=at)
            except OSError as error:
                yield Stranger(parts, _reason(error))
                continue
            try:
                yield from _walk(descriptor, rest, parts)
            finally:
                os.close(descriptor)


def _digest_in(parts: Sequence[str]) -> Digest | None:
    if parts[-1] == _MANIFEST:
        return None
    digits = parts[-2] if parts[-1] == "data" else parts[-1].removesuffix(".json")
    return Digest("sha256", digits) if len(digits) == 64 else Digest("sha512", digits)  # noqa: PLR2004 - hex digits


def _reason(error: OSError) -> str:
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return "is a link, or no directory; links are not followed"
    return error.strerror or str(error)

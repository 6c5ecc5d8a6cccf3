"""The public notes below ``status/``: what people and tools may read of the mirror, replaced atomically."""

from collections.abc import Iterable

from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.reading import MAX_NOTE, read_file


def read_public(layout: Layout, name: str) -> bytes | None:
    """The content of one public note; None where there is none. Raises HostError for what is no file of ours."""
    try:
        return read_file(layout.root, layout.status / name, MAX_NOTE)
    except FileNotFoundError:
        return None


def write_public(layout: Layout, name: str, content: bytes) -> None:
    """Replace one public note. Raises HostError."""
    durable.replace_file(layout.status / name, content, mode=durable.PUBLIC_MODE)


def write_public_pieces(layout: Layout, name: str, pieces: Iterable[bytes]) -> None:
    """The same, without ever having it whole. Raises HostError, also what making a piece raises of it."""
    durable.replace_file(layout.status / name, pieces, mode=durable.PUBLIC_MODE)

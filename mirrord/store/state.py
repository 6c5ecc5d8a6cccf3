"""Small private notes of the service below `state/`: replaced atomically; losing one only costs time."""

from typing import Any

from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.reading import MAX_NOTE, read_file, read_json


def read_state(layout: Layout, name: str) -> bytes | None:
    """The content of one note; None where there is none. Raises HostError for what is no file that may be read."""
    try:
        return read_file(layout.root, layout.state / name, MAX_NOTE)
    except FileNotFoundError:
        return None


def read_note(layout: Layout, name: str) -> Any:  # noqa: ANN401 - JSON
    """The JSON document in one note; None where there is none. Raises HostError for what can't be read as one."""
    try:
        return read_json(layout.root, layout.state / name, MAX_NOTE)
    except FileNotFoundError:
        return None


def write_state(layout: Layout, name: str, content: bytes) -> None:
    """Replace one note. Raises HostError."""
    durable.replace_file(layout.state / name, content, mode=0o600)

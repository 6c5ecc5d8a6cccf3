"""Small private notes of the service below `state/`: replaced atomically; losing one only costs time."""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.reading import MAX_NOTE, read_file, read_json

_UPDATING = threading.Lock()


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


def update_note(
    layout: Layout, name: str, changed: Mapping[str, object], read: Callable[[], Mapping[str, object]]
) -> None:
    """Put ``changed`` into a note that is one JSON object, beside what others wrote; None removes a key.

    ``read`` gives what is in it now, as far as that is valid. Several runs of one process may do so at once.
    Raises HostError.
    """
    with _UPDATING:
        document = {**read(), **changed}
        content = {key: value for key, value in sorted(document.items()) if value is not None}
        write_state(layout, name, json.dumps(content).encode())


def write_state(layout: Layout, name: str, content: bytes) -> None:
    """Replace one note. Raises HostError."""
    durable.replace_file(layout.state / name, content, mode=0o600)

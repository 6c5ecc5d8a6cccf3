"""Small private notes of the service below `state/`: replaced atomically; losing one only costs time."""

from mirrord.store import durable
from mirrord.store.layout import Layout


def read_state(layout: Layout, name: str) -> bytes | None:
    """The content of one note; None where there is none."""
    try:
        return (layout.state / name).read_bytes()
    except FileNotFoundError:
        return None


def write_state(layout: Layout, name: str, content: bytes) -> None:
    """Replace one note. Raises HostError."""
    durable.replace_file(layout.state / name, content, mode=0o600)

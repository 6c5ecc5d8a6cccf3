"""System calls that change the tree: what is left where one fails."""

from pathlib import Path

import pytest

from mirrord.errors import HostError
from mirrord.store import durable


def test_what_could_not_replace_a_file_is_not_left_beside_it(tmp_path: Path) -> None:
    """Bounded: a disk that is full stays no fuller, and nothing half-written lies where readers look."""
    target = tmp_path / "status.json"
    target.mkdir()
    with pytest.raises(HostError, match=r"cannot rename to .*status\.json"):
        durable.replace_file(target, b"{}", mode=durable.PUBLIC_MODE)
    assert list(tmp_path.iterdir()) == [target]

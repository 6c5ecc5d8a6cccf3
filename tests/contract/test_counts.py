"""That the suite is one: what runs against one server runs against each."""

from collections import Counter

import pytest
from support.guarded import SERVERS

BESIDE = {
    "test_access.py",
    "test_agreement.py",
    "test_aliases.py",
    "test_counts.py",
    "test_daemon.py",
    "test_guarded.py",
    "test_nginx.py",
}
"""Files of tests that compare servers, or say what holds for one of them alone; every other test takes each server."""


def test_every_case_runs_against_every_server(request: pytest.FixtureRequest) -> None:
    """As many cases for nginx, and for nginx with TLS and passwords, as for the embedded server, but in a few files."""
    counted: Counter[str] = Counter()
    for item in request.session.items:
        assert isinstance(item, pytest.Function)
        if item.path.parent != request.path.parent or item.path.name in BESIDE:
            continue
        assert "server" in item.fixturenames, f"{item.nodeid} takes no server"
        counted[str(item.callspec.params["server"])] += 1
    assert len(set(counted.values())) <= 1, counted
    assert set(counted) in ({*SERVERS}, set()), counted

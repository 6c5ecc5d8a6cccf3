"""What goes where: results on standard output, events and the command's own words on standard error."""

import json

import pytest
from support.mirror import Mirror
from support.scripted import Scripted, answer

from mirrord.demo.images import image


@pytest.mark.parametrize("words", [(), ("-v",), ("--json",), ("--dry-run",), ("--root", "other"), ("nowhere",)])
async def test_results_and_events_never_share_a_stream(
    mirror: Mirror, upstream: Scripted, words: tuple[str, ...]
) -> None:
    """Off a terminal: no event on standard output, and on standard error JSON lines and `mirrord: ` lines alone."""
    upstream.push("app", image("app"), "1")
    upstream.push("bad", image("bad"), "1")
    upstream.when("/bad/", then=answer(500))
    mirror.configure("{host}/app:1", "{host}/bad:1")
    done = await mirror.command("sync", *words)
    assert done.status == (2 if words == ("nowhere",) else 1)
    assert '"event"' not in done.out
    for line in done.err.splitlines():
        assert line.startswith("mirrord: ") or json.loads(line)["level"] in {"debug", "info", "warning", "error"}
    if "--json" in words:
        assert done.document["schema"] == "mirrord.sync/1"
    elif words != ("nowhere",):
        assert "failed     registry.test/bad:1" in done.out

"""Readers in a storm of swaps: whatever they get is whole, and is what its digest says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import nginx
from support.readers import embedded
from support.storm import REPOSITORY, TAGS, Enough, weather
from support.tree import ScratchTree, readable_directory

from mirrord.demo.images import image
from mirrord.serve.nginx import NginxSite


@contextmanager
def serving(name: str, tree: ScratchTree, place: Path) -> Iterator[int]:
    """One of the servers on the tree; its port."""
    if name == "embedded":
        with embedded(place, "--root", str(tree.root)) as daemon:
            yield daemon.server.port
        return
    (place / "nginx").mkdir()
    with nginx.running(NginxSite(tree.root), place / "nginx") as stock:
        yield stock.port
    assert stock.error_log() == ""


@pytest.mark.parametrize("server", ["embedded", "nginx"])
@pytest.mark.parametrize(
    "enough",
    [
        pytest.param(Enough(seconds=2, swaps=200, answers=2_000), id="short"),
        pytest.param(Enough(seconds=60, swaps=6_000, answers=100_000), id="long", marks=pytest.mark.soak),
    ],
)
def test_a_storm_of_swaps_is_never_seen(server: str, enough: Enough) -> None:
    """Atomic: a hundred publications a second and more, and not one wrong body or error among all the answers."""
    with readable_directory() as place:
        tree = ScratchTree(place / "root")
        states = [{tag: image(f"{state} of {tag}") for tag in TAGS} for state in ("one", "two")]
        snapshots = [tree.publish({REPOSITORY: state}) for state in states]
        known = {str(built.digest): built.manifest.raw for state in states for built in state.values()}
        assert len(known) == 2 * len(TAGS)
        with serving(server, tree, place) as port:
            storm = weather(port, tree, snapshots, known, enough, place)
        assert storm.wrong == []
        assert storm.swaps >= enough.swaps
        assert storm.answers >= enough.answers

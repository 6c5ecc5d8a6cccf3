"""A tag that moves while it is read, from both servers."""

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from threading import Event

from support.readers import Server
from support.tree import ScratchTree
from support.world import World

from mirrord.demo import images
from mirrord.oci.digest import Digest

READERS = 3
ANSWERS = 150
"""How often each reader asks."""


def read(server: Server, target: str, known: frozenset[str]) -> int:
    """Ask again and again, and check each answer against itself; how many different contents were seen."""
    seen = set()
    for _ in range(ANSWERS):
        answer = server.ask(target)
        assert answer.status == 200
        digest = answer.headers["docker-content-digest"]
        assert digest == str(Digest.of(answer.body))
        assert answer.headers["etag"] == f'"{digest}"'
        assert digest in known
        seen.add(digest)
    return len(seen)


def test_a_moving_tag_is_never_a_mixture(server: Server, world: World) -> None:
    """Atomic: every answer is one of the tag's manifests, whole, under its own digest; none is an error."""
    repository = f"moving/{server.port}"
    states = [images.image(f"state {number}") for number in range(2)]
    assert len({len(state.manifest.raw) for state in states}) == 1, "of one size, so that no length gives them away"
    snapshots = [world.tree.publish({repository: {"tag": state}}) for state in states]
    known = frozenset(str(state.digest) for state in states)
    done = Event()
    with ThreadPoolExecutor(READERS + 1) as pool:
        moving = pool.submit(move, world.tree, snapshots, done)
        readers = [pool.submit(read, server, f"/v2/{repository}/manifests/tag", known) for _ in range(READERS)]
        try:
            seen = [reader.result() for reader in readers]
        finally:
            done.set()
        moving.result()
    assert max(seen) > 1, "the tag moved while it was read"


def move(tree: ScratchTree, snapshots: list[str], done: Event) -> None:
    """Serve one snapshot after the other, thousands of times a second, until told to stop."""
    for snapshot in cycle(snapshots):
        tree.serve(snapshot)
        if done.wait(0.0001):
            return


def test_a_tag_that_is_gone_is_unknown_and_its_content_stays(server: Server, world: World) -> None:
    """In-flight finishes: what a snapshot no longer names is still there by digest, until it is collected."""
    repository = f"going/{server.port}"
    image = images.image("going")
    world.tree.publish({repository: {"tag": image}})
    assert server.ask(f"/v2/{repository}/manifests/tag").status == 200
    world.tree.publish({repository: None})
    for path, code in (("manifests/tag", "MANIFEST_UNKNOWN"), ("tags/list", "NAME_UNKNOWN")):
        answer = server.ask(f"/v2/{repository}/{path}")
        assert (answer.status, answer.code) == (404, code)
    assert server.ask(f"/v2/{repository}/manifests/{image.digest}").body == image.manifest.raw
    assert server.ask(f"/v2/{repository}/blobs/{Digest.of(image.blobs[0])}").body == image.blobs[0]


def test_what_is_published_is_served_at_once(server: Server, world: World) -> None:
    """No reload and no cache in between: the next answer is of the new snapshot."""
    repository = f"coming/{server.port}"
    for number in range(3):
        image = images.image(f"coming {number}")
        world.tree.publish({repository: {"tag": image, f"v{number}": image}})
        assert server.ask(f"/v2/{repository}/manifests/tag").body == image.manifest.raw
        assert server.ask(f"/v2/{repository}/tags/list").json()["tags"] == ["tag", f"v{number}"]
        assert repository in server.ask("/v2/_catalog").json()["repositories"]

"""nginx while the daemon stops and comes back: pages are cut only with it, and nothing else needs it."""

import signal

from support import nginx
from support.readers import Server, embedded
from support.tree import ScratchTree, readable_directory
from support.world import World, build_world

from mirrord.serve.nginx import NginxSite


def pulled(server: Server, world: World) -> list[tuple[int, bytes]]:
    """All that clients ask on the way to an image, and some of what they get wrong."""
    layer = world.layer[0]
    paths = ("", "nginx/manifests/index", f"nginx/manifests/{world.index.digest}", f"nginx/blobs/{layer}", "_catalog")
    more = ("nginx/tags/list", f"nginx/referrers/{world.image.digest}", "nginx/manifests/absent", "absent/tags/list")
    answers = [server.ask(f"/v2/{path}") for path in (*paths, *more)]
    answers += [server.ask("/quay.io/v2/x/y/manifests/1"), server.ask("/v2/x/y/manifests/1?ns=quay.io")]
    return [(answer.status, answer.body) for answer in answers]


def test_stopping_the_daemon_changes_nothing_for_pulls() -> None:
    """Last good stays: only pages become whole lists, and they are pages again when it is back."""
    with readable_directory() as place:
        world = build_world(place / "root")
        (place / "nginx").mkdir()
        with embedded(place, "--root", str(world.tree.root)) as daemon:
            address = daemon.address
            with nginx.running(NginxSite(world.tree.root, daemon=address), place / "nginx") as stock:
                server = Server(stock.port)
                before = pulled(server, world)
                assert server.ask("/v2/many/tags/list?n=2").json()["tags"] == ["v0", "v1"]
                daemon.process.send_signal(signal.SIGTERM)
                daemon.process.wait(timeout=30)
                assert pulled(server, world) == before
                publish(world.tree, world)
                assert server.ask("/v2/new/manifests/1").body == world.image.manifest.raw
                for target in ("/v2/many/tags/list?n=2", "/v2/many/tags/list?last=v3", "/v2/_catalog?n=1"):
                    whole, page = server.ask(target.partition("?")[0]), server.ask(target)
                    assert (page.status, page.body, page.headers.get("link")) == (200, whole.body, None)
                assert server.ask("/v2/absent/tags/list?n=1").code == "NAME_UNKNOWN"
                with embedded(place, "--root", str(world.tree.root), "--listen", str(address)):
                    assert server.ask("/v2/many/tags/list?n=2").json()["tags"] == ["v0", "v1"]
                assert stock.error_log() == ""


def publish(tree: ScratchTree, world: World) -> None:
    """One more repository."""
    tree.publish({"new": {"1": world.image}})

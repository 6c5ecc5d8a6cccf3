"""The daemon's own HTTP, before the registry's: /healthz, /readyz and /metrics."""

from collections.abc import Callable

from aiohttp import web

from mirrord.errors import HostError
from mirrord.store.tree import Tree

_TEXT = "text/plain; charset=utf-8"


def add_health(app: web.Application, tree: Tree, metrics: Callable[[], tuple[bytes, str]]) -> None:
    """Add the routes; they come before those that are there. ``metrics`` gives the exposition and its media type."""

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n", headers={"Content-Type": _TEXT})

    async def readyz(_: web.Request) -> web.Response:
        """Whether a snapshot is served: staleness never takes a mirror out of a load balancer."""
        try:
            snapshot = tree.snapshot()
        except HostError as error:
            return web.Response(status=503, text=f"{error}\n", headers={"Content-Type": _TEXT})
        if snapshot is None:
            return web.Response(status=503, text="nothing is published yet\n", headers={"Content-Type": _TEXT})
        return web.Response(text=f"serving {snapshot}\n", headers={"Content-Type": _TEXT})

    async def exposition(_: web.Request) -> web.Response:
        content, media_type = metrics()
        return web.Response(body=content, headers={"Content-Type": media_type})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", exposition)

"""A small Internet for a sandbox: every registry that the pages name, at their names, by TLS, on a loopback address.

Run as a program inside the sandbox (``python -m support.internet DIRECTORY [ADDRESS]``) it serves until it is ended.
"""

import asyncio
import socket
import sys
from pathlib import Path

from aiohttp import web
from support.authority import make_authority

from mirrord.demo.images import AMD64, ARM64, artifact, image, index, layer, signature, signature_tag
from mirrord.demo.upstream import Upstream

ADDRESS = "127.0.0.2"
"""Not the one where the mirror is."""
NAMES = [
    "registry-1.docker.io",
    "docker.io",
    "index.docker.io",
    "quay.io",
    "registry.k8s.io",
    "gcr.io",
    "ghcr.io",
    "harbor.lan",
    "mirror.example",
]
IMAGES = {
    "library/alpine": ["3.20", "latest"],
    "library/nginx": ["1.27"],
    "library/node": ["20.1.0-alpine", "22.1.0-alpine3.20"],
    "library/debian": ["bookworm-20260101-slim"],
    "coreos/flannel": ["v0.11.0"],
    "pause": ["3.9", "3.10"],
    "etcd": ["3.5.12-0"],
    "coredns/coredns": ["v1.11.3"],
    "prometheus/node-exporter": ["v1.8.0", "v1.8.1", "v1.8.2"],
    "prometheus/prometheus": ["v3.0.1", "v3.1.0", "latest"],
    "cilium/cilium": ["v1.16.0"],
    "distroless/static-debian12": ["latest"],
    "org/app": ["1.0"],
    "team/app": ["1.0"],
}
"""Repositories, of whichever host, and their tags."""


class Internet(Upstream):
    """Registries in memory that answer by all these names."""

    async def serve_names(self, place: Path, address: str) -> None:
        """Serve at an address until it is ended; ``place`` has the authority's files, and ``ready`` when all is."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._receive)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        listener = socket.create_server((address, 443))
        await web.SockSite(runner, listener, ssl_context=make_authority(place, NAMES).server()).start()
        (place / "ready").touch()
        await asyncio.Event().wait()


def fill(internet: Internet) -> None:
    """Every image has two platforms and a signature; the chart is an artifact."""
    base = layer("base", 200_000)
    for repository, tags in IMAGES.items():
        for tag in tags:
            name = f"{repository}:{tag}"
            built = index(*(image(name, layers=(base, layer(name, 20_000)), platform=each) for each in (AMD64, ARM64)))
            internet.push(repository, built, tag)
            internet.push(repository, signature(built), signature_tag(built.digest))
    internet.push("org/charts/app", artifact("chart", "application/vnd.cncf.helm.config.v1+json"), "1.2.3")


def main() -> None:
    """Serve at the address that is given after the directory, else where only this host reaches it."""
    place, address = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ADDRESS
    internet = Internet()
    fill(internet)
    asyncio.run(internet.serve_names(place, address))


if __name__ == "__main__":
    main()

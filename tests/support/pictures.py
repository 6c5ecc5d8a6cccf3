"""Pictures of the page for the README and docs, of a small mirror that was really synced: ``scripts/screenshots``."""

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.browser import PHONE, Browser, chromium
from support.mirror import HOST, Mirror
from support.readers import embedded
from support.scripted import Scripted, answer

from mirrord.demo.images import AMD64, ARM64, BuiltImage, artifact, image, index, layer, signature, signature_tag

_SIZE: Final = (1080, 720)
_REPOSITORIES: Final = {
    "nginx": ("1.27", "1.28", "1.29"),
    "redis": ("7.4", "8.0"),
    "postgres": ("16", "17"),
    "grafana/grafana": ("12.0", "12.1"),
    "prom/prometheus": ("v3.4", "v3.5"),
    "prom/node-exporter": ("v1.9",),
}


_PUBLIC: Final = "public_url: https://mirror.example\n"


@dataclass(frozen=True, slots=True)
class _Shot:
    name: str
    path: str
    scheme: str = "light"
    size: tuple[int, int] = _SIZE


_SHOTS: Final = (
    _Shot("page", "/"),
    _Shot("page-image", "/image/nginx:1.29"),
    _Shot("page-freshness", "/freshness", "dark"),
    _Shot("page-runs", "/runs"),
    _Shot("page-phone", "/image/nginx", "dark", PHONE),
)


def _built(name: str, tag: str) -> BuiltImage:
    base = layer("base", 3_100_000)
    own = layer(f"{name} {tag}", 400_000 + 90_000 * len(name))
    return index(*(image(f"{name} {tag}", layers=(base, own), platform=each) for each in (AMD64, ARM64)))


async def _filled(place: Path) -> Mirror:
    """Some syncs: most go well, one image is gone upstream, one upstream is tired of being asked."""
    async with Scripted.running() as upstream:
        upstream.referrers = True
        mirror = Mirror(place, upstream.url)
        for name, tags in _REPOSITORIES.items():
            for tag in tags[:-1] or tags:
                upstream.push(name, _built(name, tag), tag)
        rule = 'tags: {{glob: "*", exclude: ["bill"]}}'
        images = [f'{{{{name: "{{host}}/{name}", {rule}, as: {name}}}}}' for name in _REPOSITORIES]
        mirror.configure(*images, extra=_PUBLIC)
        await mirror.command("sync")
        for name, tags in _REPOSITORIES.items():
            built = _built(name, tags[-1])
            upstream.push(name, built, tags[-1])
            upstream.push(name, signature(built), signature_tag(built.digest))
            upstream.push(name, artifact(f"{name} bill", "application/spdx+json", built), "bill")
            await mirror.command("sync")
        mirror.configure(*images, "{host}/team/billing:2.3", "{host}/team/shop:stable", extra=_PUBLIC)
        await mirror.command("sync", f"{HOST}/team/billing:2.3")
        upstream.when("team/shop", then=answer(429, headers={"Retry-After": "5400"}))
        await mirror.command("sync", f"{HOST}/team/shop:stable")
        return mirror


def _take(browser: Browser, url: str, shot: _Shot, directory: Path) -> None:
    browser.resize(shot.size)
    browser.shade(shot.scheme)
    browser.open(f"{url}/#{shot.path}")
    browser.picture(directory / f"{shot.name}.png")


def take(directory: Path) -> None:
    """Write all pictures into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mirrord-pictures-") as name:
        place = Path(name)
        mirror = asyncio.run(_filled(place))
        with embedded(place, "--root", str(mirror.root)) as serving, chromium() as browser:
            for shot in _SHOTS:
                _take(browser, serving.server.url, shot, directory)


if __name__ == "__main__":
    take(Path(sys.argv[1]))

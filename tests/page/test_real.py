"""The page of a mirror that was really synced, as the embedded server and nginx serve it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import nginx
from support.browser import Browser
from support.mirror import HOST, Mirror
from support.readers import embedded
from support.scripted import Scripted
from support.tree import readable_directory

from mirrord.demo.images import AMD64, ARM64, artifact, image, index, layer, signature, signature_tag
from mirrord.serve.nginx import NginxSite


async def _filled(place: Path) -> Mirror:
    """Two syncs: of ``app`` a tag moved between them, one is signed, two share a layer."""
    async with Scripted.running() as upstream:
        upstream.referrers = True
        mirror = Mirror(place, upstream.url)
        base = layer("base", 300_000)
        site = index(*(image("site", layers=(base, layer("top")), platform=each) for each in (AMD64, ARM64)))
        upstream.push("team/app", site, "1.0")
        upstream.push("team/app", signature(site), signature_tag(site.digest))
        upstream.push("team/app", artifact("bill", "application/spdx+json", site), "bill")
        upstream.push("team/app", image("old", layers=(base,)), "edge")
        mirror.configure('{{name: "{host}/team/app", tags: ["1.0", "edge"]}}', f"{HOST}/team/gone:1")
        assert (await mirror.command("sync")).status == 1
        upstream.push("team/app", image("new", layers=(base,)), "edge")
        assert (await mirror.command("sync")).status == 1
        return mirror


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A mirror's directory, which nginx may read too."""
    with readable_directory() as made:
        asyncio.run(_filled(made))
        yield made


@contextmanager
def _serving(kind: str, place: Path) -> Iterator[str]:
    if kind == "embedded":
        with embedded(place, "--root", str(place / "mirror")) as serving:
            yield serving.server.url
        return
    directory = place / "nginx"
    directory.mkdir()
    with nginx.running(NginxSite(place / "mirror"), directory) as running:
        yield f"http://127.0.0.1:{running.port}"


@pytest.mark.parametrize("kind", ["embedded", "nginx"])
def test_an_image_is_found_and_its_command_copied(browser: Browser, place: Path, kind: str) -> None:
    """From the search to the command on the clipboard, through what is in the image, its past, and what is attached."""
    with _serving(kind, place) as url:
        browser.driver.execute_cdp_cmd(
            "Browser.grantPermissions", {"permissions": ["clipboardReadWrite"], "origin": url}
        )
        browser.open(f"{url}/")
        browser.find("input").send_keys("team/app")
        browser.click(f"{HOST}/team/app")
        browser.wait("return document.querySelector('h1').innerText.endsWith('team/app')")
        assert browser.all("tbody th a") == ["edge", "1.0"]
        browser.click("1.0")
        browser.wait("return document.querySelector('h1').innerText.includes(':1.0')")
        found = browser.text
        assert "linux/amd64, linux/arm64/v8" in found
        assert "are its own and 307 kB shared with other tags of it" in found
        assert browser.all("main li .chip") == ["signature", "sbom"]
        assert browser.all("summary")[0].startswith("linux/amd64 2 layers")
        host = url.removeprefix("http://")
        commands = browser.all(".command code")
        assert commands[0] == f"docker pull {host}/{HOST}/team/app:1.0"
        assert commands[1] == f"podman pull --tls-verify=false {host}/{HOST}/team/app:1.0"
        browser.find(".command button").click()
        browser.wait("return document.querySelector('.command button').innerText === 'Copied'")
        assert browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])") == commands[0]
        browser.go(f"/image/{HOST}/team/app:edge")
        assert len(browser.all("ol:last-of-type li time")) == 2


def test_snapshots_show_what_changed_and_how_to_go_back(browser: Browser, place: Path) -> None:
    """Each publication with its tags that moved, and the command that serves an earlier one again."""
    with _serving("embedded", place) as url:
        browser.open(f"{url}/#/snapshots")
        assert ["Snapshot 2" in each for each in browser.all("summary")] == [True, False]
        assert "served" in browser.all("summary")[0]
        assert "1 moved" in browser.all("summary")[0]
        browser.find("details:nth-of-type(2) summary").click()
        browser.wait("return document.querySelector('details:nth-of-type(2) .command')")
        assert browser.all("details:nth-of-type(2) .command code") == ["mirrord snapshots rollback 1"]
        browser.go("/runs")
        assert browser.all("figcaption")[0].startswith("Duration")
        assert "1 failed" in browser.text
        browser.go("/disk")
        assert "saved by sharing" in browser.text
        browser.go("/freshness")
        assert f"{HOST}/team/gone" in browser.text
        browser.go(f"/image/{HOST}/team/app")
        assert browser.violations() == []
        browser.go(f"/image/{HOST}/team/app:1.0")
        assert browser.violations() == []
        browser.go("/snapshots")
        browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert browser.violations() == []

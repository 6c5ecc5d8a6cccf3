"""`mirrord run` as systemd runs it: a process that is told by signals and its socket, and that tells how it stands."""

import asyncio
import hashlib
import hmac
import json
import signal
import socket
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from support.daemon import PATIENCE, Daemon
from support.mirror import HOST, Mirror
from support.scripted import Play, Scripted, answer

from mirrord.demo.images import image, layer
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, parse_manifest

MIB = 1 << 20


def configure(mirror: Mirror, *images: str, extra: str = "") -> None:
    """A config of a daemon on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    more = f"listen: 127.0.0.1:{port}\ndefaults: {{schedule: every 1h, jitter: 0s}}\n{extra}"
    mirror.configure(*images, extra=more)


def url_of(mirror: Mirror) -> str:
    """Where the daemon of a config answers."""
    (line,) = [line for line in mirror.config.read_text().splitlines() if line.startswith("listen: ")]
    return f"http://{line.removeprefix('listen: ')}"


async def get(mirror: Mirror, path: str) -> tuple[int, str]:
    """Ask a daemon's own HTTP."""
    async with aiohttp.ClientSession() as session, session.get(f"{url_of(mirror)}{path}") as answered:
        return answered.status, await answered.text()


async def test_it_fills_the_mirror_serves_it_and_tells(mirror: Mirror, upstream: Scripted) -> None:
    """From an empty root: ready only once a snapshot is served, metrics and status tell of it, the registry has it."""
    upstream.push("app", image("a"), "1")
    configure(mirror, "{host}/app:1")
    async with Daemon.of(mirror) as daemon:
        assert await get(mirror, "/healthz") == (200, "ok\n")
        await daemon.happened("run.finished")
        await daemon.told("STATUS=1 images")
        status, words = await get(mirror, "/readyz")
        assert (status, words.startswith("serving 00000001-")) == (200, True)
        status, _ = await get(mirror, f"/v2/{HOST}/app/manifests/1")
        assert status == 200
        document = json.loads((await get(mirror, "/status/status.json"))[1])
        assert document["images"][f"{HOST}/app:1"]["digest"] == str(image("a").digest)
        assert document["groups"]["default"]["next"] > document["groups"]["default"]["begun"]
        _, metrics = await get(mirror, "/metrics")
        for line in (
            'mirrord_images{group="default"} 1.0',
            'mirrord_images_stale{group="default"} 0.0',
            'mirrord_runs_total{group="default",outcome="succeeded"} 1.0',
            "mirrord_publications_total 1.0",
        ):
            assert line in metrics
        shown = await mirror.command("status", "--check")
        assert shown.status == 0, shown.err
        assert "1 image: 1 fresh, 0 stale, 0 failing." in shown.out
        assert "A daemon keeps it fresh." in shown.out
    assert daemon.events("service.stopping")


async def test_not_ready_before_anything_is_served(mirror: Mirror, upstream: Scripted) -> None:
    """A load balancer sends nobody to an empty mirror; its process is alive all the same."""
    upstream.when("/v2/", then=answer(500))
    configure(mirror, "{host}/app:1")
    async with Daemon.of(mirror) as daemon:
        await daemon.happened("run.finished")
        assert await get(mirror, "/readyz") == (503, "nothing is published yet\n")
        assert (await get(mirror, "/healthz"))[0] == 200
        shown = await mirror.command("status", "--check")
        assert shown.status == 1
        assert "upstream: registry.test/app: manifest 1" in shown.out


@pytest.mark.parametrize("by", ["command", "signal"])
async def test_a_bad_config_changes_nothing_and_a_good_one_counts(mirror: Mirror, upstream: Scripted, by: str) -> None:
    """The bad one is told, by the command's exit status, in the log and in the status; the good one runs at once."""
    upstream.push("app", image("a"), "1")
    upstream.push("tool", image("t"), "1")
    configure(mirror, "{host}/app:1")
    async with Daemon.of(mirror) as daemon:
        await daemon.happened("run.finished")
        good = mirror.config.read_text()
        mirror.config.write_text(good.replace("images:", "imagess:"))
        if by == "command":
            done = await mirror.command("reload", "--root", str(mirror.root), with_config=False)
            assert done.status == 2
            assert 'imagess: unknown key; did you mean "images"?' in done.err
        else:
            daemon.process.send_signal(signal.SIGHUP)
        await daemon.happened("config.rejected")
        async with asyncio.timeout(PATIENCE):  # a READY=1 may be of the run's end, too
            while "imagess" not in (await get(mirror, "/status/status.json"))[1]:
                await daemon.told("READY=1")
        mirror.config.write_text(f"{good}  - {HOST}/tool:1\n")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.told("RELOADING=1")
        await daemon.happened("config.reloaded")
        done = await mirror.command("trigger")
        assert done.status == 0, done.err
        assert mirror.tags("tool") == {"1": image("t").digest}
        assert json.loads((await get(mirror, "/status/status.json"))[1])["config_error"] is None


async def test_sigterm_in_a_large_transfer(mirror: Mirror, upstream: Scripted) -> None:
    """In the middle of 1 GiB at full speed it ends within ten seconds, and what it has stays."""
    document = json.loads(image("a").manifest.raw)
    document["layers"][0]["size"] = 1 << 30
    manifest = parse_manifest(json.dumps(document).encode(), Kind.OCI_MANIFEST.media_type)
    digest = document["layers"][0]["digest"]
    upstream.push("app", image("a"), "other")
    upstream.add_manifest("app", manifest)
    upstream.tag("app", "1", manifest.digest)

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(1 << 30)})
        await response.prepare(request)
        for _ in range(1 << 10):
            await response.write(bytes(MIB))
        return response

    upstream.when(f"GET /v2/app/blobs/{digest}", stream)
    configure(mirror, "{host}/app:1")
    part = mirror.root / "staging" / f"{digest}.part"
    async with Daemon.of(mirror) as daemon:
        await until_it_has(part, 64 * MIB)
        daemon.process.terminate()
        assert await asyncio.to_thread(daemon.process.wait, 10) == 0
    assert part.stat().st_size >= 64 * MIB


async def test_a_restart_goes_on_where_the_transfer_was(mirror: Mirror, upstream: Scripted) -> None:
    """Not a byte that is there is asked for again."""
    large = layer("large", size=16 * MIB)
    upstream.push("app", image("a", layers=(large,)), "1")
    digest = Digest.of(large.content)
    upstream.when(f"GET /v2/app/blobs/{digest}", stalling(large.content, after=8 * MIB))
    configure(mirror, "{host}/app:1")
    part = mirror.root / "staging" / f"{digest}.part"
    async with Daemon.of(mirror):
        await until_it_has(part, 4 * MIB)
    held = part.stat().st_size
    async with Daemon.of(mirror) as daemon:
        assert (await daemon.happened("blob.resumed"))[-1]["offset"] == held
        await daemon.happened("run.finished")
    assert mirror.tags("app") == {"1": image("a", layers=(large,)).digest}


def stalling(content: bytes, after: int) -> Play:
    """Answer with the beginning of a blob, and then nothing."""

    async def play(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[:after])
        await asyncio.sleep(2 * PATIENCE)
        return response

    return play


async def until_it_has(part: Path, size: int) -> None:
    """Wait for a download."""
    async with asyncio.timeout(PATIENCE):
        while not part.exists() or part.stat().st_size < size:  # noqa: ASYNC110 - it is another process's file
            await asyncio.sleep(0.02)


async def test_webhooks_hear_of_failures_and_recoveries(mirror: Mirror, upstream: Scripted, tmp_path: Path) -> None:
    """Signed with the key, sent again where the first attempt fails, and without the address in the log."""
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    refusals = [500]

    async def hook(request: web.Request) -> web.Response:
        if refusals:
            return web.Response(status=refusals.pop())
        await heard.put((request.headers["X-Mirrord-Signature"], await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/secret-path", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    key = tmp_path / "key"
    key.write_text("s3cret\n")
    notify = f"notify: [{{url: 'http://127.0.0.1:{port}/secret-path', secret_file: {key}}}]\n"
    upstream.push("app", image("a"), "1")
    upstream.when("/v2/app/manifests/1", answer(500))
    configure(mirror, "{host}/app:1", extra=notify)
    try:
        async with Daemon.of(mirror) as daemon, asyncio.timeout(PATIENCE):
            for event in ("failed", "recovered"):
                signature, body = await heard.get()
                assert signature == f"sha256={hmac.new(b's3cret', body, hashlib.sha256).hexdigest()}"
                notice = json.loads(body)
                assert (notice["event"], notice["count"]) == (event, 1)
                assert notice["images"][0]["name"] == f"{HOST}/app:1"
                if event == "failed":
                    assert (await mirror.command("trigger")).status == 0
    finally:
        await runner.cleanup()
    log = daemon.log.read_text()
    assert "secret-path" not in log
    assert "s3cret" not in log

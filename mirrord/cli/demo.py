"""`mirrord demo`: the whole thing in a temporary place, with a small upstream of its own."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import FOUND, app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from pathlib import Path

    from mirrord.demo.run import Demo
    from mirrord.demo.selfcheck import Pulled
    from mirrord.serve.address import Address


@command(app, "demo")
def demo(
    invocation: Invocation,
    *,
    once: Annotated[bool, typer.Option("--once", help="End after pulling everything back and verifying it.")] = False,
    listen: Annotated[str, typer.Option("--listen", metavar="ADDR", help="Where to serve.")] = "127.0.0.1:5050",
) -> None:
    """Mirror a small upstream into a temporary place, show what came of it, check it as a client, and serve it."""
    import asyncio
    import tempfile
    from pathlib import Path

    from mirrord import events
    from mirrord.serve.address import Address

    events.configure("warning")
    with tempfile.TemporaryDirectory(prefix="mirrord-demo-") as place:
        is_good = asyncio.run(_demonstrate(invocation, Path(place), Address.parse(listen), once=once))
    if not is_good:
        raise typer.Exit(FOUND)


async def _demonstrate(invocation: Invocation, place: "Path", listen: "Address", *, once: bool) -> bool:
    import asyncio
    import signal

    from mirrord.cli.report import print_report
    from mirrord.demo.run import running_demo
    from mirrord.demo.selfcheck import pull_everything

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running_demo(place, listen) as shown:
        pulled = await pull_everything(f"http://{shown.address}")
        if invocation.json:
            invocation.print_json("demo", _document(shown, pulled))
        else:
            _write(f"1. A config:\n\n{_indented(shown.config)}\n2. mirrord sync:\n\n")
            print_report(shown.report.document(), sys.stdout, 0)
            _write(_told(shown, pulled))
        if not once and not shown.report.has_failed:
            _write("\nServing until Ctrl-C.\n" if not invocation.json else "")
            await stopped.wait()
        return not shown.report.has_failed


def _told(shown: "Demo", pulled: "Pulled") -> str:
    from mirrord.cli.words import count, size
    from mirrord.demo.picture import draw

    fetched = size(shown.report.progress.bytes_fetched)
    picture = _indented("\n".join(draw(shown.root)))
    pulls = [f"docker pull {shown.address}/registry.demo/web/site:1.0"]
    pulls += [f"podman pull --tls-verify=false {shown.address}/registry.demo/web/api:2.1"]
    pulls += [f"skopeo inspect --tls-verify=false docker://{shown.address}/registry.demo/web/site:1.0"]
    return (
        f"\n   fetched {fetched}, stored {size(shown.stored)}, saved {size(shown.saved)} by keeping every byte once\n"
        f"\n3. The tree, plain files that nginx can serve (`mirrord nginx` prints its configuration):\n\n{picture}"
        f"\n4. Pulled back over HTTP, as a client does: {count(len(pulled.manifests), 'manifest')} and "
        f"{count(len(pulled.blobs), 'blob')}, {size(pulled.total)}, every digest right.\n"
        f"\n5. Pull from it:\n\n{_indented(chr(10).join(pulls))}"
    )


def _document(shown: "Demo", pulled: "Pulled") -> dict[str, object]:
    return {
        "address": shown.address,
        "sync": shown.report.document(),
        "stored_bytes": shown.stored,
        "saved_bytes": shown.saved,
        "pulled": {"manifests": len(pulled.manifests), "blobs": len(pulled.blobs), "bytes": pulled.total},
    }


def _indented(text: str) -> str:
    return "".join(f"   {line}\n" for line in text.splitlines())


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()

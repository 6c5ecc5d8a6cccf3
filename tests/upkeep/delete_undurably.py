"""A process that collects garbage, or publishes and then collects, on a disk that may fail meanwhile.

Arguments: the root, and ``collect`` or ``publish``. It says that it is ready, waits for a line on standard input,
then prints a JSON list: how each step ended, ``done`` or the error's class and words.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec.structs import replace

from mirrord.config.reserve import Reserve
from mirrord.errors import HostError
from mirrord.store.change import Change
from mirrord.store.retention import Retention
from mirrord.store.snapshot import Reason
from mirrord.store.store import open_store

RETENTION = Retention(keep_last=1, keep_daily=0, keep_weekly=0, grace=60)


async def main(root: Path, first: str) -> None:
    """Carry out the steps, whatever becomes of them."""
    said: list[list[str]] = []

    async def attempt(step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
            said.append(["done", ""])
        except HostError as error:
            said.append([type(error).__name__, str(error)])

    async with open_store(root, command="test", threads=1, reserve=Reserve(size=0)) as store:
        record = await store.record("app")
        assert record is not None
        change = Change("app", record.upstream, {"again": replace(record.tags["1"])})
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        if first == "publish":
            await attempt(lambda: store.publish([change], Reason("", "")))
        await attempt(lambda: store.collect(RETENTION, is_dry=False))
        await attempt(lambda: store.collect(RETENTION, is_dry=False))
    sys.stdout.write(json.dumps(said))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

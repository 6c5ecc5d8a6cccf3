"""A root that is held by a daemon without schedules: what answers at its control socket is the real thing."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from mirrord import events
from mirrord.config.loader import load
from mirrord.config.model import Config
from mirrord.config.reserve import Reserve
from mirrord.errors import ConfigError
from mirrord.service.control import controlling
from mirrord.service.operation import Operation, Reply, Workshop
from mirrord.service.place import places
from mirrord.service.wire import About
from mirrord.store.store import Store, open_store


@dataclass(slots=True)
class Holder:
    """Who holds the root, and does what it is asked."""

    store: Store
    config: Config | None
    who: About
    under_way: dict[asyncio.Task[object], Operation] = field(default_factory=dict)
    """By its task, each operation."""
    asked: list[str] = field(default_factory=list)
    """The calls that came, in words."""
    ended: int = 0
    """Operations that are over."""
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    def about(self) -> About:
        """Who it is."""
        return self.who

    def progress(self) -> Mapping[str, object]:
        """What it does."""
        return {"operations": [operation.words for operation in self.under_way.values()]}

    @contextlib.asynccontextmanager
    async def workshop(self, operation: Operation) -> AsyncIterator[Workshop]:
        """One operation that wants to be alone at once, the others as they come."""
        async with contextlib.AsyncExitStack() as stack:
            if operation.is_alone:
                await stack.enter_async_context(self._alone)
            task = asyncio.current_task()
            assert task is not None
            self.under_way[task] = operation
            try:
                yield Workshop(self.store, self.config)
            finally:
                self.ended += 1
                del self.under_way[task]

    async def reload(self) -> Reply:
        """Read the config that its own file has now."""
        config = await asyncio.to_thread(load, Path(self.who.config))
        self.config = config
        return Reply({"config": self.who.config, "groups": 1, "images": len(config.images), "restart_for": ["listen"]})

    async def trigger(self, what: str | None, *, wait: bool) -> Reply:
        """Only groups whose name begins with ``g`` are known, and their runs end early."""
        self.asked.append(f"trigger {what} {wait}")
        if what is not None and not what.startswith("g"):
            raise ConfigError(f"there is no group {what}")
        return Reply({"triggered": [what]} | ({"runs": {what: None}} if wait else {}), 1 if wait else 0)

    async def pause(self) -> Reply:
        """Say so."""
        self.asked.append("pause")
        return Reply({"paused": True, "running": []})

    async def resume(self) -> Reply:
        """Say so."""
        self.asked.append("resume")
        return Reply({"paused": False, "running": []})

    async def cancel(self, group: str | None) -> Reply:
        """Cancel every operation."""
        self.asked.append(f"cancel {group}")
        for task in self.under_way:
            task.cancel()
        return Reply({"cancelled": [operation.name for operation in self.under_way.values()]})


@contextlib.asynccontextmanager
async def held(root: Path, config: Path | None, socket: Path | None = None) -> AsyncIterator[Holder]:
    """Hold ``root`` by the config at ``config`` until the block ends, reached at ``socket`` or its usual place."""
    read = await asyncio.to_thread(load, config) if config else None
    reserve = read.reserve if read else Reserve(size=0)
    events.configure("info", "json", io.StringIO())  # its own log; what a command is told does not come from there
    try:
        async with open_store(root, command="mirrord run", threads=4, reserve=reserve) as store:
            who = About.of(root, str(config or ""), read.fingerprint if read else "")
            holder = Holder(store, read, who)
            async with controlling(holder, socket or places(root, None)[-1], root):
                yield holder
    finally:
        structlog.reset_defaults()

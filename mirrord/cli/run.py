"""`mirrord run`: the daemon."""

import sys
from typing import TYPE_CHECKING

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.service.life import Started


@command(app, "run")
def run(invocation: Invocation) -> None:
    """Keep the mirror fresh by the schedules of the config, and serve it, until it is told to stop.

    SIGHUP, or `mirrord reload`, has it read the config again; SIGTERM ends it, and downloads go on where they were.
    """
    import asyncio

    from mirrord import events
    from mirrord.cli.setting import root_of
    from mirrord.config.loader import locate
    from mirrord.service.allocator import settle_allocator
    from mirrord.service.life import run_service
    from mirrord.service.setting import Setting

    settle_allocator()
    setting = Setting.read(locate(invocation.config))
    levels: list[events.Level] = ["error", "warning", "info", "debug"]
    place = levels.index(setting.config.log.level) + invocation.verbosity
    events.configure(levels[max(0, min(place, len(levels) - 1))], setting.config.log.format)
    root = root_of(invocation, setting.config).absolute()

    def announce(started: "Started") -> None:
        if invocation.json:
            document = {"root": str(started.root), "url": f"http://{started.address}", "control": str(started.control)}
            invocation.print_json("run", document)
        elif sys.stdout.isatty():
            words = f"Keeping {started.images} images of {started.groups} groups fresh in {started.root}"
            sys.stdout.write(f"{words}; serving at http://{started.address.reachable()} (Ctrl-C ends it)\n")
        sys.stdout.flush()

    asyncio.run(run_service(setting, root, announce))

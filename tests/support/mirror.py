"""A mirror under test: a config beside a root, synced in this process or by the real command."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.closed import check_tree

from mirrord.config.images import images_of
from mirrord.config.loader import load
from mirrord.oci.digest import Digest
from mirrord.store.layout import Layout
from mirrord.store.store import open_store
from mirrord.store.tree import Tree
from mirrord.sync.outcome import Progress, Report, Status
from mirrord.sync.plan import plan_all, plan_some
from mirrord.sync.run import Order, run_sync

HOST = "registry.test"
"""The name of the upstream in configs of tests; no DNS has it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What the command left behind."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON
        """What `--json` printed."""
        return json.loads(self.out)


@dataclass(slots=True)
class Mirror:
    """One root and the config that fills it from ``url``."""

    place: Path
    url: str
    limits: str = "{attempts: 1}"
    registry: str = ""
    """Further keys of the registry, e.g. ``username: me, password: pw``."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The mirror's directory."""
        return self.place / "mirror"

    @property
    def layout(self) -> Layout:
        """The root's paths."""
        return Layout(self.root)

    @property
    def config(self) -> Path:
        """The config file."""
        return self.place / "mirrord.yaml"

    def configure(self, *images: str, extra: str = "") -> None:
        """Write a config with ``images``, each a YAML value; ``{host}`` in them is the upstream's name."""
        lines = "".join(f"  - {image.format(host=HOST)}\n" for image in images)
        more = f", {self.registry}" if self.registry else ""
        registry = f'registries:\n  {HOST}: {{endpoint: "{self.url}"{more}}}\n'
        self.config.write_text(f"root: {self.root}\nlimits: {self.limits}\n{extra}{registry}images:\n{lines}")

    async def sync(self, *only: str) -> Report:
        """One run in this process; afterwards the tree is checked to be closed and true."""
        config = load(self.config)
        images = images_of(config)
        async with open_store(self.root, command="test", threads=4, reserve=config.reserve) as store:
            served = await store.repositories()
            plans = plan_some(images, served, only) if only else plan_all(images, served)
            report = await run_sync(config, Order(plans, "test", is_whole=not only), store, Progress())
        check_tree(self.root)
        return report

    async def command(self, *arguments: str, with_config: bool = True) -> Finished:
        """Run the real command in ``place``, while the upstream of this process goes on answering."""
        return await asyncio.to_thread(self.run, *arguments, with_config=with_config)

    def run(self, *arguments: str, with_config: bool = True) -> Finished:
        """Run the real command in ``place``."""
        config = ["--config", str(self.config)] if with_config else []
        command = [sys.executable, "-m", "mirrord", *arguments, *config]
        environment = {**os.environ, "NO_COLOR": "1", **self.environment}
        done = subprocess.run(
            command, cwd=self.place, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def tags(self, repository: str) -> dict[str, Digest]:
        """What each tag of a served repository names."""
        record = Tree(self.layout).record(f"{HOST}/{repository}")
        return {tag: held.digest for tag, held in record.tags.items()} if record else {}

    def files(self) -> dict[str, tuple[int, int, int]]:
        """Inode, size and mtime (ns) of everything in the tree but what names the writer."""
        rooms: Sequence[str] = ("pool", "content", "generations", "snapshots", "current", "root.json")
        found = {}
        for room in rooms:
            for directory, _, names in os.walk(self.root / room):
                for path in (directory, *(os.path.join(directory, name) for name in names)):
                    status = os.lstat(path)
                    found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
        return found


def by_name(report: Report) -> dict[str, Status]:
    """What became of each image, by its name without the upstream's host."""
    return {outcome.name.removeprefix(f"{HOST}/"): outcome.status for outcome in report.outcomes}

"""Syncing on somebody's word: all that the config has, some of it, or images that only the command names."""

from collections.abc import Sequence
from typing import ClassVar

from mirrord.config.images import config_for, images_of, without_cooldown
from mirrord.config.model import Config
from mirrord.errors import ConfigError
from mirrord.service.operation import DONE, FOUND, HOST, Operation, Reply, Workshop
from mirrord.store.change import Brake
from mirrord.store.reader import Reader
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.journal import write_down_once
from mirrord.sync.outcome import Report
from mirrord.sync.plan import plan_all, plan_command, plan_some
from mirrord.sync.run import Order, run_sync


class Sync(Operation, frozen=True, kw_only=True):
    """One run now."""

    name: ClassVar[str] = "sync"
    ends_with_its_client: ClassVar[bool] = True

    images: tuple[str, ...] = ()
    """Only these; none is all of the config."""
    adds: bool = False
    """Whether ``images`` are added to the root, whatever the config has."""
    skip_cooldown: bool = False
    allow_deletes: bool = False

    async def perform(self, workshop: Workshop) -> Reply:
        """Run it. Raises ConfigError, HostError; what fails one image is in the report."""
        config = self.config_for(workshop.config)
        plans = await self.plans(config, workshop.store)
        brake = None if self.allow_deletes else Brake(config.delete.max)
        order = Order(plans, self.words, brake, is_whole=not self.images)
        report = await run_sync(config, order, workshop.store, workshop.meters.run, workshop.upstreams)
        if workshop.heard is not None:
            await workshop.heard(report)
        else:
            await write_down_once(workshop.store, workshop.config or config, report)
        return reply_of(report)

    def config_for(self, config: Config | None) -> Config:
        """The config of this run: ``config`` or, of images that are added, all but its images. Raises ConfigError."""
        if not self.adds and config is not None:
            return config
        if not self.images:
            raise ConfigError("nothing to mirror: no config was found; name images, or a config with --config FILE")
        added = config_for(self.images, None)
        return added if config is None else config.model_copy(update={"images": added.images, "groups": ()})

    async def plans(self, config: Config, reader: Reader) -> Sequence[RepositoryPlan]:
        """What is to be done, by `config_for`'s config and what is served. Raises ConfigError, HostError."""
        images = images_of(config)
        if self.skip_cooldown:
            images = without_cooldown(images)
        if self.adds:
            return plan_command(images)
        served = await reader.repositories()
        return plan_some(images, served, self.images) if self.images else plan_all(images, served)


def reply_of(report: Report) -> Reply:
    """A run's report, and what it ends a command with."""
    status = HOST if report.is_host_at_fault else FOUND if report.has_failed else DONE
    return Reply(report.document(), status)

"""One config in force, and what follows from it: a run keeps the one it began with."""

from pathlib import Path
from typing import Self

from msgspec import Struct

from mirrord.config.groups import Group, groups_of
from mirrord.config.images import Image, images_of
from mirrord.config.loader import load
from mirrord.config.model import Config
from mirrord.errors import ConfigError
from mirrord.store.retention import Retention
from mirrord.sync.plan import plan_some


class Setting(Struct, frozen=True):
    """A valid config."""

    path: Path
    config: Config
    images: tuple[Image, ...]
    groups: tuple[Group, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate the config at ``path``, whole. Raises ConfigError."""
        config = load(path)
        return cls(path.absolute(), config, images_of(config), groups_of(config))

    def group(self, name: str) -> Group:
        """The group of that name. Raises ConfigError."""
        for group in self.groups:
            if group.name == name:
                return group
        raise ConfigError(f"there is no group {name}; the config has {', '.join(group.name for group in self.groups)}")

    def meant(self, what: str) -> tuple[str, tuple[str, ...] | None]:
        """The group that a person means: by its name, or by an image of it, then with its repository.

        Raises ConfigError, InvalidReferenceError.
        """
        if what in {group.name for group in self.groups}:
            return what, None
        (plan,) = plan_some(self.images, (), [what])
        if not plan.images:
            raise ConfigError(f"{what} is neither a group nor an image of the config")
        return plan.group, (plan.name,)


def retention_of(config: Config | None) -> Retention:
    """Which snapshots stay, by a config or by default."""
    if config is None:
        return Retention()
    said = config.retention
    return Retention(said.keep_last, said.keep_daily, said.keep_weekly, said.grace)

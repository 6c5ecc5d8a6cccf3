"""The groups of a config: images that are synced together, and when."""

from msgspec import Struct

from mirrord.config.entries import DEFAULT_GROUP
from mirrord.config.model import Config
from mirrord.config.options import merged


class Group(Struct, frozen=True):
    """One group, with all that holds for its runs."""

    name: str
    schedule: str
    jitter: float
    """Seconds."""
    stale_after: float
    """Seconds since its last success after which it counts as stale."""
    together: bool
    """Whether its changes are published all at once, or none of them."""


def groups_of(config: Config) -> tuple[Group, ...]:
    """Every group that has images, the one of images outside ``groups`` first."""
    groups = []
    if config.images:
        options = merged(config.defaults)
        groups.append(Group(DEFAULT_GROUP, options.schedule, options.jitter, options.stale_after, together=False))
    for group in config.groups:
        options = merged(config.defaults, group)
        groups.append(Group(group.name, options.schedule, options.jitter, options.stale_after, together=group.together))
    return tuple(groups)

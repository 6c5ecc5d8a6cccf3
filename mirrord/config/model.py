"""The whole config file as one value: every section, key and default. What it selects is decided in `images`."""

import zoneinfo
from collections.abc import Iterable, Mapping
from typing import Annotated, Self

from pydantic import Field, PrivateAttr, field_validator

from mirrord.config.addresses import HOST, LISTEN, ORIGIN
from mirrord.config.document import shown
from mirrord.config.entries import GroupConfig, ImageConfig
from mirrord.config.options import ImageOptions, Options, Referrers, Resolved, merged
from mirrord.config.registries import RegistryConfig
from mirrord.config.reserve import RESERVE, Reserve
from mirrord.config.rules import TagRule
from mirrord.config.scalars import DURATION, text_like
from mirrord.config.section import ONE_OR_MANY, FilePath, Section, problem_at
from mirrord.config.sections import (
    Delete,
    Limits,
    LogConfig,
    Metrics,
    Notify,
    Retention,
    Serve,
    Verify,
)

__all__ = [
    "Config",
    "GroupConfig",
    "ImageConfig",
    "ImageOptions",
    "Included",
    "Limits",
    "LogConfig",
    "Options",
    "Referrers",
    "RegistryConfig",
    "Reserve",
    "Resolved",
    "TagRule",
    "merged",
]


def _timezone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(str(text))
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        if text != "UTC":  # which needs no file of this host
            raise ValueError(f"{shown(text)} is not a time zone this host knows; write e.g. Europe/Berlin") from None
    return str(text)


def _pattern(text: str) -> str:
    if not text:
        raise ValueError
    return str(text)


TIMEZONE = text_like("a time zone", "e.g. UTC or Europe/Berlin", _timezone)
PATTERN = text_like("a file name or a glob", "e.g. conf.d/*.yaml", _pattern)


class Included(Section):
    """What an included file may hold, and the main file too."""

    registries: dict[Annotated[str, HOST], RegistryConfig] = Field(default_factory=dict)
    """Upstream registries, by the host that images name."""
    images: tuple[ImageConfig, ...] = ()
    """The images of the group "default"."""
    groups: tuple[GroupConfig, ...] = ()
    """Images with a schedule of their own."""

    @field_validator("registries", mode="before")
    @classmethod
    def _one_entry_a_host(cls, written: object) -> object:
        names: dict[str, str] = {}
        for name in written if isinstance(written, Mapping) else ():
            try:
                host = HOST(name)
            except ValueError:
                continue  # said at the key itself
            if host in names:
                raise problem_at(str(name), f'the same registry as "{names[host]}"; keep one of the two')
            names[host] = str(name)
        return written


class Config(Included):
    """Everything the config file says."""

    root: FilePath | None = None
    """The directory of the mirror."""
    public_url: Annotated[str, ORIGIN] | None = None
    """What clients type to reach it."""
    listen: Annotated[str, LISTEN] = "127.0.0.1:5050"
    """Address of the daemon's own HTTP."""
    control: FilePath | None = None
    """The daemon's control socket."""
    include: Annotated[tuple[Annotated[str, PATTERN], ...], ONE_OR_MANY] = ()
    """Files with more images, groups and registries."""
    timezone: Annotated[str, TIMEZONE] = "UTC"
    """Time zone of schedules."""
    publish_every: Annotated[float, DURATION.within(1.0, 86_400.0)] = 300.0
    """How often a long run publishes what is complete."""
    reserve: Annotated[Reserve, RESERVE] = Reserve(share=0.05)
    """Part of the filesystem that is kept free."""
    limits: Limits = Limits()
    """How much is asked at once, and how long waited."""
    defaults: Options = Options()
    """What holds for all images unless a group or image says otherwise."""
    retention: Retention = Retention()
    """Which snapshots stay."""
    delete: Delete = Delete()
    """What becomes of tags that go away."""
    verify: Verify = Verify()
    """When everything is hashed again."""
    serve: Serve = Serve()
    """Who may read the mirror."""
    notify: Annotated[tuple[Notify, ...], ONE_OR_MANY] = ()
    """Webhooks."""
    metrics: Metrics = Metrics()
    """What /metrics holds."""
    log: LogConfig = LogConfig()
    """What is logged."""

    _fingerprint: str = PrivateAttr("")

    @property
    def fingerprint(self) -> str:
        """The SHA-256 (hex) of all that its files say, by which two configs are told apart; empty without files."""
        return self._fingerprint

    def joined(self, included: Iterable[Included], *, fingerprint: str) -> Self:
        """This config with what its included files add."""
        parts: list[Included] = [self, *included]
        whole = self.model_copy(
            update={
                "registries": {host: registry for part in parts for host, registry in part.registries.items()},
                "images": tuple(image for part in parts for image in part.images),
                "groups": tuple(group for part in parts for group in part.groups),
            }
        )
        whole._fingerprint = fingerprint  # noqa: SLF001 - this class's own
        return whole

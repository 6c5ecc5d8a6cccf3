"""The registry that tests of the registry room ask, and clients that don't wait long between attempts."""

from collections.abc import Callable

from mirrord.config.model import Limits, RegistryConfig
from mirrord.demo.upstream import Upstream
from mirrord.oci.reference import Repository
from mirrord.registry.abilities import Abilities
from mirrord.registry.backoff import Backoff
from mirrord.registry.client import Registries

HOST = "registry.test"
"""A name that no DNS has: its ``endpoint`` is where it is connected to."""
APP = Repository(HOST, "team/app")
QUICK = Backoff(0.001, 0.002)

Connect = Callable[..., Registries]
"""``connect(upstream, limits, **keys of the registry's config)``."""


def registries_of(upstream: Upstream, limits: Limits | None = None, **keys: object) -> Registries:
    """A client for which ``upstream`` stands for HOST."""
    config = RegistryConfig.model_validate({"endpoint": (upstream.url,), **keys})
    return Registries({HOST: config}, limits or Limits(), QUICK)


def remembering(upstream: Upstream, abilities: Abilities, host: str = HOST) -> Registries:
    """A client that keeps what it finds out in ``abilities``; ``upstream`` stands for ``host``."""
    config = RegistryConfig.model_validate({"endpoint": (upstream.url,)})
    return Registries({host: config}, Limits(attempts=2), QUICK, abilities)

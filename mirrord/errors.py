"""Every error mirrord raises: one class a decision the caller can make, and whose move it is."""

from enum import StrEnum
from typing import ClassVar


class Owner(StrEnum):
    """Who can mend an error: its first word in logs, reports and the status page."""

    UPSTREAM = "upstream"
    NETWORK = "network"
    CONFIG = "config"
    HOST = "host"


class MirrordError(Exception):
    """Something failed. The message says what, on what, what was expected and what to do; it never holds a secret."""

    owner: ClassVar[Owner]


class ConfigError(MirrordError):
    """The config, the command line or a credential is wrong: a person edits it (exit status 2 at the top)."""

    owner = Owner.CONFIG


class HostError(MirrordError):
    """This host is at fault: disk, lock, permissions, not a root (exit status 3 at the top)."""

    owner = Owner.HOST


class UpstreamError(MirrordError):
    """The upstream registry answered, and the answer is unusable."""

    owner = Owner.UPSTREAM


class NotFoundError(UpstreamError):
    """The upstream does not have what was asked for."""


class DeferredError(UpstreamError):
    """The upstream asks to wait longer than a run may: the image is left for the next run, and has not failed."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds
        """How long the upstream asked to wait, from now."""


class NetworkError(MirrordError):
    """No usable connection: DNS, refused, reset, timeout, TLS."""

    owner = Owner.NETWORK


class BrakeError(ConfigError):
    """A publication would drop too many tags at once: it does not happen until a person says that it is meant."""


class BlockedError(ConfigError):
    """An operator keeps this out of what is served: it is not fetched, and has not failed."""


class AccessError(ConfigError):
    """The upstream refused the credentials, or wants some: the config's move, and it fails one image, not the run."""


class InvalidReferenceError(ConfigError):
    """A name, tag or reference that the grammar does not allow."""


class InvalidPlatformError(ConfigError):
    """A platform that is not ``os/architecture[/variant]``."""


class InvalidDigestError(UpstreamError):
    """A text that is not a whole, lower-case, known digest."""


class InvalidManifestError(UpstreamError):
    """A manifest that is not one of the four kinds, or contradicts itself."""


class DigestMismatchError(UpstreamError):
    """Bytes that do not hash to the digest they were asked for by, or are not as long as it was said."""

"""The small sections of the config: limits, upkeep, what is served and said. Keys and defaults, no behaviour."""

from typing import Annotated, Literal

from pydantic import SecretStr

from mirrord.config.addresses import NETWORK, parse_url
from mirrord.config.scalars import (
    BOOLEAN,
    COUNT_OR_NONE,
    DURATION,
    FREQUENCY,
    INTEGER,
    PERCENT,
    RATE,
    SIZE,
)
from mirrord.config.schedule import SCHEDULE
from mirrord.config.section import ONE_OR_MANY, FilePath, Section, secret
from mirrord.oci.manifest import MAX_MANIFEST_SIZE

DAY = 86_400.0
_MANY = 100_000
NOTIFY_URL = secret("a URL", "http://… or https://…", parse_url)


class Limits(Section):
    """How much one mirror asks of upstreams and of this host, all registries together."""

    concurrency: Annotated[int, INTEGER.within(1, 1024)] = 16
    """Requests under way at once, all registries together."""
    bandwidth: Annotated[int | None, RATE] = None
    """Bytes a second that all downloads together may take."""
    manifest_size: Annotated[int, SIZE.within(64 << 10, MAX_MANIFEST_SIZE)] = MAX_MANIFEST_SIZE
    """Largest manifest that is accepted."""
    connect_timeout: Annotated[float, DURATION.within(0.1, 600.0)] = 10.0
    """How long a connection may take to stand."""
    read_timeout: Annotated[float, DURATION.within(0.1, 3600.0)] = 60.0
    """How long an upstream may send nothing."""
    attempts: Annotated[int, INTEGER.within(1, 100)] = 5
    """How often a request is tried in all."""
    max_wait: Annotated[float, DURATION.within(0.0, 7 * DAY)] = 600.0
    """Longest wait an upstream may ask for; beyond it, the image is left for the next run."""
    redirects: Annotated[int, INTEGER.within(0, 50)] = 5
    """Redirects that one request may follow."""
    min_rate: Annotated[int | None, RATE] = 1 << 10
    """Bytes a second below which, over a minute, a transfer is ended and tried again."""


class Retention(Section):
    """Which snapshots stay."""

    schedule: Annotated[str, SCHEDULE] = "@daily"
    """When the daemon collects what nothing needs any more; it does so after publications, too."""
    keep_last: Annotated[int, INTEGER.within(1, _MANY)] = 10
    """The newest snapshots that stay, however old."""
    keep_daily: Annotated[int, INTEGER.within(0, _MANY)] = 7
    """Days of which the last snapshot stays."""
    keep_weekly: Annotated[int, INTEGER.within(0, _MANY)] = 4
    """Weeks of which the last snapshot stays."""
    grace: Annotated[float, DURATION.within(60.0, 3650 * DAY)] = DAY
    """How long content outlives the snapshot that named it."""


class Delete(Section):
    """What happens to a tag that its upstream no longer has, and the brake on publications that drop many."""

    upstream: Literal["keep", "remove"] = "keep"
    """Whether a tag stays that its upstream deleted."""
    max: Annotated[float, PERCENT] = 0.25
    """Largest share of the tags held that one publication may drop."""


class Verify(Section):
    """The scrub: when everything is hashed again, and how fast."""

    schedule: Annotated[str, SCHEDULE] = "@weekly"
    """When everything held is hashed again."""
    rate: Annotated[int | None, RATE] = 100_000_000
    """Bytes a second it reads at most."""


class Tls(Section):
    """What nginx proves its name with."""

    certificate: FilePath
    """The certificate chain, PEM."""
    key: FilePath
    """Its private key, PEM."""


class Serve(Section):
    """Who may read the mirror, and how much."""

    tls: Tls | None = None
    """Certificate and key, for https."""
    htpasswd: FilePath | None = None
    """File of the users that may read."""
    allow: Annotated[tuple[Annotated[str, NETWORK], ...], ONE_OR_MANY] = ()
    """Networks that may read; none is all."""
    requests_per_second: Annotated[float | None, FREQUENCY] = None
    """Requests a second that one client may make."""
    connections: Annotated[int | None, COUNT_OR_NONE] = None
    """Connections that one client may hold."""
    status: Annotated[bool, BOOLEAN] = True
    """Whether the status files are served."""


NotifyEvent = Literal["failed", "stale", "recovered", "changed"]


class Notify(Section):
    """One webhook."""

    url: Annotated[SecretStr, NOTIFY_URL]
    """Where the webhook is sent; never shown, for it may hold a secret."""
    on: Annotated[tuple[NotifyEvent, ...], ONE_OR_MANY] = ("failed", "stale", "recovered", "changed")
    """What it is sent for."""
    secret_file: FilePath | None = None
    """File with the key that signs its body."""


class Metrics(Section):
    """What /metrics holds."""

    per_repository: Annotated[bool, BOOLEAN] = True
    """Whether there are series for each repository."""


class LogConfig(Section):
    """What is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important events that are logged."""
    format: Literal["auto", "console", "json"] = "auto"
    """How they look; auto is console on a terminal, JSON lines elsewhere."""

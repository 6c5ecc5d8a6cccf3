"""The public documents below ``status/`` that runs write, as types: their JSON Schemas are made of them.

What a key means is said once, here: `scripts/reference` carries it into docs/reference/*.schema.json.
"""

from datetime import datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from mirrord.errors import Owner
from mirrord.sync.outcome import Status

Moment = Annotated[str, datetime]
"""A time as ISO 8601 has it, in UTC."""
Whose = Annotated[str, Owner]
State = Annotated[str, Status]


class TroubleDocument(TypedDict):
    """What went wrong with an image."""

    owner: Whose
    """Whose move it is."""
    text: str
    """What failed, on what, and what to do."""
    since: Moment
    """When it was first met without a success in between."""
    retry: Moment | None
    """When the upstream said that it may be asked again."""


class ImageDocument(TypedDict):
    """How one image stands."""

    group: str
    """Its group."""
    stale_after: float
    """Seconds since `succeeded` after which it is stale."""
    digest: str | None
    """What is served; null where nothing is."""
    checked: Moment | None
    """When its upstream was last asked."""
    succeeded: Moment | None
    """When it was last known to be as its upstream has it."""
    changed: Moment | None
    """When its digest last became another."""
    state: State
    """What became of it in its last run."""
    note: str
    """What else is to be said of that."""
    error: TroubleDocument | None
    """What is wrong with it; null where nothing is."""


class UpstreamDocument(TypedDict):
    """The pulls that an upstream last said are left."""

    remaining: int
    """Pulls left, as it last said."""
    limit: int
    """Pulls within a window."""
    window_seconds: int
    """Seconds within which that many may be made."""
    seen: Moment
    """When it said so."""
    resumes: Moment | None
    """By when at the latest manifests are asked for again; null where they are not held back."""


class DiskDocument(TypedDict):
    """The filesystem of the root, in bytes."""

    total: int
    """Its size."""
    free: int
    """What is free."""
    reserve: int
    """What is kept free."""


class GroupDocument(TypedDict):
    """How one group runs; what only a daemon knows stands there when one was running."""

    schedule: str
    """When it runs: a cron line or an interval."""
    stale_after: float
    """Seconds without a success after which its images are stale."""
    together: bool
    """Whether it is published as a whole or not at all."""
    begun: NotRequired[Moment | None]
    """When its last whole run began."""
    ended: NotRequired[Moment | None]
    """When that ended."""
    succeeded: NotRequired[Moment | None]
    """When a run last left every image right."""
    failures: NotRequired[int]
    """Runs in a row in which something failed."""
    next: NotRequired[Moment | None]
    """When its next run comes."""
    next_is_retry: NotRequired[bool]
    """Whether that is for what failed alone."""


class StatusDocument(TypedDict):
    """status.json: how fresh every image is, and whose move it is where it is not."""

    schema: Literal["mirrord.status/1"]
    """New keys may come within it; a key that changes its meaning makes a /2."""
    version: str
    """The version of mirrord that wrote it."""
    written: Moment
    """When it was written."""
    snapshot: str | None
    """The one that is served; null before the first."""
    config: str
    """SHA-256 of the config's files that are in force."""
    public_url: str | None
    """The address that the config says clients type."""
    config_error: str | None
    """Why the config that lies there is not in force; null where it is."""
    disk: DiskDocument
    """The root's filesystem."""
    upstreams: dict[str, UpstreamDocument]
    """By host, the pulls left at the upstreams that count them."""
    groups: dict[str, GroupDocument]
    """By name."""
    images: dict[str, ImageDocument]
    """By name: a tag, a digest, or an entry of the config whose tags could not be found out."""


class ProblemDocument(TypedDict):
    """Why complete images could not be published."""

    owner: Whose
    """Whose move it is."""
    text: str
    """What failed, on what, and what to do."""


class RunDocument(TypedDict):
    """One line of runs.jsonl: one run."""

    run: str
    """Its name in the log (`run_id`)."""
    group: str
    """Its groups, with commas between."""
    begun: Moment
    """When it began."""
    ended: Moment
    """When it ended."""
    seconds: float
    """How long it took."""
    counts: dict[State, int]
    """Images by what became of them."""
    failed_by_owner: dict[Whose, int]
    """Failed and deferred images by whose move it is."""
    snapshots: list[str]
    """What it published, in order."""
    requests: int
    """Requests to upstreams."""
    bytes_fetched: int
    """Bytes of blobs fetched."""
    blobs_fetched: int
    """Blobs fetched."""
    bytes_linked: int
    """Bytes of blobs that were here already."""
    pulls_left: NotRequired[dict[str, int]]
    """By host, the pulls left as the upstreams that count them said in this run; lines of older versions lack it."""
    problem: ProblemDocument | None
    """Why complete images could not be published; null where they were."""
    held: str | None
    """The rollback that holds complete images back; null where none does."""

"""Writing down what a run came to, for whoever looks: ``status/status.json`` and ``status/runs.jsonl``."""

import contextlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mirrord import __version__
from mirrord.config.groups import Group, groups_of
from mirrord.config.images import images_of
from mirrord.config.model import Config
from mirrord.errors import HostError
from mirrord.events import get_logger
from mirrord.store.layout import Layout
from mirrord.store.public import read_public, write_public, write_public_pieces
from mirrord.store.reading import parsing
from mirrord.store.snapshot import served_name
from mirrord.store.store import Store
from mirrord.store.tell import tell_published
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.merge import merged, status_after
from mirrord.sync.notes import load_abilities
from mirrord.sync.outcome import Report
from mirrord.sync.status import (
    MirrorStatus,
    UpstreamStatus,
    Wanted,
    encoded_image,
    encoded_pieces,
    run_line,
    with_line,
)
from mirrord.sync.status_file import STATUS, StatusFile
from mirrord.sync.status_stream import StatusStream, open_status

RUNS = "runs.jsonl"
_DEFAULT_STALE = 172_800.0

_MERGING = threading.Lock()
_FILE = StatusFile()
"""Used under that lock."""

_log = get_logger()


class Known(Struct, frozen=True):
    """What only whoever keeps running knows."""

    groups: Mapping[str, Mapping[str, object]]
    """Of each group's runs, by its name."""
    config_error: str | None
    """Why the config as it lies there is not the one in force."""


class Told(Struct, frozen=True):
    """The status before and after a run: what became another is news."""

    before: MirrorStatus
    after: MirrorStatus


async def write_down(store: Store, config: Config, report: Report, known: Known | None = None) -> Told:
    """Merge ``report`` into the status files; without ``known``, what was known of groups stays.

    A failure is told in the log: what is served is not touched by it.
    """
    told = await store.run(lambda: _merge(store.layout, config, report, known, store.now()))
    await tell_published(store)
    return told


async def write_down_once(store: Store, config: Config, report: Report) -> None:
    """The same for a run after which this process ends: nothing of the status is kept, nor ever in memory whole."""
    await store.run(lambda: _merge_by_pieces(store.layout, config, report, store.now()))
    await tell_published(store)


async def tell(store: Store, config: Config, known: Known) -> None:
    """Say in the status what is known now, without a run. A failure is told in the log."""
    await store.run(lambda: _merge(store.layout, config, None, known, store.now()))


def _merge(layout: Layout, config: Config, report: Report | None, known: Known | None, now: datetime) -> Told:
    """Read, merge and write in one go: of two runs that end together, none may lose what the other wrote."""
    with _MERGING:
        before = _status(layout)
        after = before if report is None else status_after(before, report, _wanted(report.plans), now)
        after = replace(after, upstreams=_upstreams(layout, config))
        try:
            _write_status(layout, config, after, known, now)
            if report is not None:
                _add_run(layout, report, now)
        except HostError as error:
            _log.warning("status.not_saved", owner=str(error.owner), error=str(error))
        return Told(before, after)


def _merge_by_pieces(layout: Layout, config: Config, report: Report, now: datetime) -> None:
    with _MERGING:
        try:
            try:
                with open_status(layout) as before:
                    _write_by_pieces(layout, config, report, now, before)
            except HostError:  # it is none of ours, or out of order: as far as it can be read at all, then
                status = _status(layout)
                before = StatusStream(status.groups, iter(sorted(status.images.items())))
                _write_by_pieces(layout, config, report, now, before)
            _add_run(layout, report, now)
        except HostError as error:
            _log.warning("status.not_saved", owner=str(error.owner), error=str(error))


def _write_by_pieces(layout: Layout, config: Config, report: Report, now: datetime, before: StatusStream) -> None:
    known = Known(before.groups, None)
    head = _about(layout, config, known, now) | _beside(config, known, _upstreams(layout, config))
    after = merged(before.images, report, _wanted(report.plans), now)
    write_public_pieces(layout, STATUS, encoded_pieces(head, ((name, encoded_image(image)) for name, image in after)))


def _upstreams(layout: Layout, config: Config) -> dict[str, UpstreamStatus]:
    """What the config's upstreams last said of their pulls; of others a command may have asked there is no end."""
    found = load_abilities(layout).pulls
    hosts = {image.repository.host for image in images_of(config)} | set(config.registries) if found else set()
    return {host: UpstreamStatus.of(pulls) for host, pulls in found.items() if host in hosts}


def _write_status(layout: Layout, config: Config, status: MirrorStatus, known: Known | None, now: datetime) -> None:
    known = known or Known(status.groups, None)
    beside = _beside(config, known, status.upstreams)
    _FILE.write(layout, status, beside["groups"], _about(layout, config, known, now) | beside)


def _beside(
    config: Config, known: Known, upstreams: Mapping[str, UpstreamStatus]
) -> dict[str, Mapping[str, Mapping[str, object]]]:
    """What stands of groups and upstreams beside the images."""
    groups = {group.name: _group(group) | dict(known.groups.get(group.name, {})) for group in groups_of(config)}
    told = {host: each.document() for host, each in sorted(upstreams.items())}
    return {"upstreams": told, "groups": groups}


def _add_run(layout: Layout, report: Report, now: datetime) -> None:
    begun = now - timedelta(seconds=report.seconds)
    names = sorted({plan.group for plan in report.plans if plan.group})
    line = run_line(report, ",".join(names), begun, now)
    write_public(layout, RUNS, with_line(_runs(layout), line))


def read_document(layout: Layout) -> Any:  # noqa: ANN401 - JSON
    """All that ``status.json`` says; None where nothing was written yet. Raises HostError for what is none of ours."""
    content = read_public(layout, STATUS)
    if content is None:
        return None
    with parsing(layout.status / STATUS):
        MirrorStatus.decode(content)
        return json.loads(content)


def read_status(layout: Layout) -> MirrorStatus:
    """The status as last written; an empty one where there is none, or it can't be read: the next runs fill it."""
    with _MERGING:
        return _status(layout)


def _status(layout: Layout) -> MirrorStatus:
    with contextlib.suppress(HostError):
        return _FILE.read(layout) or MirrorStatus()
    return MirrorStatus()


def _runs(layout: Layout) -> bytes:
    try:
        return read_public(layout, RUNS) or b""
    except HostError:
        return b""


def _wanted(plans: Sequence[RepositoryPlan]) -> Wanted:
    return Wanted(
        {plan.name: plan.group for plan in plans},
        {plan.name: min((image.stale_after for image in plan.images), default=_DEFAULT_STALE) for plan in plans},
        frozenset(plan.name for plan in plans if plan.may_drop and plan.only is None),
    )


def _about(layout: Layout, config: Config, known: Known, now: datetime) -> dict[str, object]:
    disk = os.statvfs(layout.root)
    return {
        "version": __version__,
        "written": now.isoformat(timespec="seconds"),
        "snapshot": served_name(layout),
        "config": config.fingerprint,
        "public_url": config.public_url,
        "config_error": known.config_error,
        "disk": {
            "total": disk.f_blocks * disk.f_frsize,
            "free": disk.f_bavail * disk.f_frsize,
            "reserve": config.reserve.bytes_of(disk.f_blocks * disk.f_frsize),
        },
    }


def _group(group: Group) -> dict[str, object]:
    return {"schedule": group.schedule, "stale_after": group.stale_after, "together": group.together}

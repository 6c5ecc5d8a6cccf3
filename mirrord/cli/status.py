"""`mirrord status`: how fresh the mirror is, what is wrong, and whose move it is."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirrord.cli.app import FOUND, app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.sync.status import ImageStatus

_SHOWN = 50
"""Images of a kind; the rest is counted."""


@command(app, "status")
def status(
    invocation: Invocation,
    *,
    check: Annotated[bool, typer.Option("--check", help="Exit status 1 where an image is stale.")] = False,
) -> None:
    """Show how fresh each group is, and each image that is stale or failing, with whose move it is."""
    from mirrord.cli.setting import config_of, root_of, syncing
    from mirrord.errors import ConfigError
    from mirrord.service.remote import find_daemon
    from mirrord.store.tree import Tree
    from mirrord.sync.journal import read_document
    from mirrord.sync.status import ImageStatus
    from mirrord.sync.status_file import STATUS

    config = config_of(invocation)
    layout = Tree.at(root_of(invocation, config)).layout
    document = read_document(layout)
    if document is None:
        begin = syncing(invocation, config)
        raise ConfigError(f"{layout.status / STATUS} does not tell of any run yet; begin with: {begin}")
    now = datetime.now(UTC)
    images = {name: ImageStatus.read(image) for name, image in document["images"].items()}
    stale = [name for name, image in images.items() if image.is_stale(now)]
    daemon = find_daemon(layout.root, config.control if config else None)
    progress = daemon.progress() if daemon else None
    if invocation.json:
        found = {name: {**each.document(), "stale": each.is_stale(now)} for name, each in images.items()}
        invocation.print_json("status", {**document, "images": found, "stale": len(stale), "daemon": progress})
    else:
        _print(document, images, stale, progress, now, verbosity=invocation.verbosity)
    if check and stale:
        raise typer.Exit(FOUND)


def _print(
    document: Mapping[str, Any],
    images: "Mapping[str, ImageStatus]",
    stale: list[str],
    progress: Mapping[str, Any] | None,
    now: datetime,
    *,
    verbosity: int,
) -> None:
    from rich.table import Table

    from mirrord.cli.words import console, count, plain, size

    failing = [name for name, image in images.items() if image.trouble is not None]
    table = Table(box=None, pad_edge=False)
    for column in ("group", "images", "stale", "failing", "last run right", "next run"):
        table.add_column(column, justify="right" if column in {"images", "stale", "failing"} else "left")
    for name, group in document["groups"].items():
        own = [image for image in images.values() if image.group == name]
        counts = (len(own), sum(each.is_stale(now) for each in own), sum(each.trouble is not None for each in own))
        running = progress is not None and name in progress["runs"]
        coming = "now" if running else _moment(group.get("next") if progress else None, now)
        table.add_row(name, *map(str, counts), _moment(group.get("succeeded"), now), coming)
    console().print(table)
    lines = []
    for name, run in (progress["runs"] if progress else {}).items():
        done = f"{run['images_done']} of {count(run['images_found'], 'image')}"
        lines.append(f"running    {name}: {done}, {size(run['bytes_fetched'])} of {size(run['bytes_expected'])}")
    for name in [*failing[:_SHOWN], *([] if verbosity < 1 else failing[_SHOWN:])]:
        trouble = images[name].trouble
        if trouble is not None:
            lines.append(f"failing    {name}  since {_moment(trouble.since, now)}")
            lines.append(f"           {trouble.owner}: {trouble.text}")
    if len(failing) > _SHOWN and verbosity < 1:
        lines.append(f"failing    … and {len(failing) - _SHOWN} more")
    quiet = [name for name in stale if images[name].trouble is None]
    lines += [f"stale      {name}  last right {_moment(images[name].succeeded, now)}" for name in quiet[:_SHOWN]]
    if len(quiet) > _SHOWN:
        lines.append(f"stale      … and {len(quiet) - _SHOWN} more")
    lines += [_pulls(host, upstream, now) for host, upstream in document.get("upstreams", {}).items()]
    if document.get("config_error"):
        lines.append(f"config     an older one is in force: {document['config_error']}")
    if progress and progress["paused"]:
        lines.append("paused     no scheduled run begins until: mirrord resume")
    fresh = f"{len(images) - len(stale)} fresh, {len(stale)} stale, {len(failing)} failing"
    words = f"{count(len(images), 'image')}: {fresh}. Serving {document['snapshot'] or 'nothing yet'}. "
    lines.append(words + ("A daemon keeps it fresh." if progress else "No daemon runs."))
    sys.stdout.write("".join(f"{plain(line)}\n" for line in lines))


def _pulls(host: str, told: Mapping[str, Any], now: datetime) -> str:
    """What an upstream that counts pulls last said of them."""
    from mirrord.cli.words import duration
    from mirrord.sync.status import UpstreamStatus

    upstream = UpstreamStatus(**told)
    seen = _moment(upstream.seen, now)
    if upstream.is_over(now):
        return f"pulls      {host}  all {upstream.limit} are back: {upstream.remaining} were left {seen}"
    held = f"; manifests wait for more, all are back {_moment(upstream.resumes, now)}" if upstream.resumes else ""
    window = duration(upstream.window_seconds)
    return f"pulls      {host}  {upstream.remaining} of {upstream.limit} in {window} are left, as it said {seen}{held}"


def _moment(text: str | None, now: datetime) -> str:
    """A time as people say it: how long ago, or in how long."""
    from mirrord.cli.words import duration

    if text is None:
        return "never"
    seconds = (datetime.fromisoformat(text) - now).total_seconds()
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"

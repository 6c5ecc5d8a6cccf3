"""A run's report for people: a line for each image that changed or failed, then one line for the whole."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, TextIO

from mirrord.cli.words import count, duration, size
from mirrord.sync.outcome import Status

_SHOWN = 200
"""Lines of one status; the rest is counted."""
_SHORT = 12
_ORDER = (
    Status.ADDED,
    Status.UPDATED,
    Status.COMPLETED,
    Status.REMOVED,
    Status.KEPT,
    Status.UNCHANGED,
    Status.BLOCKED,
    Status.DEFERRED,
    Status.FAILED,
)


def print_report(report: Mapping[str, Any], out: TextIO, verbosity: int) -> None:
    """Write a report's document: unchanged images only with -v, nothing but what went wrong with -q."""
    counts: Counter[str] = Counter()
    shown: dict[str, list[str]] = {}
    for image in report["images"]:
        counts[image["status"]] += 1
        if counts[image["status"]] <= _SHOWN:
            shown.setdefault(image["status"], []).append(_line(image) + "\n")
    for status in _ORDER:
        if status is Status.UNCHANGED and verbosity < 1:
            continue
        if verbosity < 0 and status is not Status.FAILED:
            continue
        out.writelines(shown.get(status, ()))
        if counts[status] > _SHOWN:
            out.write(f"{status:<10} … and {counts[status] - _SHOWN} more\n")
    if (problem := report["problem"]) is not None:
        out.write(f"{problem['owner']}: what is complete could not be published: {problem['error']}\n")
    if report["held"]:
        out.write(f"held       {report['held']}\n")
    if verbosity >= 0:
        out.write(_summary(report) + "\n")


def _line(image: Mapping[str, Any]) -> str:
    line = f"{image['status']:<10} {image['name']}"
    if "error" in image:
        return f"{line}\n           {image['owner']}: {image['error']}"
    digest, previous = image.get("digest"), image.get("previous")
    if image["status"] == Status.UPDATED and previous and digest:
        line += f"  {short(previous)} → {short(digest)}"
    elif digest and "@" not in image["name"]:
        line += f"  {short(digest)}"
    return f"{line}  ({image['warning']})" if "warning" in image else line


def short(digest: str) -> str:
    """The beginning of a digest's hash."""
    return digest.partition(":")[2][:_SHORT]


def _summary(report: Mapping[str, Any]) -> str:
    counts = report["counts"]
    parts = ", ".join(f"{counts[status]} {status}" for status in _ORDER if counts.get(status)) or "nothing selected"
    words = f"{count(len(report['images']), 'image')}: {parts}. "
    if report["dry_run"]:
        return words + f"Dry run: {count(report['requests'], 'request')}, nothing written."
    words += f"Fetched {size(report['bytes_fetched'])} in {count(report['requests'], 'request')}"
    if report["bytes_linked"]:
        words += f", found {size(report['bytes_linked'])} here already"
    words += f", {duration(report['seconds'])}. "
    if report["snapshots"]:
        return words + f"Published {', '.join(report['snapshots'])}."
    has_failed = report["problem"] is not None or counts.get(Status.FAILED)
    return words + (
        "Nothing was published." if has_failed or report["held"] else "Nothing to publish: it is what is served."
    )

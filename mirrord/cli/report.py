"""A run's report for people: a line for each image that changed or failed, then one line for the whole."""

from typing import TextIO

from mirrord.cli.words import count, duration, size
from mirrord.sync.outcome import Outcome, Report, Status

_SHOWN = 200
"""Lines of one status; the rest is counted."""
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


def print_report(report: Report, out: TextIO, verbosity: int) -> None:
    """Write ``report``: unchanged images only with -v, nothing but what went wrong with -q."""
    for status in _ORDER:
        of_status = [outcome for outcome in report.outcomes if outcome.status is status]
        if status is Status.UNCHANGED and verbosity < 1:
            continue
        if verbosity < 0 and status is not Status.FAILED:
            continue
        out.writelines(_line(outcome) + "\n" for outcome in of_status[:_SHOWN])
        if len(of_status) > _SHOWN:
            out.write(f"{status:<10} … and {len(of_status) - _SHOWN} more\n")
    if report.problem is not None:
        out.write(f"{report.problem.owner}: what is complete could not be published: {report.problem}\n")
    if report.held:
        out.write(f"held       {report.held}\n")
    if verbosity >= 0:
        out.write(_summary(report) + "\n")


def _line(outcome: Outcome) -> str:
    line = f"{outcome.status:<10} {outcome.name}"
    if outcome.error is not None:
        return f"{line}\n           {outcome.error.owner}: {outcome.error}"
    if outcome.status is Status.UPDATED and outcome.previous and outcome.digest:
        line += f"  {outcome.previous.hex[:12]} → {outcome.digest.hex[:12]}"
    elif outcome.digest and "@" not in outcome.name:
        line += f"  {outcome.digest.hex[:12]}"
    return f"{line}  ({outcome.warning})" if outcome.warning else line


def _summary(report: Report) -> str:
    counts = report.counts
    parts = ", ".join(f"{counts[status]} {status}" for status in _ORDER if counts[status]) or "nothing selected"
    done = report.progress
    words = f"{count(len(report.outcomes), 'image')}: {parts}. "
    if report.dry:
        return words + f"Dry run: {count(report.requests, 'request')}, nothing written."
    words += f"Fetched {size(done.bytes_fetched)} in {count(report.requests, 'request')}"
    if done.bytes_linked:
        words += f", found {size(done.bytes_linked)} here already"
    words += f", {duration(report.seconds)}. "
    if report.snapshots:
        return words + f"Published {', '.join(report.snapshots)}."
    return words + (
        "Nothing was published." if report.has_failed or report.held else "Nothing to publish: it is what is served."
    )

"""`mirrord reload`, `trigger`, `pause`, `resume` and `cancel`: what is said to the daemon that holds the root."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.service.remote import Daemon


@command(app)
def reload(invocation: Invocation) -> None:
    """Have the daemon read its config again, and wait for that.

    Exit status: 0 it is in force; 2 it is wrong: each error has its line, and the config of before stays in force; 3 no
    daemon runs. Runs under way end by the config they began with.
    """
    from mirrord.cli.words import count

    done: Mapping[str, Any] = _to_reload(invocation).ask("reload").document
    words = f"{done['config']} is in force: {count(done['images'], 'image')} in {count(done['groups'], 'group')}."
    if done["restart_for"]:
        words += f"\nWhat changed of {', '.join(done['restart_for'])} waits for a restart."
    invocation.answer("reload", done, words)


@command(app)
def trigger(
    invocation: Invocation,
    *,
    what: Annotated[
        str | None, typer.Argument(metavar="[GROUP|IMAGE]", help="A group, or the one an image is in. None: all.")
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until the runs have ended.")] = False,
) -> None:
    """Have the daemon run a group now, out of turn, and wait for what comes of it. Ctrl-C only ends the waiting.

    Exit status as of `sync`.
    """
    from mirrord.cli.report import print_report

    reply = _daemon(invocation).ask("trigger", {"what": what, "wait": not no_wait})
    done: Mapping[str, Any] = reply.document
    if invocation.json:
        invocation.print_json("trigger", done)
    elif no_wait:
        sys.stdout.write(f"Begun, or next in turn: {', '.join(done['triggered'])}.\n")
    else:
        for group, report in done["runs"].items():
            if len(done["runs"]) > 1:
                sys.stdout.write(f"Group {group}:\n")
            if report is None:
                sys.stdout.write(f"The run of {group} ended early; the daemon's log says why.\n")
            else:
                print_report(report, sys.stdout, invocation.verbosity)
    raise typer.Exit(reply.status)


@command(app)
def pause(invocation: Invocation) -> None:
    """Have the daemon begin no scheduled runs until `resume`. What is under way goes on, and so do commands."""
    done = _daemon(invocation).ask("pause").document
    invocation.answer("pause", done, "Paused: no scheduled run begins until: mirrord resume")


@command(app)
def resume(invocation: Invocation) -> None:
    """Have the daemon begin scheduled runs again: what came due meanwhile begins now."""
    done = _daemon(invocation).ask("resume").document
    invocation.answer("resume", done, "Scheduled runs begin again.")


@command(app)
def cancel(
    invocation: Invocation,
    *,
    group: Annotated[str | None, typer.Argument(metavar="[GROUP]", help="None: all that is under way.")] = None,
) -> None:
    """Have the daemon give up the runs under way. Partial downloads stay, and what was published is served."""
    done: Mapping[str, Any] = _daemon(invocation).ask("cancel", {"group": group}).document
    invocation.answer("cancel", done, f"Given up: {', '.join(done['cancelled']) or 'nothing was under way'}.")


def _daemon(invocation: Invocation) -> "Daemon":
    """The daemon that holds the root. Raises ConfigError, HostError where there is none."""
    from mirrord.cli.running import Mirror
    from mirrord.errors import HostError
    from mirrord.service.place import places
    from mirrord.service.remote import closed_place

    mirror = Mirror.of(invocation)
    if mirror.daemon is not None:
        return mirror.daemon
    if (why := closed_place(mirror.root, mirror.control)) is not None:
        raise HostError(f"the daemon of {mirror.root} can't be asked: {why}")
    tried = ", ".join(map(str, places(mirror.root, mirror.control)))
    raise HostError(
        f"no daemon holds {mirror.root}: nobody answers at {tried}; start it with `mirrord run`, or: "
        "systemctl start mirrord"
    )


def _to_reload(invocation: Invocation) -> "Daemon":
    """The daemon that is to read its config again, which may be too wrong to say where that daemon is.

    Then it is asked all the same, and tells what is wrong, if `--root` or the service's own environment leads to it.
    """
    from mirrord.cli.running import Mirror
    from mirrord.errors import ConfigError
    from mirrord.service.remote import find_daemon

    try:
        mirror = Mirror.of(invocation)
    except ConfigError:
        daemon = find_daemon(invocation.root, None)
        if daemon is None:
            raise
        return daemon
    daemon = find_daemon(mirror.root, mirror.control) or find_daemon(invocation.root, mirror.control)
    return daemon or _daemon(invocation)

"""`mirrord verify`: everything hashed again; with --repair, what is wrong mended or fetched again."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mirrord.cli.running import Mirror
    from mirrord.service.operation import Reply
    from mirrord.store.verify_pace import Pacer

_SHOWN = 200
"""Findings shown; the rest is counted."""
_NAMES = 5


@command(app, "verify")
def verify(
    invocation: Invocation,
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is wrong; fetch again what is lost.")] = False,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="RATE", help="Read at most this, e.g. 50MB/s; none: all there is.")
    ] = None,
) -> None:
    """Hash everything again and check that the mirror holds all it names, at a bounded rate, beside readers and syncs.

    Without --repair nothing is written and no lock taken. Exit status: 0 nothing is wrong (any more); 1 damage; 3 this
    host is at fault.
    """
    from mirrord.cli.progress import verification_bar
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.config.model import Config
    from mirrord.service.operations.verify import VerifyAndRepair, pacer_of

    mirror = Mirror.existing(invocation)
    pacer = pacer_of(rate, mirror.config or Config())
    if repair:
        reply = carry_out(mirror, VerifyAndRepair(words=typed(), rate=rate), verification_bar)
    else:
        reply = _look(mirror, pacer)
    if invocation.json:
        invocation.print_json("verify", reply.document)
    else:
        sys.stdout.write(_told(reply.document, invocation.verbosity))
    raise typer.Exit(reply.status)


def _look(mirror: "Mirror", pacer: "Pacer") -> "Reply":
    """Verify from this process: nothing is written, and no lock needed."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from mirrord.cli.progress import verification_bar
    from mirrord.cli.running import refreshing, set_up_log, shown
    from mirrord.config.model import Config
    from mirrord.service.operation import Meters
    from mirrord.service.operations.verify import repaired
    from mirrord.store.reader import Reader
    from mirrord.store.verify import verify as verify_root
    from mirrord.sync.repair import Repair

    set_up_log(mirror.config or Config(), mirror.invocation)
    meters = Meters()

    async def look() -> "Reply":
        async with refreshing(update):
            with ThreadPoolExecutor(1, "verify") as threads:
                found = await verify_root(Reader(mirror.layout, threads), pacer, meters.verification)
                return repaired(Repair(found, found.findings, ()), repair=False)

    with shown(mirror.invocation, verification_bar, meters) as update:
        return asyncio.run(look())


def _told(done: "Mapping[str, Any]", verbosity: int) -> str:
    from mirrord.cli.words import count, duration, plain, size

    lines: list[str] = []
    repair, mended, left, more = done["repair"], done["mended"], done["damages"], done["more"]
    if verbosity >= 0:
        lines += _lines(mended, "mended   ")
    lines += _lines(left, "")
    lines += [f"{problem['owner']}: {problem['name']}: {problem['error']}" for problem in done["problems"][:_SHOWN]]
    if more:
        lines.append(f"… and {more} more: there are too many to keep; repair these, then verify again")
    seconds, unlinked = done["seconds"], done["unlinked"]
    speed = f"{size(done['bytes'] / seconds)}/s" if seconds else "at once"
    words = f"Verified {count(done['files'], 'file')}, {size(done['bytes'])} in {duration(seconds)} ({speed}). "
    if unlinked["files"]:
        words += f"{count(unlinked['files'], 'file')} ({size(unlinked['bytes'])}) no repository has, within the grace. "
    if repair and mended:
        words += f"Mended {len(mended)}; servers may keep a wrong file open for another minute. "
    if left:
        words += f"{count(len(left) + more, 'damage')}. " + (_NEXT if repair else "To mend: --repair.")
    elif not mended:
        words += "Nothing is wrong."
    if verbosity >= 0 or left:
        lines.append(words.rstrip())
    return "".join(f"{plain(line)}\n" for line in lines)


_NEXT = "What its upstream lacks answers 404 until a sync finds it there again."


def _lines(findings: "Sequence[Mapping[str, Any]]", prefix: str) -> list[str]:
    from mirrord.store.verify_finding import Damage

    lines: list[str] = []
    for finding in findings[:_SHOWN]:
        lines.append(f"{prefix}{finding['kind']:<14} {finding['path']}")
        if prefix:
            continue
        named_by, found = finding["named_by"], finding["found"]
        lines.append(f"  expected {finding['expected']}" + (f"; found {found}" if found else ""))
        if named_by:
            more = f" and {len(named_by) - _NAMES} more" if len(named_by) > _NAMES else ""
            lines.append(f"  needed by {', '.join(named_by[:_NAMES])}{more}")
        if advice := Damage(finding["kind"]).advice:
            lines.append(f"  {advice}")
    if len(findings) > _SHOWN:
        lines.append(f"{prefix}… and {len(findings) - _SHOWN} more")
    return lines

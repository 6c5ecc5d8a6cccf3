"""`mirrord block`, `unblock` and `remove`: taking images out of what is served."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

_SHOWN = 50


@command(app, "block")
def block(
    invocation: Invocation,
    *,
    what: Annotated[str | None, typer.Argument(metavar="[IMAGE|DIGEST]", help="None: list the blocks.")] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for whoever looks later.")] = "",
) -> None:
    """Take an image or a digest out of what is served at once, and keep it out; without one, list what is blocked.

    Its manifests can't be pulled by digest either. (nginx keeps files open for up to a minute.)
    """
    from mirrord.cli.running import Mirror, carry_out, look, typed
    from mirrord.service.operations.images import Block, ListBlocks

    mirror = Mirror.existing(invocation)
    if what is None:
        found: Mapping[str, Any] = look(mirror, ListBlocks(words=typed())).document
        if invocation.json:
            invocation.print_json("block", found)
            return
        for each in found["blocks"]:
            why = f": {each['why']}" if each["why"] else ""
            sys.stdout.write(f"{each['what']}  since {each['since']}{why}\n")
        if not found["blocks"]:
            sys.stdout.write("Nothing is blocked.\n")
        return
    done: Mapping[str, Any] = carry_out(mirror, Block(words=typed(), what=what, why=why)).document
    if invocation.json:
        invocation.print_json("block", done)
        return
    name, tags = done["blocks"][0]["what"], done["tags"]
    for tag in tags[:_SHOWN]:
        sys.stdout.write(f"no longer served: {tag}\n")
    if len(tags) > _SHOWN:
        sys.stdout.write(f"… and {len(tags) - _SHOWN} more\n")
    by_digest = f", and {done['manifests']} of its manifests can't be pulled by digest" if done["manifests"] else ""
    sys.stdout.write(f"{name} is blocked{by_digest}, until: mirrord unblock {name}\n")


@command(app, "unblock")
def unblock(
    invocation: Invocation, *, what: Annotated[str, typer.Argument(metavar="IMAGE|DIGEST", help="As it was blocked.")]
) -> None:
    """Let something blocked in again; the next sync brings it."""
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.service.operations.images import Unblock

    done = carry_out(Mirror.existing(invocation), Unblock(words=typed(), what=what)).document
    words = f"{done['unblocked']} is no longer blocked; the next sync brings it where the config wants it."
    invocation.answer("unblock", done, words)


@command(app, "remove")
def remove(
    invocation: Invocation,
    *,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="A name, or one tag of it, added by command.")],
) -> None:
    """Drop images that `mirrord sync IMAGE` added without a config."""
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.service.operations.images import Remove

    wish = Remove(words=typed(), images=tuple(images))
    done: Mapping[str, Any] = carry_out(Mirror.existing(invocation), wish).document
    snapshot = done["snapshot"] or "nothing: a rollback holds it"
    invocation.answer("remove", done, f"Removed {', '.join(done['removed'])}; published {snapshot}.")

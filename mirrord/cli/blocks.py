"""`mirrord block`, `unblock` and `remove`: taking images out of what is served."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command
from mirrord.cli.writing import mirror_of, writing

if TYPE_CHECKING:
    from mirrord.store.publish import Publication
    from mirrord.store.removal import Removed

_SHOWN = 50


@command(app, "block")
def block(
    invocation: Invocation,
    *,
    what: Annotated[str | None, typer.Argument(metavar="[IMAGE|DIGEST]", help="None: list the blocks.")] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, for whoever looks later.")] = "",
) -> None:
    """Take an image or a digest out of what is served at once, and keep it out; without one, list what is blocked.

    Its manifests can't be pulled by digest either. (nginx keeps files open for up to a minute.)
    """
    import asyncio

    from mirrord.store.blocks import parse_block, read_blocks

    layout, reserve = mirror_of(invocation)
    if what is None:
        entries = read_blocks(layout).entries
        if invocation.json:
            invocation.print_json("block", {"blocks": [each.document() for each in entries]})
        for each in entries if not invocation.json else ():
            sys.stdout.write(f"{each.what}  since {each.since}{f': {each.why}' if each.why else ''}\n")
        if not entries and not invocation.json:
            sys.stdout.write("Nothing is blocked.\n")
        return
    target = parse_block(_local(what), why)

    async def carry_out() -> "Removed":
        async with writing(layout, reserve) as store:
            return await store.block(target)

    done = asyncio.run(carry_out())
    if invocation.json:
        snapshot = done.publication.snapshot if done.publication else None
        blocks = [each.document() for each in done.blocks]
        document = {"blocks": blocks, "snapshot": snapshot, "tags": done.tags, "manifests": done.manifests}
        invocation.print_json("block", document)
        return
    for name in done.tags[:_SHOWN]:
        sys.stdout.write(f"no longer served: {name}\n")
    if len(done.tags) > _SHOWN:
        sys.stdout.write(f"… and {len(done.tags) - _SHOWN} more\n")
    by_digest = f", and {done.manifests} of its manifests can't be pulled by digest" if done.manifests else ""
    sys.stdout.write(f"{target.what} is blocked{by_digest}, until: mirrord unblock {target.what}\n")


@command(app, "unblock")
def unblock(
    invocation: Invocation, *, what: Annotated[str, typer.Argument(metavar="IMAGE|DIGEST", help="As it was blocked.")]
) -> None:
    """Let something blocked in again; the next sync brings it."""
    import asyncio

    from mirrord.errors import ConfigError
    from mirrord.store.blocks import read_blocks, write_blocks

    layout, reserve = mirror_of(invocation)
    name = _local(what)

    async def carry_out() -> None:
        async with writing(layout, reserve) as store:
            blocks = await store.run(lambda: read_blocks(layout))
            if name not in {each.what for each in blocks.entries}:
                raise ConfigError(f"{name} is not blocked; `mirrord block` lists what is")
            await store.run(lambda: write_blocks(layout, blocks.without(name)))

    asyncio.run(carry_out())
    if invocation.json:
        invocation.print_json("unblock", {"unblocked": name})
    else:
        sys.stdout.write(f"{name} is no longer blocked; the next sync brings it where the config wants it.\n")


@command(app, "remove")
def remove(
    invocation: Invocation,
    *,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE", help="A name, or one tag of it, added by command.")],
) -> None:
    """Drop images that `mirrord sync IMAGE` added without a config."""
    import asyncio

    from mirrord.store.additions import drop_added

    layout, reserve = mirror_of(invocation)
    names = [_local(name) for name in images]

    async def carry_out() -> "Publication | None":
        from mirrord.store.snapshot import Reason

        async with writing(layout, reserve) as store:
            changes = await store.run(lambda: drop_added(store.tree, names))
            return (await store.publish(changes, Reason("", f"remove {' '.join(names)}"))).publication

    done = asyncio.run(carry_out())
    snapshot = done.snapshot if done else None
    if invocation.json:
        invocation.print_json("remove", {"removed": names, "snapshot": snapshot})
    else:
        sys.stdout.write(f"Removed {', '.join(names)}; published {snapshot or 'nothing: a rollback holds it'}.\n")


def _local(what: str) -> str:
    """The name on the mirror of what a person typed: a digest stays, ``docker.io/library/nginx:1`` is nginx:1."""
    from mirrord.errors import InvalidReferenceError
    from mirrord.oci.reference import Reference

    if what.startswith(("sha256:", "sha512:")):
        return what
    try:
        reference = Reference.parse(what)
        local = reference.repository.local_name()
    except InvalidReferenceError:
        return what
    return f"{local}:{reference.tag}" if reference.tag else local

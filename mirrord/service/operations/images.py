"""Taking images out of what is served: those that a command added, and those that an operator blocks."""

from typing import ClassVar

from mirrord.errors import ConfigError, InvalidReferenceError
from mirrord.oci.reference import Reference
from mirrord.service.operation import Look, Operation, Reply, Workshop
from mirrord.store.additions import drop_added
from mirrord.store.blocks import parse_block, read_blocks, write_blocks
from mirrord.store.layout import Layout
from mirrord.store.snapshot import Reason
from mirrord.store.tell import tell_published


class Remove(Operation, frozen=True, kw_only=True):
    """Drop images that a command added."""

    name: ClassVar[str] = "remove"

    images: tuple[str, ...]

    async def perform(self, workshop: Workshop) -> Reply:
        """Publish without them. Raises ConfigError for what no command added, HostError."""
        store, names = workshop.store, [local_name(image) for image in self.images]
        changes = await store.run(lambda: drop_added(store.tree, names))
        done = (await store.publish(changes, Reason("", f"remove {' '.join(names)}"))).publication
        await tell_published(store)
        return Reply({"removed": names, "snapshot": done.snapshot if done else None})


class Block(Operation, frozen=True, kw_only=True):
    """Take an image or a digest out of what is served, and keep it out."""

    name: ClassVar[str] = "block"

    what: str
    why: str = ""

    async def perform(self, workshop: Workshop) -> Reply:
        """Block it; of the reply's blocks the first is what was asked for. Raises InvalidDigestError, HostError."""
        done = await workshop.store.block(parse_block(local_name(self.what), self.why))
        await tell_published(workshop.store)
        return Reply(
            {
                "blocks": [each.document() for each in done.blocks],
                "snapshot": done.publication.snapshot if done.publication else None,
                "tags": list(done.tags),
                "manifests": done.manifests,
            }
        )


class ListBlocks(Look, frozen=True, kw_only=True):
    """Say what is blocked: it stands in a note that is the mirror's user's alone."""

    name: ClassVar[str] = "block.list"

    def look(self, layout: Layout) -> Reply:
        """Read it; blocks. Raises HostError."""
        return Reply({"blocks": [each.document() for each in read_blocks(layout).entries]})


class Unblock(Operation, frozen=True, kw_only=True):
    """Let something blocked in again."""

    name: ClassVar[str] = "unblock"

    what: str

    async def perform(self, workshop: Workshop) -> Reply:
        """Forget the block. Raises ConfigError where there is none, HostError."""
        name, layout = local_name(self.what), workshop.store.layout
        await workshop.store.decide(lambda: _unblock(layout, name))
        return Reply({"unblocked": name})


def _unblock(layout: Layout, name: str) -> None:
    blocks = read_blocks(layout)
    if name not in {each.what for each in blocks.entries}:
        raise ConfigError(f"{name} is not blocked; `mirrord block` lists what is")
    write_blocks(layout, blocks.without(name))


def local_name(what: str) -> str:
    """The name on the mirror of what a person typed: a digest stays, ``docker.io/library/nginx:1`` is nginx:1."""
    if what.startswith(("sha256:", "sha512:")):
        return what
    try:
        reference = Reference.parse(what)
        local = reference.repository.local_name()
    except InvalidReferenceError:
        return what
    return f"{local}:{reference.tag}" if reference.tag else local

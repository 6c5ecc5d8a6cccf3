"""Bringing in what other tools or another mirror have: bytes of a tree, and a bundle."""

from pathlib import Path
from typing import ClassVar

from mirrord.config.model import Config
from mirrord.service.operation import DONE, FOUND, Operation, Reply, Workshop
from mirrord.store.adopt import adopt
from mirrord.store.bundle_load import load
from mirrord.store.change import Brake
from mirrord.store.foreign import Foreign
from mirrord.store.tell import tell_published


class Adopt(Operation, frozen=True, kw_only=True):
    """Copy what another tool's tree has into the pool, for the first sync to find there."""

    name: ClassVar[str] = "adopt"
    is_alone: ClassVar[bool] = True
    ends_with_its_client: ClassVar[bool] = True

    tree: str
    """Its kind and its directory, absolute: ``docker-registry:/var/lib/registry``."""

    async def perform(self, workshop: Workshop) -> Reply:
        """Copy. Raises ConfigError, HostError."""
        foreign = Foreign.parse(self.tree)
        done = await adopt(workshop.store, foreign, workshop.meters.verification)
        document = {
            "kind": foreign.kind,
            "directory": str(foreign.place),
            "files": done.files,
            "bytes": done.bytes,
            "bytes_shared": done.shared,
            "here_already": done.here_already,
            "left": [{"path": left.path, "reason": left.reason} for left in done.left],
            "more": done.more,
        }
        return Reply(document, FOUND if done.left else DONE)


class Load(Operation, frozen=True, kw_only=True):
    """Load a bundle, and serve what its snapshot served."""

    name: ClassVar[str] = "load"
    is_alone: ClassVar[bool] = True
    ends_with_its_client: ClassVar[bool] = True

    file: str
    """Absolute."""
    typed: str
    """As it was typed: what the reason of the publication says."""
    allow_deletes: bool = False

    async def perform(self, workshop: Workshop) -> Reply:
        """Load it. Raises ConfigError, BundleError, BrakeError, HostError."""
        share = (workshop.config or Config()).delete.max
        brake = None if self.allow_deletes else Brake(share, command="mirrord load")
        done = await load(workshop.store, Path(self.file), self.typed, brake, workshop.meters.verification)
        await tell_published(workshop.store)
        publication, held = done.published.publication, done.published
        document = {
            "file": self.file,
            "origin": {"host": done.bundle.host, "snapshot": done.bundle.snapshot, "published": done.bundle.published},
            "since": done.bundle.since,
            "bytes": done.taken.bytes,
            "bytes_here_already": done.taken.here_already,
            "snapshot": publication.snapshot if publication else None,
            "changed": len(publication.changed) if publication else 0,
            "removed": len(publication.removed) if publication else 0,
            "held": str(held.hold) if held.held else "",
        }
        return Reply(document)

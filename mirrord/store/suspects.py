"""What of a root is not to be trusted although it is there: damage that was found, and is not mended yet.

Written durably before anything is done about the damage (STORAGE hole 12), so that a kill at any moment leaves either
the list or a tree that says itself what is absent. Losing the list costs a verification.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Self

from msgspec import Struct

from mirrord.oci.digest import Digest
from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing
from mirrord.store.state import read_note, write_state

FILE = "suspects.json"
SCHEMA = "mirrord.suspects/1"

Entry = tuple[str, Digest]
"""A repository and a manifest of it."""


class Suspects(Struct, frozen=True):
    """Digests and manifests that count as absent."""

    damaged: frozenset[Digest] = frozenset()
    """Files of these digests may hold wrong bytes, wherever they are, until they are hashed again."""
    incomplete: frozenset[Entry] = frozenset()
    """Manifests that should be in their repository and are not, or whose blobs are not: present is not complete."""

    def __bool__(self) -> bool:
        return bool(self.damaged or self.incomplete)

    def of(self, repository: str) -> frozenset[Digest]:
        """What counts as absent in a repository."""
        return self.damaged | {digest for name, digest in self.incomplete if name == repository}

    def with_(self, damaged: Iterable[Digest], incomplete: Iterable[Entry]) -> Self:
        """These and more."""
        return type(self)(self.damaged.union(damaged), self.incomplete.union(incomplete))

    def without(self, repository: str, manifest: Digest) -> Self:
        """These but for a manifest that is complete now."""
        return type(self)(self.damaged, self.incomplete - {(repository, manifest)})

    @classmethod
    def load(cls, layout: Layout) -> Self:
        """Those of the root; none where nobody wrote any. Raises HostError where they can't be read."""
        document = read_note(layout, FILE)
        if document is None:
            return cls()
        with parsing(layout.state / FILE):
            return cls._read(document)

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r}; expected {SCHEMA!r}")
        pairs = [(str(name), digest) for name, digests in document["incomplete"].items() for digest in digests]
        return cls(
            frozenset(map(Digest.parse, document["damaged"])),
            frozenset((name, Digest.parse(digest)) for name, digest in pairs),
        )

    def save(self, layout: Layout) -> None:
        """Write them; durable on return. Raises HostError."""
        if not self:
            durable.unlink(layout.state / FILE, missing_ok=True)
            durable.sync_directory(layout.state)
            return
        incomplete: dict[str, list[str]] = {}
        for name, digest in sorted(self.incomplete):
            incomplete.setdefault(name, []).append(str(digest))
        document = {"schema": SCHEMA, "damaged": sorted(map(str, self.damaged)), "incomplete": incomplete}
        write_state(layout, FILE, json.dumps(document, indent=1).encode())

"""What is asked of a registry, as a value: the request, and how errors speak of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from mirrord.oci.digest import Digest
from mirrord.oci.manifest import ACCEPT
from mirrord.oci.reference import Repository

OK = frozenset({200})
PARTIAL = frozenset({200, 206, 416})
"""What may answer a request with a Range."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question about one repository."""

    repository: Repository
    path: str
    """Below ``/v2/<repository>/``."""
    what: str
    """What is asked for, in an error's words: ``manifest 1.27``."""
    method: Literal["GET", "HEAD"] = "GET"
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    expected: frozenset[int] = OK

    @classmethod
    def manifest(cls, repository: Repository, reference: str | Digest, method: Literal["GET", "HEAD"]) -> "Ask":
        """A manifest by tag or digest; only manifest requests carry an Accept."""
        path = f"manifests/{reference}"
        return cls(repository, path, f"manifest {reference}", method, headers={"Accept": ACCEPT})

    @classmethod
    def tags(cls, repository: Repository, query: str) -> "Ask":
        """One page of the tag list."""
        return cls(repository, "tags/list", "the tag list", query=query)

    @classmethod
    def blob(cls, repository: Repository, digest: Digest) -> "Ask":
        """A whole blob."""
        return cls(repository, f"blobs/{digest}", f"blob {digest}")

    def starting_at(self, offset: int) -> "Ask":
        """The same from byte ``offset`` on."""
        if offset == 0:
            return self
        return replace(self, headers={**self.headers, "Range": f"bytes={offset}-"}, expected=PARTIAL)

    def __str__(self) -> str:
        return f"{self.repository}: {self.what}"

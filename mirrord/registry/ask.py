"""What is asked of a registry, as a value: the request, and how errors speak of it."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from mirrord.oci.digest import Digest
from mirrord.oci.manifest import ACCEPT
from mirrord.oci.reference import Repository

CATALOG = "_catalog"
"""Stands in the place of a repository, whose name can't begin so."""
OK = frozenset({200})
PARTIAL = frozenset({200, 206, 416})
"""What may answer a request with a Range."""
REFERRERS = frozenset({200, 400, 404, 405, 406, 410, 501})
"""What may answer a question for referrers: those but 200 say that there is no such endpoint."""
_MANIFEST = {"Accept": ACCEPT}


class Ask(Struct, frozen=True):
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
    is_pull: bool = False
    """Whether it counts where pulls are counted: a manifest that is fetched."""
    elsewhere: str = ""
    """Where it is to be had instead: one of a descriptor's ``urls``. It may be signed, and so is not shown."""

    def __repr__(self) -> str:
        return f"Ask({self.method} {self.repository}, {self.path})"

    @classmethod
    def manifest(cls, repository: Repository, reference: str | Digest, method: Literal["GET", "HEAD"]) -> "Ask":
        """A manifest by tag or digest; only manifest requests carry an Accept."""
        path = f"manifests/{reference}"
        return cls(repository, path, f"manifest {reference}", method, headers=_MANIFEST, is_pull=method == "GET")

    @classmethod
    def tags(cls, repository: Repository, query: str) -> "Ask":
        """One page of the tag list."""
        return cls(repository, "tags/list", "the tag list", query=query)

    @classmethod
    def catalog(cls, host: str, query: str) -> "Ask":
        """One page of the list of a registry's repositories."""
        return cls(Repository(host, CATALOG), "", "the list of its repositories", query=query)

    @classmethod
    def referrers(cls, repository: Repository, digest: Digest, query: str = "") -> "Ask":
        """One page of what refers to a manifest; answered in many ways where there is no such endpoint."""
        what = f"what refers to {digest}"
        return cls(repository, f"referrers/{digest}", what, query=query, expected=REFERRERS)

    @classmethod
    def blob(cls, repository: Repository, digest: Digest, elsewhere: str = "") -> "Ask":
        """A whole blob."""
        return cls(repository, f"blobs/{digest}", f"blob {digest}", elsewhere=elsewhere)

    @property
    def url_path(self) -> str:
        """Below ``/v2/``."""
        return f"{self.repository.path}/{self.path}" if self.path else self.repository.path

    @property
    def is_catalog(self) -> bool:
        """Whether it is about a registry's repositories, and so about none of them."""
        return self.repository.path == CATALOG

    def starting_at(self, offset: int) -> "Ask":
        """The same from byte ``offset`` on."""
        if offset == 0:
            return self
        return replace(self, headers={**self.headers, "Range": f"bytes={offset}-"}, expected=PARTIAL)

    def __str__(self) -> str:
        return f"{self.repository.host if self.is_catalog else self.repository}: {self.what}"

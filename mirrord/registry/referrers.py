"""What refers to a manifest, by a registry's referrers API: its pages, and the many ways of not having one.

A registry that has it answers 200 with an OCI index, also where nothing refers to a manifest (distribution-spec,
"Listing Referrers"); anything else means that the tags have to be looked at instead.
"""

from mirrord.errors import InvalidManifestError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Kind, parse_manifest
from mirrord.oci.reference import Repository
from mirrord.registry.ask import Ask

MAX_PAGES = 100
MAX_REFERRERS = 5000
"""Of one manifest."""
_OK = 200


class ReferrersList:
    """The referrers of one manifest as their pages come in."""

    def __init__(self, repository: Repository, digest: Digest) -> None:
        self._repository = repository
        self._digest = digest
        self._found: dict[Digest, Descriptor] = {}
        self._queries = {""}

    @property
    def first(self) -> Ask:
        """The question for the first page."""
        return Ask.referrers(self._repository, self._digest)

    def take(self, status: int, content_type: str, body: bytes) -> bool:
        """Take a page; False where it is none: the registry has no such API. Raises UpstreamError for too many."""
        if status != _OK or content_type.partition(";")[0].strip().lower() != Kind.OCI_INDEX.media_type:
            return False
        try:
            page = parse_manifest(body, Kind.OCI_INDEX.media_type)
        except InvalidManifestError:
            return False
        self._found |= {child.digest: child for child in page.children}
        if len(self._found) > MAX_REFERRERS:
            raise UpstreamError(f"{self.first}: more than {MAX_REFERRERS}; choose some (referrers: {{types: [...]}})")
        return True

    def following(self, link: str | None) -> Ask | None:
        """The question for the next page, by the query of the last page's link; None at the end.

        Raises UpstreamError for pages that go in a circle, or have no end.
        """
        if link is None:
            return None
        query = link.partition("?")[2].partition("#")[0]
        if query in self._queries or not query.isprintable() or " " in query:
            raise UpstreamError(f"{self.first}: the pages go in a circle; its operator looks at its Link header")
        if len(self._queries) >= MAX_PAGES:
            raise UpstreamError(f"{self.first}: more than {MAX_PAGES} pages; its operator looks at its Link header")
        self._queries.add(query)
        return Ask.referrers(self._repository, self._digest, query)

    def finished(self) -> tuple[Descriptor, ...]:
        """All of them, each once."""
        return tuple(self._found.values())

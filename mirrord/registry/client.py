"""What the rest of mirrord asks registries: manifests, tag lists and blobs, verified where a digest was named."""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from msgspec import Struct
from msgspec.structs import asdict
from multidict import CIMultiDictProxy

from mirrord.config.model import Limits, RegistryConfig
from mirrord.errors import AccessError, DigestMismatchError, InvalidDigestError, InvalidManifestError, UpstreamError
from mirrord.events import get_logger
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE, Descriptor, Manifest, parse_manifest
from mirrord.oci.reference import Repository
from mirrord.registry.abilities import Abilities
from mirrord.registry.ask import OK, Ask
from mirrord.registry.backoff import Backoff
from mirrord.registry.failures import TransientError, is_page
from mirrord.registry.headers import next_link
from mirrord.registry.hosts import habits_of
from mirrord.registry.listing import MAX_PAGE_SIZE, MAX_PAGES, Catalog, Listed, TagList
from mirrord.registry.pulls import Pulls
from mirrord.registry.referrers import ReferrersList
from mirrord.registry.shared import Shared
from mirrord.registry.transfer import BlobSink, stream_blob
from mirrord.registry.transport import Transport
from mirrord.registry.wire import Counters

_log = get_logger()
_NUMBER = re.compile(r"[0-9]{1,18}")
_NO_REGISTRY = "expected a registry: check its name and the proxies in between"


class ManifestHead(Struct, frozen=True):
    """What a registry says of a manifest without sending it; nothing of it is verified."""

    digest: Digest | None
    media_type: str
    size: int | None


class _Document(Struct, frozen=True):
    """An answer that was read whole."""

    body: bytes
    headers: CIMultiDictProxy[str]
    status: int = 200

    @property
    def encoding(self) -> str:
        """What an error adds where the bytes were encoded although plain ones were asked for."""
        applied = self.headers.get("Content-Encoding", "identity").strip().lower()
        return "" if applied in {"", "identity"} else f" (it was sent with Content-Encoding {applied[:40]!r}, unasked)"


class Registries:
    """All upstream registries over one pooled session; to be used as a context, in one event loop."""

    def __init__(
        self,
        configs: Mapping[str, RegistryConfig],
        limits: Limits,
        backoff: Backoff | None = None,
        abilities: Abilities | None = None,
        shared: Shared | None = None,
    ) -> None:
        self._transport = Transport(configs, limits, backoff or Backoff(), shared or Shared(limits))
        self._limits = limits
        self._abilities = abilities or Abilities()
        """What was found out about the registries; the caller's, who may keep it for the next time."""
        self._closed: set[str] = set()
        """Hosts whose referrers are not for us to see."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pulls = self.pulls
        self._abilities.note_pulls(pulls)
        if self.counters.retries or pulls:
            left = {f"pulls_left_{host}": found.remaining for host, found in pulls.items()}
            _log.info("upstreams.counted", **asdict(self.counters), **left)
        await self._transport.close()

    @property
    def pulls(self) -> Mapping[str, Pulls]:
        """The pulls left at each registry that said so through this client."""
        return self._transport.pulls()

    @property
    def at_once(self) -> int:
        """How many requests run side by side, at most."""
        return self._limits.concurrency

    @property
    def counters(self) -> Counters:
        """What was done so far."""
        return self._transport.wire.counters

    async def head_manifest(self, repository: Repository, reference: str | Digest) -> ManifestHead:
        """What ``reference`` names now: the cheap question. Raises NotFoundError and the like."""
        headers = (await self._read(Ask.manifest(repository, reference, "HEAD"), 0, "a header alone")).headers
        length = headers.get("Content-Length", "")
        return ManifestHead(
            _digest(headers.get("Docker-Content-Digest", "")),
            headers.get("Content-Type", "").partition(";")[0].strip(),
            int(length) if _NUMBER.fullmatch(length) else None,
        )

    async def get_manifest(self, repository: Repository, reference: str | Digest) -> Manifest:
        """A manifest, byte for byte. Asked for by digest it is verified; by tag, its digest is its bytes' own.

        Raises InvalidManifestError, DigestMismatchError, NotFoundError and the like.
        """
        ask, limit = Ask.manifest(repository, reference, "GET"), self._limits.manifest_size
        if isinstance(reference, Digest):
            document = await self._verified(ask, reference, limit, "limits.manifest_size")
            algorithm = reference.algorithm
        else:
            document = await self._read(ask, limit, "limits.manifest_size")
            algorithm = "sha256"
        try:
            return parse_manifest(document.body, document.headers.get("Content-Type", ""), algorithm)
        except InvalidManifestError as error:
            raise InvalidManifestError(f"{ask}: {error}{document.encoding}") from error

    async def list_tags(self, repository: Repository) -> tuple[str, ...]:
        """All tags of a repository, sorted. Raises NotFoundError and the like."""
        return (await self.list_with_times(repository)).tags

    async def list_with_times(self, repository: Repository) -> Listed:
        """All tags of a repository, and when each was pushed where its registry tells. Raises as `list_tags` does."""
        tags = await self.begin_list(repository)
        await self.read_list(tags)
        return tags.finished()

    async def begin_list(self, repository: Repository) -> TagList:
        """A repository's tag list, of which no page is read yet."""
        return TagList(repository, await self._transport.endpoint(repository.host))

    async def read_list(self, pages: TagList | Catalog, most: int = MAX_PAGES) -> bool:
        """Read on, to ``most`` pages in all, and whether that was the whole list. Raises as `list_tags` does."""
        while pages.next is not None and pages.count < most:
            page = await self._read(pages.next, MAX_PAGE_SIZE, "one page")
            pages.take(page.body)
            pages.next = pages.following(next_link(page.headers.getall("Link", [])))
        return pages.next is None

    async def list_referrers(self, repository: Repository, digest: Digest) -> tuple[Descriptor, ...] | None:
        """What refers to a manifest, by the registry's API; None where it has none, and tags are to be looked at.

        Nothing of it is verified. Raises UpstreamError for a list without end, and NetworkError and the like.
        """
        host = repository.host
        has = self._abilities.has_referrers(host)
        if has is False or host in self._closed or not habits_of(host).has_referrers:
            return None
        referrers = ReferrersList(repository, digest)
        ask: Ask | None = referrers.first
        while ask is not None:
            try:
                page = await self._read(ask, self._limits.manifest_size, "limits.manifest_size")
            except AccessError:
                self._closed.add(host)
                return None
            is_page = referrers.take(page.status, page.headers.get("Content-Type", ""), page.body)
            self._abilities.note_referrers(host, has=is_page)
            if not is_page:
                return None
            ask = referrers.following(next_link(page.headers.getall("Link", [])))
        return referrers.finished()

    def lists_digests(self, repository: Repository) -> bool:
        """Whether the tag list of a repository is likely to say what each tag names."""
        return habits_of(repository.host).lists_digests

    async def list_repositories(self, host: str) -> tuple[str, ...]:
        """The paths of all repositories of a registry, sorted. Raises AccessError where it has no catalog for us."""
        catalog = Catalog(await self._transport.endpoint(host))
        await self.read_list(catalog)
        return catalog.finished()

    async def get_blob(self, repository: Repository, blob: Descriptor, elsewhere: str = "") -> bytes:
        """A small blob (a config), whole and verified. Raises DigestMismatchError, NotFoundError and the like.

        ``elsewhere`` is one of its ``urls``, to be asked without a login instead of the registry.
        """
        ask = Ask.blob(repository, blob.digest, elsewhere)
        if blob.size > MAX_MANIFEST_SIZE:
            raise UpstreamError(f"{ask}: {blob.size} bytes are too many to be held in memory; expected a small blob")
        return (await self._verified(ask, blob.digest, blob.size, "the size its manifest says")).body

    async def fetch_blob(self, repository: Repository, blob: Descriptor, sink: BlobSink, elsewhere: str = "") -> None:
        """Stream a blob into ``sink`` from its offset on until it holds ``blob.size`` bytes; the sink verifies them.

        ``elsewhere`` is as in `get_blob`.
        """
        await stream_blob(self._transport, Ask.blob(repository, blob.digest, elsewhere), blob, sink)

    async def _verified(self, ask: Ask, digest: Digest, limit: int, bound: str) -> _Document:
        """An answer that hashes to ``digest``; one that does not is asked for once more."""
        document = await self._read(ask, limit, bound)
        if not digest.matches(document.body):
            document = await self._read(ask, limit, bound)
            if not digest.matches(document.body):
                got, size = Digest.of(document.body, digest.algorithm), len(document.body)
                raise DigestMismatchError(
                    f"{ask}: {ask.repository.host} sent {size} bytes that hash to {got}{document.encoding}, twice; "
                    f"expected {digest}: its content is damaged, push the image again"
                )
        return document

    async def _read(self, ask: Ask, limit: int, bound: str) -> _Document:
        """The whole answer to ``ask``, in as many attempts as there are; ``bound`` says whose limit it is."""
        attempts = await self._transport.attempts(ask.repository.host)
        while True:
            try:
                async with self._transport.open(ask) as answer:
                    response = answer.response
                    if ask.expected == OK and is_page(response.headers.get("Content-Type", "")):
                        raise UpstreamError(f"{ask}: {ask.repository.host} answered with a web page; {_NO_REGISTRY}")
                    body = await self._transport.wire.read_bounded(response, answer.hop, limit)
            except TransientError as failure:
                await attempts.again(failure)
                continue
            if body is None:
                raise UpstreamError(
                    f"{ask}: {ask.repository.host} sends more than {limit} bytes ({bound}); nothing of it was taken"
                )
            return _Document(body, response.headers, response.status)


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except InvalidDigestError:
        return None

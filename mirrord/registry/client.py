"""What the rest of mirrord asks registries: manifests, tag lists and blobs, verified where a digest was named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from multidict import CIMultiDictProxy

from mirrord.config.model import Limits, RegistryConfig
from mirrord.errors import DigestMismatchError, InvalidDigestError, InvalidManifestError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE, Descriptor, Manifest, parse_manifest
from mirrord.oci.reference import Repository
from mirrord.registry.ask import Ask
from mirrord.registry.backoff import Backoff
from mirrord.registry.failures import TransientError, is_page
from mirrord.registry.headers import next_link
from mirrord.registry.listing import MAX_PAGE_SIZE, TagList
from mirrord.registry.transfer import BlobSink, stream_blob
from mirrord.registry.transport import Transport
from mirrord.registry.wire import Counters, read_bounded

_NUMBER = re.compile(r"[0-9]{1,18}")
_NO_REGISTRY = "expected a registry: check its name and the proxies in between"


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """What a registry says of a manifest without sending it; nothing of it is verified."""

    digest: Digest | None
    media_type: str
    size: int | None


@dataclass(frozen=True, slots=True)
class _Document:
    """An answer that was read whole."""

    body: bytes
    headers: CIMultiDictProxy[str]

    @property
    def encoding(self) -> str:
        """What an error adds where the bytes were encoded although plain ones were asked for."""
        applied = self.headers.get("Content-Encoding", "identity").strip().lower()
        return "" if applied in {"", "identity"} else f" (it was sent with Content-Encoding {applied[:40]!r}, unasked)"


class Registries:
    """All upstream registries over one pooled session; to be used as a context, in one event loop."""

    def __init__(self, configs: Mapping[str, RegistryConfig], limits: Limits, backoff: Backoff | None = None) -> None:
        self._transport = Transport(configs, limits, backoff or Backoff())
        self._limits = limits

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

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
        tags = TagList(repository, await self._transport.endpoint(repository.host))
        ask: Ask | None = tags.first
        while ask is not None:
            page = await self._read(ask, MAX_PAGE_SIZE, "one page")
            tags.take(page.body)
            ask = tags.following(next_link(page.headers.getall("Link", [])))
        return tags.finished()

    async def get_blob(self, repository: Repository, blob: Descriptor) -> bytes:
        """A small blob (a config), whole and verified. Raises DigestMismatchError, NotFoundError and the like."""
        ask = Ask.blob(repository, blob.digest)
        if blob.size > MAX_MANIFEST_SIZE:
            raise UpstreamError(f"{ask}: {blob.size} bytes are too many to be held in memory; expected a small blob")
        return (await self._verified(ask, blob.digest, blob.size, "the size its manifest says")).body

    async def fetch_blob(self, repository: Repository, blob: Descriptor, sink: BlobSink) -> None:
        """Stream a blob into ``sink`` from its offset on until it holds ``blob.size`` bytes; the sink verifies them."""
        await stream_blob(self._transport, Ask.blob(repository, blob.digest), blob, sink)

    async def _verified(self, ask: Ask, digest: Digest, limit: int, bound: str) -> _Document:
        """An answer that hashes to ``digest``; one that does not is asked for once more."""
        document = await self._read(ask, limit, bound)
        if not digest.matches(document.body):
            document = await self._read(ask, limit, bound)
        if not digest.matches(document.body):
            got = Digest.of(document.body, digest.algorithm)
            raise DigestMismatchError(
                f"{ask}: {ask.repository.host} sent {len(document.body)} bytes that hash to {got}{document.encoding}, "
                f"twice; expected {digest}: its content is damaged, push the image again"
            )
        return document

    async def _read(self, ask: Ask, limit: int, bound: str) -> _Document:
        """The whole answer to ``ask``, in as many attempts as there are; ``bound`` says whose limit it is."""
        attempts = await self._transport.attempts(ask.repository.host)
        while True:
            try:
                async with self._transport.open(ask) as response:
                    if is_page(response.headers.get("Content-Type", "")):
                        raise UpstreamError(f"{ask}: {ask.repository.host} answered with a web page; {_NO_REGISTRY}")
                    body = await read_bounded(response, limit, self.counters)
            except TransientError as failure:
                await attempts.again(failure)
                continue
            if body is None:
                raise UpstreamError(
                    f"{ask}: {ask.repository.host} sends more than {limit} bytes ({bound}); nothing of it was taken"
                )
            return _Document(body, response.headers)


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except InvalidDigestError:
        return None

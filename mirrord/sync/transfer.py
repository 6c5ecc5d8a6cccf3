"""Bringing blobs into the pool, each digest once in a run however many images want it."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence

from mirrord.errors import DigestMismatchError, MirrordError, NetworkError, NotFoundError, UpstreamError
from mirrord.events import get_logger
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor
from mirrord.oci.reference import Repository
from mirrord.registry.client import Registries
from mirrord.store.partial import Partial, Source
from mirrord.store.store import SMALL, Store
from mirrord.sync.outcome import Progress

_log = get_logger()

SMALL_AT_ONCE = 48
"""Small blobs that are fetched or wait for their batch at once: a slow disk must not fill the memory with them."""

REMEMBERED = 512
"""Blobs that came last and are known to have come: for whoever looked before they did, and begins after."""

MAX_URLS = 8
"""Places elsewhere that are tried for one layer."""


class Transfer:
    """Fetches blobs of one run: verified by the store, one writer a digest, a failure remembered for the run."""

    def __init__(self, registries: Registries, store: Store, progress: Progress) -> None:
        self._log = _log.bind()  # once: an event that is not shown costs nothing then
        self._registries = registries
        self._store = store
        self._progress = progress
        self._flights: dict[Digest, asyncio.Event] = {}
        self._failed: dict[tuple[Repository, Digest], MirrordError] = {}
        self.landed = 0
        """How many blobs have come so far."""
        self._landings: OrderedDict[Digest, int] = OrderedDict()
        """The last of them, and how many had come then."""
        # One request at a time: nothing comes while a batch waits, and the same work makes the same system calls.
        self._announced = store.announced if registries.at_once > 1 else contextlib.nullcontext
        self._in_memory = asyncio.Semaphore(SMALL_AT_ONCE)
        self.unfinished: set[Digest] = set()
        """Digests some image needs and does not have yet: their partial downloads are worth keeping."""

    async def bring(self, repository: Repository, blob: Descriptor, absent_at: int | None = None) -> bytes | None:
        """Have ``blob`` in the pool, durable; give its content where that is small and was fetched now.

        ``absent_at`` is what `landed` was before somebody saw that the pool lacks it: it is looked for once more only
        where it may have come since. Raises what the upstream, the network or the host made fail.
        """
        while True:
            while (flight := self._flights.get(blob.digest)) is not None:
                await flight.wait()
                absent_at = None
            if (absent_at is None or self._may_have_landed(blob.digest, absent_at)) and await self._store.in_pool(blob):
                self.link([blob])
                return None
            if (known := self._failed.get((repository, blob.digest))) is not None:
                raise known
            if blob.digest not in self._flights:  # else another began while the disk was asked
                return await self._lead(repository, blob)

    def link(self, blobs: Sequence[Descriptor]) -> None:
        """Take note of blobs that the pool has already."""
        self._progress.blobs_linked += len(blobs)
        self._progress.bytes_linked += sum(blob.size for blob in blobs)

    def _may_have_landed(self, digest: Digest, since: int) -> bool:
        return self.landed - since > REMEMBERED or self._landings.get(digest, 0) > since

    def _land(self, digest: Digest) -> None:
        self.landed += 1
        self._landings[digest] = self.landed
        if len(self._landings) > REMEMBERED:
            self._landings.popitem(last=False)

    async def _lead(self, repository: Repository, blob: Descriptor) -> bytes | None:
        self._flights[blob.digest] = landed = asyncio.Event()
        self.unfinished.add(blob.digest)
        self._progress.bytes_expected += blob.size
        try:
            content = await self._fetch(repository, blob)
            self.unfinished.discard(blob.digest)
            self._land(blob.digest)
        except MirrordError as error:
            self._failed[repository, blob.digest] = error
            raise
        else:
            return content
        finally:
            del self._flights[blob.digest]
            landed.set()

    async def _fetch(self, repository: Repository, blob: Descriptor) -> bytes | None:
        """From the registry, else (a layer that lives elsewhere) from the first of its ``urls`` that gives it."""
        try:
            return await self._fetch_from(repository, blob)
        except NotFoundError as error:
            failed: MirrordError = error
            for url in blob.urls[:MAX_URLS]:
                try:
                    return await self._fetch_from(repository, blob, url)
                except (UpstreamError, NetworkError) as failure:
                    failed = failure
            if isinstance(failed, NotFoundError):  # of a part: its image is damaged, and not gone
                raise UpstreamError(
                    f"{repository.host} lists blob {blob.digest} in a manifest of {repository}, but does not have "
                    "it: its content is damaged, push the image again"
                ) from None
            raise failed from None

    async def _fetch_from(self, repository: Repository, blob: Descriptor, url: str = "") -> bytes | None:
        content: bytes | None = None
        if blob.size < SMALL:
            async with self._in_memory:
                with self._announced():
                    content = await self._registries.get_blob(repository, blob, url)
                self._progress.bytes_fetched += len(content)
                await self._store.add_small(blob.digest, content)
        else:
            async with self._store.download(blob) as partial:
                if partial is None:
                    return None
                await self._stream(repository, blob, partial, url)
        self._progress.blobs_fetched += 1
        self._log.debug("blob.fetched", repository=str(repository), digest=str(blob.digest), bytes=blob.size)
        return content

    async def _stream(self, repository: Repository, blob: Descriptor, partial: Partial, url: str) -> None:
        """Stream until the store has verified it. A resumed download that does not match proves nothing: begin again.

        A fresh one that does not match is fetched once more, then it is the upstream's to mend.
        """
        if partial.resumed:
            _log.info("blob.resumed", repository=str(repository), digest=str(blob.digest), offset=partial.offset)
            self._progress.bytes_expected -= partial.offset
        attempts_left = 2 if partial.resumed else 1
        sink = _Counted(partial, self._progress)
        while True:
            await self._registries.fetch_blob(repository, blob, sink, url)
            try:
                return await partial.finish()
            except DigestMismatchError as error:
                if not attempts_left:
                    raise DigestMismatchError(
                        f"{repository.host} sends wrong bytes for {repository}: {error}; tried again from the start"
                    ) from error
            attempts_left -= 1


class _Counted:
    """A partial that counts what is written for whoever shows progress."""

    def __init__(self, partial: Partial, progress: Progress) -> None:
        self._partial = partial
        self._progress = progress

    @property
    def offset(self) -> int:
        return self._partial.offset

    async def write(self, chunks: Sequence[bytes]) -> None:
        await self._partial.write(chunks)
        self._progress.bytes_fetched += sum(map(len, chunks))

    async def draw(self, source: Source) -> int:
        count = await self._partial.draw(source)
        self._progress.bytes_fetched += count
        return count

    async def restart(self) -> None:
        await self._partial.restart()

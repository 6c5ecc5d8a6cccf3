"""Pulling a whole registry back over HTTP, as a client would, and hashing every byte of it."""

from http import HTTPStatus

from msgspec import Struct, field

from mirrord.errors import DigestMismatchError, NotFoundError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import ACCEPT, Manifest, parse_manifest
from mirrord.registry.http import aiohttp

_CHUNK = 1 << 20


class Pulled(Struct):
    """What came back, verified."""

    manifests: set[Digest] = field(default_factory=set)
    blobs: set[Digest] = field(default_factory=set)
    total: int = 0
    """Bytes of both."""


async def pull_everything(url: str, *, whole_indexes: bool = True) -> Pulled:
    """Pull every tag of every repository of the registry at ``url``, with all below it, and check each digest.

    ``whole_indexes`` demands every child of an index; without it those that are not there are passed over.
    Raises MirrordError at the first thing that is missing or wrong.
    """
    pulled = Pulled()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        puller = _Puller(session, url, pulled, whole_indexes)
        catalog = await puller.get_json("/v2/_catalog")
        for repository in catalog["repositories"]:
            listed = await puller.get_json(f"/v2/{repository}/tags/list")
            for tag in listed["tags"]:
                await puller.pull_manifest(repository, tag)
    return pulled


class _Puller(Struct):
    session: aiohttp.ClientSession
    url: str
    pulled: Pulled
    whole_indexes: bool

    async def get_json(self, path: str) -> dict[str, list[str]]:
        async with self.session.get(self.url + path) as response:
            if response.status != HTTPStatus.OK:
                raise NotFoundError(f"GET {path}: {response.status}; expected 200")
            found: dict[str, list[str]] = await response.json()
            return found

    async def pull_manifest(self, repository: str, reference: str) -> None:
        path = f"/v2/{repository}/manifests/{reference}"
        async with self.session.get(self.url + path, headers={"Accept": ACCEPT}) as response:
            body = await response.read()
            if response.status != HTTPStatus.OK:
                raise NotFoundError(f"GET {path}: {response.status}; expected 200")
            stated = Digest.parse(response.headers.get("Docker-Content-Digest", ""))
            manifest = parse_manifest(body, response.headers.get("Content-Type", ""), stated.algorithm)
        if manifest.digest != stated or (":" in reference and str(stated) != reference):
            raise DigestMismatchError(f"GET {path}: the body hashes to {manifest.digest}, and the answer says {stated}")
        if stated in self.pulled.manifests:
            return
        await self._pull_below(repository, manifest)
        self.pulled.manifests.add(stated)
        self.pulled.total += len(body)

    async def _pull_below(self, repository: str, manifest: Manifest) -> None:
        for child in manifest.children:
            try:
                await self.pull_manifest(repository, str(child.digest))
            except NotFoundError:
                if self.whole_indexes:
                    raise
        for blob in manifest.blobs:
            if not blob.is_foreign and blob.digest not in self.pulled.blobs:
                await self._pull_blob(repository, blob.digest, blob.size)

    async def _pull_blob(self, repository: str, digest: Digest, size: int) -> None:
        path = f"/v2/{repository}/blobs/{digest}"
        hasher, received = digest.hasher(), 0
        async with self.session.get(self.url + path) as response:
            if response.status != HTTPStatus.OK:
                raise NotFoundError(f"GET {path}: {response.status}; expected 200")
            async for chunk in response.content.iter_chunked(_CHUNK):
                hasher.update(chunk)
                received += len(chunk)
        if received != size or hasher.hexdigest() != digest.hex:
            raise DigestMismatchError(f"GET {path}: {received} bytes that do not hash to it; expected {size} that do")
        self.pulled.blobs.add(digest)
        self.pulled.total += received

"""A registry in memory, on a loopback port: what the demo mirrors from, and what the tests' registry builds on.

It serves what a puller asks (distribution-spec, "Pull" and "Content Discovery"); nothing can be pushed over HTTP.
"""

import re
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Self

from aiohttp import web
from msgspec import Struct, field

from mirrord.demo.access import Access, Everybody
from mirrord.demo.images import BuiltImage, referrers_index
from mirrord.errors import InvalidDigestError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, Manifest

MAX_REMEMBERED = 50_000
"""Requests that are remembered."""
PIECE = 256 << 10
"""Bytes of a blob written at once."""

_DOCUMENT = re.compile(r"/v2/(?P<repository>.+)/(?P<what>manifests|blobs|referrers|tags)/(?P<reference>[^/]+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Asked(Struct, frozen=True):
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def __repr__(self) -> str:
        return f"Asked({self})"


class Held(Struct):
    """What the upstream holds of one repository."""

    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Held({len(self.manifests)} manifests, {len(self.blobs)} blobs, {self.tags})"


class Upstream:
    """A registry in memory. Fill it with `push`; `running` serves it."""

    def __init__(self, access: Access | None = None, *, page: int = 1000, referrers: bool = False) -> None:
        self.access: Access = access or Everybody()
        self.page = page
        """Tags in one page of a list, at most."""
        self.referrers = referrers
        """Whether it has the referrers API."""
        self.url = ""
        """Where it is served, e.g. ``http://127.0.0.1:40123``."""
        self.repositories: dict[str, Held] = {}
        self._asked: deque[Asked] = deque(maxlen=MAX_REMEMBERED)

    @classmethod
    @asynccontextmanager
    async def running(cls, access: Access | None = None, *, port: int = 0) -> AsyncIterator[Self]:
        """A fresh one, served on ``port`` of 127.0.0.1 (0: a free one) until the block ends."""
        upstream = cls(access)
        async with upstream.served(port):
            yield upstream

    @asynccontextmanager
    async def served(self, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Serve this one until the block ends."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._receive)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", port))
        try:
            await web.SockSite(runner, listener, ssl_context=tls).start()
            self.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
            yield
        finally:
            await runner.cleanup()
            listener.close()

    @property
    def host(self) -> str:
        """``127.0.0.1:port``, as it stands before a repository's name."""
        return self.url.partition("://")[2]

    @property
    def requests(self) -> tuple[Asked, ...]:
        """What was asked so far, oldest first."""
        return tuple(self._asked)

    def forget_requests(self) -> None:
        """Forget what was asked so far."""
        self._asked.clear()

    def push(self, repository: str, image: BuiltImage, *tags: str) -> Digest:
        """Put an image with everything below it into ``repository``, under ``tags``; gives its digest."""
        for content in image.contents():
            self.add_blob(repository, content)
        for manifest in image.manifests():
            self.add_manifest(repository, manifest)
        for tag in tags:
            self.tag(repository, tag, image.digest)
        return image.digest

    def add_blob(self, repository: str, content: bytes) -> Digest:
        """Put a blob into ``repository``."""
        digest = Digest.of(content)
        self._held(repository).blobs[digest] = content
        return digest

    def add_manifest(self, repository: str, manifest: Manifest, *tags: str) -> Digest:
        """Put a manifest alone into ``repository``, whatever it refers to."""
        self._held(repository).manifests[manifest.digest] = manifest
        for tag in tags:
            self.tag(repository, tag, manifest.digest)
        return manifest.digest

    def tag(self, repository: str, tag: str, digest: Digest) -> None:
        """Let ``tag`` name ``digest``."""
        self._held(repository).tags[tag] = digest

    def untag(self, repository: str, tag: str) -> None:
        """Remove ``tag``; what it named stays."""
        del self._held(repository).tags[tag]

    def _held(self, repository: str) -> Held:
        return self.repositories.setdefault(repository, Held())

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        self._asked.append(Asked(request.method, request.path, dict(request.query), request.headers.copy()))
        return await self.respond(request)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if request.path == "/token":
            return self.access.token(request) or failure(404, "NOT_FOUND", "there is no token endpoint")
        found = _DOCUMENT.fullmatch(request.path)
        is_catalog = request.path == "/v2/_catalog"
        about = "registry:catalog" if is_catalog else found["repository"] if found else ""
        challenge = self.access.challenge(request, about)
        if challenge is not None:
            return failure(401, "UNAUTHORIZED", "authentication required", challenge)
        if request.path == "/v2/":
            return web.json_response({})
        if request.method not in {"GET", "HEAD"}:
            return failure(405, "UNSUPPORTED", "this registry only serves")
        if is_catalog:
            return self._listed(request, "repositories", self.repositories, {})
        return await self._document(request, found) if found else failure(404, "NOT_FOUND", "no such endpoint")

    async def _document(self, request: web.Request, found: re.Match[str]) -> web.StreamResponse:
        repository, reference = found["repository"], found["reference"]
        held = self.repositories.get(repository)
        if held is None:
            return failure(404, "NAME_UNKNOWN", f"repository name not known to registry: {repository}")
        match found["what"]:
            case "manifests":
                return _manifest(held, reference)
            case "blobs":
                return await _blob(held, reference, request)
            case "referrers" if self.referrers:
                return _referrers(held, reference, request.query.get("artifactType"))
            case "tags" if reference == "list":
                return self._listed(request, "tags", held.tags, {"name": repository})
        return failure(404, "NOT_FOUND", "no such endpoint")

    def _listed(self, request: web.Request, key: str, names: Iterable[str], more: Mapping[str, object]) -> web.Response:
        """One page of a list of tags or repositories."""
        last, asked = request.query.get("last", ""), request.query.get("n", "")
        size = min(int(asked), self.page) if asked.isdigit() else self.page
        rest = sorted(name for name in names if name > last)
        page = rest[:size]
        headers = {}
        if len(rest) > len(page) and page:
            headers["Link"] = f'<{request.path}?last={page[-1]}&n={size}>; rel="next"'
        return web.json_response({**more, key: page}, headers=headers)


def failure(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An error as registries answer it (distribution-spec, "Error Codes")."""
    document = {"errors": [{"code": code, "message": message}]}
    return web.json_response(document, status=status, headers=headers)


def _manifest(held: Held, reference: str) -> web.Response:
    digest = held.tags.get(reference) or _digest(reference)
    manifest = held.manifests.get(digest) if digest else None
    if manifest is None:
        return failure(404, "MANIFEST_UNKNOWN", f"manifest unknown: {reference}")
    headers = {"Docker-Content-Digest": str(manifest.digest), "Content-Type": manifest.kind.media_type}
    return web.Response(body=manifest.raw, headers=headers)


def _referrers(held: Held, reference: str, artifact_type: str | None) -> web.Response:
    found = [
        manifest
        for manifest in held.manifests.values()
        if manifest.subject
        and str(manifest.subject.digest) == reference
        and artifact_type in {None, manifest.referrer_type}
    ]
    headers = {"Content-Type": Kind.OCI_INDEX.media_type}
    if artifact_type is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    return web.Response(body=referrers_index(found), headers=headers)


async def _blob(held: Held, reference: str, request: web.Request) -> web.StreamResponse:
    digest = _digest(reference)
    content = held.blobs.get(digest) if digest else None
    if content is None:
        return failure(404, "BLOB_UNKNOWN", f"blob unknown to registry: {reference}")
    headers = {
        "Docker-Content-Digest": reference,
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
    }
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    if asked is None:
        return await send(request, 200, headers, memoryview(content))
    start = int(asked[1])
    end = min(int(asked[2] or len(content)), len(content) - 1)
    if not start <= end:
        return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
    return await send(request, 206, headers, memoryview(content)[start : end + 1])


async def send(
    request: web.Request, status: int, headers: Mapping[str, str], content: memoryview
) -> web.StreamResponse:
    """Send ``content`` piece by piece, as fast as it is taken."""
    response = web.StreamResponse(status=status, headers={**headers, "Content-Length": str(len(content))})
    await response.prepare(request)
    if request.method != "HEAD":
        for start in range(0, len(content), PIECE):
            await response.write(content[start : start + PIECE])
    await response.write_eof()
    return response


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except InvalidDigestError:
        return None

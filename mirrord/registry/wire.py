"""One pooled HTTP session for all registries: sends one request, and gives its answer or one of our errors.

It follows no redirect, keeps no cookie and knows no credential; the bytes come as they were sent.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from mirrord import __version__
from mirrord.config.model import Limits
from mirrord.errors import NetworkError
from mirrord.registry.endpoint import Endpoint, has_host
from mirrord.registry.failures import connection_failure
from mirrord.registry.tls import Tls

MAX_HEADER = 64 << 10
"""Bytes of one header line: signed URLs are long."""
READ_SIZE = 512 << 10
"""Bytes taken from a socket at once while a blob streams. asyncio's own 256 KiB cost a tenth of the speed; 1 MiB wins
nothing more, and takes 2 MB a transfer."""


@dataclass(slots=True)
class Counters:
    """What was done so far, for reports."""

    requests: int = 0
    bytes_received: int = 0
    """Bytes of bodies."""
    retries: int = 0
    redirects: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Hop:
    """One request as it goes out, on behalf of a registry and maybe to another origin."""

    endpoint: Endpoint
    url: URL
    about: str
    """What it is for, with which its errors begin."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Tls = True


class Wire:
    """The pooled session; made at the first request."""

    def __init__(self, limits: Limits) -> None:
        self.counters = Counters()
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def send(self, hop: Hop) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send ``hop``; the answer can be read within the block.

        Raises TransientError, NetworkError or UpstreamError for what goes wrong then and while the body is read. Their
        causes are left out: aiohttp's errors show whole URLs.
        """
        if not has_host(hop.url):
            raise NetworkError(f"{hop.about}: {str(hop.url.host)[:100]!r} is no name that DNS can have; correct it")
        self.counters.requests += 1
        try:
            async with self._opened().request(
                hop.method, hop.url, headers=hop.headers, ssl=hop.tls, allow_redirects=False, read_bufsize=READ_SIZE
            ) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise connection_failure(error, hop.about, hop.url.origin(), hop.endpoint, self._limits) from None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # the gates bound the connections
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=self._limits.connect_timeout,
                    sock_connect=self._limits.connect_timeout,
                    sock_read=self._limits.read_timeout,
                ),
                headers={"User-Agent": f"mirrord/{__version__}", "Accept-Encoding": "identity"},
                skip_auto_headers=("Accept",),  # only manifests are asked for by type
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                requote_redirect_url=False,
                max_line_size=MAX_HEADER,
                max_field_size=MAX_HEADER,
            )
        return self._session


def read_in_large_pieces(response: aiohttp.ClientResponse) -> None:
    """Let the connection's transport take more from the socket at once, where it can (a TLS transport can't)."""
    connection = response.connection
    transport = connection.transport if connection else None
    if transport is not None and isinstance(getattr(transport, "max_size", None), int):
        transport.max_size = READ_SIZE  # type: ignore[attr-defined] # asyncio's attribute, in no interface


async def read_bounded(response: aiohttp.ClientResponse, limit: int, counters: Counters) -> bytes | None:
    """The whole body; None where it has more than ``limit`` bytes, of which no more are read."""
    if (response.content_length or 0) > limit and response.method != "HEAD":
        return None
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        counters.bytes_received += len(piece)
        if size > limit:
            return None
    return b"".join(pieces)

"""One pooled HTTP session for all registries: sends one request, and gives its answer or one of our errors.

It follows no redirect, keeps no cookie and knows no credential; the bytes come as they were sent.
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field
from yarl import URL

from mirrord import __version__
from mirrord.config.model import Limits
from mirrord.errors import NetworkError
from mirrord.registry.connections import Attempt, connection_failure
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.failures import TransientError
from mirrord.registry.http import aiohttp
from mirrord.registry.pace import FLOOR_WINDOW, Pace, Speed
from mirrord.registry.proxies import Proxies, Proxy
from mirrord.registry.tls import SYSTEM, Trust, authorities

MAX_HEADER = 64 << 10
"""Bytes of one header line: signed URLs are long."""
READ_SIZE = 512 << 10
"""Bytes taken from a socket at once while a blob streams. asyncio's own 256 KiB cost a tenth of the speed; 1 MiB wins
nothing more, and takes 2 MB a transfer."""
READ_AHEAD = 128 << 10
"""Half of what may come in before somebody takes it. Over TLS 512 KiB cost 6 MB more, and won nothing."""


class Counters(Struct):
    """What was done so far, for reports."""

    requests: int = 0
    bytes_received: int = 0
    """Bytes of bodies."""
    retries: int = 0
    redirects: int = 0
    tokens: int = 0
    throttled: int = 0
    """Answers that said 429."""
    unreachable: int = 0
    """Connections that did not come about."""


class Way(Struct, frozen=True):
    """How a registry is reached: what holds for each request on its behalf, wherever it goes."""

    endpoint: Endpoint
    trust: Trust = SYSTEM
    proxy: Proxy | None = None
    """The config's; None: the environment's."""
    pace: Pace | None = None
    """The registry's own."""


class Hop(Struct, frozen=True):
    """One request as it goes out, on behalf of a registry and maybe to another origin."""

    way: Way
    url: URL
    about: str
    """What it is for, with which its errors begin."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    """What a POST sends."""
    is_at_home: bool = True
    """Whether it goes to the registry's own origin, which alone sees its client certificate."""

    def __repr__(self) -> str:
        return f"Hop({self.method} {self.url.with_query(None)})"


class Wire:
    """The pooled session; made at the first request."""

    def __init__(self, limits: Limits, pace: Pace | None) -> None:
        self.counters = Counters()
        self.drawing = asyncio.Semaphore(max(len(os.sched_getaffinity(0)), 2))
        """Bodies that workers take from their sockets at once: more than there are processors hinder one another."""
        self._limits = limits
        self._proxies = Proxies(os.environ)
        self._pace = pace
        self._session: aiohttp.ClientSession | None = None
        self._authorities: ssl.SSLContext | None = None
        self._patience = limits.connect_timeout + limits.read_timeout + FLOOR_WINDOW

    async def send(self, hop: Hop) -> aiohttp.ClientResponse:
        """Send ``hop``, and give its answer, of which only the head is read: the caller has to `finish` it.

        Raises TransientError for what goes wrong. Its causes are left out: aiohttp's errors show whole URLs.
        """
        self.counters.requests += 1
        way = hop.way
        proxy = way.proxy or self._proxies.of(hop.url)
        headers, shown = hop.headers, None
        if proxy is not None and proxy.headers:
            if hop.url.scheme == "http":
                headers = {**headers, **proxy.headers}
            else:
                shown = proxy.headers
        try:
            async with asyncio.timeout(self._patience) as patience:
                return await self._opened().request(
                    hop.method,
                    hop.url,
                    headers=headers,
                    data=hop.form,
                    ssl=await self._trusted(hop, proxy),
                    allow_redirects=False,
                    read_bufsize=READ_AHEAD,
                    proxy=None if proxy is None else proxy.url,
                    proxy_headers=shown,
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            if patience.expired():
                raise self._too_slow(hop, "the head of its answer") from None
            raise connection_failure(error, self._attempt(hop, proxy)) from None

    async def _trusted(self, hop: Hop, proxy: Proxy | None) -> ssl.SSLContext | Literal[True]:
        """Whose certificates are believed; True, which asks for none, where nobody is asked over TLS."""
        if hop.url.scheme == "http" and (proxy is None or proxy.url.scheme == "http"):
            return True
        named = hop.way.trust.own if hop.is_at_home else hop.way.trust.others
        if named is None and self._authorities is None:
            self._authorities = await asyncio.to_thread(authorities)
        return named or self._authorities or True

    def is_direct(self, hop: Hop) -> bool:
        """Whether ``hop`` goes through no proxy."""
        return hop.way.proxy is None and self._proxies.of(hop.url) is None

    def broken(self, error: Exception, hop: Hop) -> TransientError:
        """The failure for what aiohttp raised while a body was read."""
        return connection_failure(error, self._attempt(hop))

    @property
    def read_timeout(self) -> float:
        """Seconds without a byte after which a body is given up."""
        return self._limits.read_timeout

    def speed(self, way: Way) -> Speed:
        """What a body that begins now is held to."""
        paces = tuple(pace for pace in (self._pace, way.pace) if pace is not None)
        return Speed(paces, self._limits.min_rate or 0)

    async def read_bounded(self, response: aiohttp.ClientResponse, hop: Hop, limit: int) -> bytes | None:
        """The whole body; None where it has more than ``limit`` bytes, of which no more are read.

        Raises what aiohttp raises, and TransientError for one that comes too slowly.
        """
        if hop.method == "HEAD":
            return b""
        if (response.content_length or 0) > limit:
            return None
        speed = self.speed(hop.way)
        pieces, size = [], 0
        async for piece in response.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            self.counters.bytes_received += len(piece)
            if size > limit:
                return None
            if not await speed.took(len(piece)):
                raise self._too_slow(hop, "its answer")
            speed.again()
        return b"".join(pieces)

    def too_slow(self, hop: Hop) -> TransientError:
        """The failure of a body that comes slower than ``limits.min_rate``."""
        return self._too_slow(hop, "what was asked for")

    def _too_slow(self, hop: Hop, what: str) -> TransientError:
        slow = f"slower than {self._limits.min_rate or 0} B/s for {FLOOR_WINDOW:.0f} s (limits.min_rate)"
        return TransientError(NetworkError(f"{self._attempt(hop)} sends {what} {slow}"))

    def _attempt(self, hop: Hop, proxy: Proxy | None = None) -> Attempt:
        return Attempt(hop.about, hop.url, hop.way.endpoint, self._limits, proxy)

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


async def finish(response: aiohttp.ClientResponse) -> None:
    """Give an answer's connection back where it was read to its end, else close it."""
    response.release()
    await response.wait_for_close()


def read_in_large_pieces(response: aiohttp.ClientResponse) -> None:
    """Let the connection's transport take more from the socket at once, where it can (a TLS transport can't)."""
    connection = response.connection
    transport = connection.transport if connection else None
    if transport is not None and isinstance(getattr(transport, "max_size", None), int):
        transport.max_size = READ_SIZE  # type: ignore[attr-defined] # asyncio's attribute, in no interface

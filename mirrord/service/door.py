"""Who is let in at the control socket: so many connections, and only those that soon ask something."""

import asyncio
from typing import Final

from aiohttp import web
from msgspec import Struct, field

CONNECTIONS: Final = 64
PATIENCE: Final = 10.0
"""Seconds that a request may take to arrive, headers and body each."""
_LAST_WORDS: Final = 0.5


class Doorman(Struct):
    """Makes the protocol of each connection."""

    server: web.Server | None
    silent: set[asyncio.BaseProtocol] = field(default_factory=set)
    """Connections that have asked nothing yet."""

    def __call__(self) -> asyncio.BaseProtocol:
        """The protocol of one more connection."""
        if self.server is None or len(self.server.connections) >= CONNECTIONS:
            return _Turned()
        protocol = self.server()
        self.silent.add(protocol)
        asyncio.get_running_loop().call_later(PATIENCE, self._close_silent, protocol)
        return protocol

    def _close_silent(self, protocol: web.RequestHandler) -> None:
        if protocol in self.silent:
            self.silent.discard(protocol)
            protocol.force_close()


class _Turned(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so, and end it soon: at once, and what the client has sent meanwhile would cost it the answer."""
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        asyncio.get_running_loop().call_later(_LAST_WORDS, transport.close)

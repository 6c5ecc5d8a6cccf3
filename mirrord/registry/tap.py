"""A body that is read straight from its socket, by whoever hashes and writes it.

aiohttp connects, authorises, follows and reads the head; what it has read of the body by then comes from it. The rest
of a long body is taken from the socket itself, into a buffer that is used again and again: aiohttp's reader and parser
copy each piece and hand it over, which costs processor and some 20 MB. Over TLS the worker decrypts as well, which the
event loop would do for all bodies in turn: asyncio's transport is stopped, and its TLS object taken over.
"""

import asyncio
import os
import select
import socket
import ssl
import threading

from mirrord.registry.http import ClientPayloadError, ClientResponse
from mirrord.registry.tls import Opened

LEAST = 2 << 20
"""Bytes still to come that make it worth while: its connection can't be used again afterwards."""
_ENOUGH = 64 << 10
"""Bytes that have to be there before anyone is woken. More would clamp the window that the kernel begins with."""
DRAUGHT, SIP = 8 << 20, 256 << 10
"""Bytes that a worker takes in one call, and where a pace has to be kept."""
_LINGER = 0.002
"""Seconds for which a worker waits for so many before it gives its thread back."""
_PATIENCE = 0.25
"""Seconds after which fewer are taken as well."""
_RECORD = 16 << 10
"""Bytes of one TLS record at most (RFC 8446, 5.1): so many may have come of it that can't be decrypted yet."""


class Sealed:
    """A connection's TLS over its socket, in a worker thread: gives what is decrypted, as the socket gives the rest.

    Only one thread uses it at a time, and the connection's transport no longer does.
    """

    def __init__(self, connection: socket.socket, tls: Opened) -> None:
        self.is_dry = False
        """Whether there is nothing to be had without the socket."""
        self._socket = connection
        self._tls = tls
        self._room = memoryview(bytearray(SIP))

    def recv_into(self, room: memoryview) -> int:
        """Decrypt into ``room`` what is there. Raises BlockingIOError where nothing is, OSError; 0 is the end."""
        while True:
            try:
                return int(self._tls.read(len(room), room))
            except ssl.SSLWantReadError:
                self.is_dry = True
            self._answer()
            taken = self._socket.recv_into(self._room)
            if not taken:
                return 0
            self._tls.ciphertext.write(self._room[:taken])
            self.is_dry = False

    def _answer(self) -> None:
        """Send what TLS has to say itself (a new key): some bytes, and nothing else is being sent."""
        said = self._tls.answers.read()
        try:
            if said and self._socket.send(said) != len(said):
                raise ConnectionAbortedError
        except BlockingIOError:
            raise ConnectionAbortedError from None


class Tap:
    """What is left of one body, after what aiohttp had read of it. Only one of `wait` and `fill` runs at a time."""

    def __init__(
        self, head: bytes, connection: socket.socket, left: int, timeout: float, tls: Opened | None = None
    ) -> None:
        self.head = head
        """What aiohttp had read, which comes first; may be empty."""
        self.left = left
        """Bytes that the socket still has to give."""
        self.waited = 0.0
        """Seconds spent on waiting for the network since this was last set to 0."""
        self._timeout = timeout
        self._now = asyncio.get_running_loop().time
        self._socket = connection
        self._sealed = None if tls is None else Sealed(connection, tls)
        self._source = self._sealed or connection
        self._going: asyncio.Transport | None = None
        """A TLS transport that still reads the socket, and decrypts no more."""
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)
        self._allowed = 0
        self._is_broken = self._is_closed = False
        self._busy = threading.Lock()

    @staticmethod
    def open(response: ClientResponse, size: int, timeout: float, *, is_direct: bool) -> "Tap | None":
        """Take over a body of ``size`` bytes, of which nothing is read yet; None where that can't be or does not pay.

        It can't with a transfer coding, nor over TLS through a proxy (``is_direct``), which may be TLS within TLS.
        ``timeout`` is what `wait` allows without a byte, in seconds. The response has to be closed after the tap, and
        not released.
        """
        transport = response.connection.transport if response.connection else None
        if (
            transport is None
            or size - response.content.total_bytes < LEAST
            or response.content_length != size
            or "Transfer-Encoding" in response.headers
        ):
            return None
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and not (is_direct and isinstance(tls, Opened)):
            return None
        plain = transport.get_extra_info("socket")
        if plain is None or response.content.exception() is not None:
            return None
        try:
            own = socket.socket(fileno=os.dup(plain.fileno()))
        except OSError:  # no descriptor to spare: it goes on without one
            return None
        own.settimeout(0)
        head = response.content.read_nowait()
        transport.pause_reading()  # only now: a full reader that is emptied lets its transport go on
        tap = Tap(head, own, size - len(head), timeout, tls)
        tap._going = None if tls is None else transport
        return tap

    def fill(self, room: memoryview) -> int:
        """Read into ``room`` what comes soon, and how much that was; called by a worker thread.

        Less than there is room for where the sender makes a pause or has ended, or enough was taken for now.
        """
        with self._busy:
            count = self._fill(room[: min(self.left, self._allowed)]) if not self._is_closed else 0
            self.left -= count
            self._allowed -= count
        return count

    def _fill(self, room: memoryview) -> int:
        count = 0
        while count < len(room):
            try:
                taken = self._source.recv_into(room[count:])
            except BlockingIOError:
                if not self._lingers():
                    break
                continue
            except OSError:
                taken = 0
            if not taken:
                self._is_broken = True
                break
            count += taken
        return count

    def _lingers(self) -> bool:
        """Wait a moment for more, and whether there is."""
        began = self._now()
        is_ready = bool(self._poll.poll(_LINGER * 1000))
        self.waited += self._now() - began
        return is_ready

    async def wait(self, allowed: int) -> None:
        """Wait until it is worth while to `fill` again, with up to ``allowed`` bytes in all.

        Raises TimeoutError after ``timeout`` without a byte, and ClientPayloadError once the sender has ended it early.
        """
        if self._is_broken:
            raise ClientPayloadError
        self._allowed = allowed
        if self._going is not None:
            await self._stop(self._going)
        if self._sealed is not None and not self._sealed.is_dry:
            return
        sure = self.left if self._sealed is None else max(self.left - _RECORD, 1)
        enough = min(sure, _ENOUGH)
        if not await self._has(enough, _PATIENCE):
            if not await self._has(1, self._timeout):
                raise TimeoutError
            self._wake_for(enough)  # or a worker would linger for each byte of a sender that drips

    async def _stop(self, transport: asyncio.Transport) -> None:
        """Have a TLS transport read no more: what it has read by then is the first that the worker decrypts."""
        await asyncio.sleep(0)  # it may have been about to go on
        if transport.is_closing():
            raise ClientPayloadError
        transport.set_read_buffer_limits(high=0)  # type: ignore[attr-defined] # a TLS transport's own
        self._going = None

    async def _has(self, count: int, patience: float) -> bool:
        """Whether so many bytes come, or the end, within ``patience`` seconds."""
        self._wake_for(count)
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        began = self._now()
        loop.add_reader(self._socket.fileno(), _settle, ready)
        try:
            return bool((await asyncio.wait([ready], timeout=patience))[0])
        finally:
            loop.remove_reader(self._socket.fileno())
            self.waited += self._now() - began

    def _wake_for(self, count: int) -> None:
        """Call the socket readable, from now on, where so many bytes are there, or the end."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def close(self) -> None:
        """Let go of the socket, once no worker reads it: one may still do so for whom nobody waits any more."""
        with self._busy:
            self._is_closed = True
            self._socket.close()


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)

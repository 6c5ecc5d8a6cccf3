"""A body that worker threads take from its socket: what a sender can make them do."""

import asyncio
import socket
from typing import Any

from mirrord.registry.tap import DRAUGHT, Tap

DRIPS = 1000


class Dripping(socket.socket):
    """A socket whose sender gives one more byte each time all was taken: as soon as anybody could wait for it."""

    sender: socket.socket
    drips = 0

    def recv_into(self, *given: Any) -> int:  # noqa: ANN401 - as the socket's own
        """Take what is there; where nothing is, more comes at once."""
        try:
            return super().recv_into(*given)
        except BlockingIOError:
            if self.drips < DRIPS:
                self.drips += 1
                self.sender.sendall(b"x")
            raise


async def test_a_sender_that_drips_keeps_no_worker() -> None:
    """Bounded: a worker gives its thread back while the sender goes on, however soon the next byte comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        own = Dripping(fileno=socket.create_connection(listener.getsockname()).detach())
        own.sender, _ = listener.accept()
    with own.sender:
        own.settimeout(0)
        tap = Tap(b"", own, 1 << 30, 60.0)
        own.sender.sendall(b"x")
        await tap.wait(DRAUGHT)
        taken = await asyncio.to_thread(tap.fill, memoryview(bytearray(1 << 20)))
        tap.close()
    assert 0 < taken < DRIPS // 2

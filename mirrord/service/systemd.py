"""Speaking to systemd: readiness, reloading, stopping and the watchdog (sd_notify(3)); silent without it."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping

_USEC = 1_000_000


class Notifier:
    """Sends states to the socket that ``$NOTIFY_SOCKET`` names; does nothing where it names none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._watchdog = _interval(environment)

    def ready(self, status: str) -> None:
        """The mirror runs, and says how it stands."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """The config is being read again; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The mirror ends."""
        self._send("STOPPING=1")

    async def feed_watchdog(self) -> None:
        """Say from the event loop, for as long as it turns, that it does; until cancelled."""
        while self._watchdog:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog / 3)

    def _send(self, state: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(state.encode(), socket.MSG_DONTWAIT, address)
            except OSError:  # systemd is not there or busy: its own time-outs tell
                return


def _interval(environment: Mapping[str, str]) -> float:
    """Seconds within which systemd wants to hear from this process; 0 is never."""
    text, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not text.isdecimal() or pid not in {"", str(os.getpid())}:
        return 0.0
    return int(text) / _USEC

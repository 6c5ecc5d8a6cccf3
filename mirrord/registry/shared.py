"""What all runs of one process share of the limits: requests at once, each host's gate, and the bandwidth."""

import asyncio

from mirrord.config.model import Limits, RegistryConfig
from mirrord.registry.gate import Gate, Places
from mirrord.registry.pace import Pace


class Shared:
    """Limits by one config, over all hosts; to be used in one event loop.

    A host that throttled one run has throttled the next one, too.
    """

    def __init__(self, limits: Limits) -> None:
        self.pace = Pace(limits.bandwidth) if limits.bandwidth else None
        """Of all transfers together."""
        self._everybody = asyncio.Semaphore(limits.concurrency)
        self._max_wait = limits.max_wait
        self._gates: dict[str, Gate] = {}
        self._paces: dict[str, Pace] = {}

    def gate(self, host: str, config: RegistryConfig) -> Gate:
        """The gate of a host."""
        if host not in self._gates:
            places = Places(config.concurrency)
            per_second = config.requests_per_second
            self._gates[host] = Gate(host, places, self._everybody, self._max_wait, per_second=per_second)
        return self._gates[host]

    def pace_of(self, host: str, config: RegistryConfig) -> Pace | None:
        """The pace of a host's transfers; None where it has none of its own."""
        if not config.bandwidth:
            return None
        return self._paces.setdefault(host, Pace(config.bandwidth))

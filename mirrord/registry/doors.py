"""The endpoints of one registry: which one is asked now, and which is not asked again in this run.

Decides only; the transport tells it what became of each attempt.
"""

from collections.abc import Sequence

from msgspec import Struct

from mirrord.errors import NetworkError
from mirrord.events import get_logger
from mirrord.registry.auth import Authenticator
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.failures import TransientError

REST = 300.0
"""Seconds for which an endpoint that failed is passed over, where there is another."""

_log = get_logger()


class Door(Struct):
    """One endpoint, and how it has done in this run."""

    endpoint: Endpoint
    auth: Authenticator
    has_answered: bool = False
    rounds: int = 0
    """Connections in a row that failed; those that were under way together count once."""
    failed_at: float = float("-inf")
    rests_until: float = float("-inf")
    closed: str = ""
    """Why it is not asked again; empty while it is."""


class Doors:
    """One registry's endpoints, in the config's order."""

    def __init__(self, host: str, doors: Sequence[Door], attempts: int) -> None:
        self._host = host
        self._doors = doors
        self._attempts = attempts
        self._current = doors[0]

    @property
    def first(self) -> Door:
        """The endpoint that is meant to be asked."""
        return self._doors[0]

    def choose(self, about: object, now: float) -> Door:
        """The endpoint to ask now. Raises NetworkError, with the first failure's words, where none is asked again."""
        door = self._current
        if door is self._doors[0] and not door.closed:
            return door
        open_doors = [door for door in self._doors if not door.closed]
        if not open_doors:
            raise NetworkError(f"{about}: {door.closed}; it is not asked again in this run")
        if door.closed or now >= self._doors[0].rests_until:
            rested = [door for door in open_doors if now >= door.rests_until]
            self._current = (rested or open_doors)[0]
        return self._current

    def answered(self, door: Door) -> None:
        """Take note that an endpoint has answered."""
        door.has_answered, door.rounds = True, 0

    def unreachable(self, door: Door, began: float, now: float, failure: TransientError, about: str) -> bool:
        """Take note of a connection that did not come about; whether another endpoint is to be asked at once.

        An endpoint that never answered in this run has one connect timeout to do so: a timeout has asked many times
        already. One that did, and one that refuses at once, are tried as often as a request is.
        """
        if began >= door.failed_at:
            door.rounds += 1
            door.failed_at = now
        if self.failed(door, now):
            return True
        hopeless = failure.is_final or (failure.timed_out and not door.has_answered)
        if not door.closed and door.rounds >= (1 if hopeless else self._attempts):
            door.closed = str(failure.error).removeprefix(f"{about}: ")
            _log.warning("upstream.not_asked_again", host=self._host, reason=door.closed)
        return False

    def failed(self, door: Door, now: float) -> bool:
        """Pass an endpoint over for a while, where there is another; whether there is one to be asked at once."""
        door.rests_until = now + REST
        others = [other for other in self._doors if not other.closed and now >= other.rests_until]
        if not others:
            return False
        if self._current is door:
            self._current = others[0]
            _log.warning(
                "upstream.endpoint_changed", host=self._host, left=str(door.endpoint), asked=str(others[0].endpoint)
            )
        return True

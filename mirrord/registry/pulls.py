"""Docker Hub's remaining pulls: read from its answers, and manifests asked for only while some are left.

`HEAD` is free there and goes on; a `GET` of a manifest counts. Other registries that say the same are treated the same.
"""

import re
import time
from collections.abc import Mapping

from msgspec import Struct

from mirrord.errors import DeferredError
from mirrord.events import get_logger

KEPT = 1
"""Pulls that are left alone: the count never gets to 0, where the host would refuse everybody behind this address."""

_VALUE = re.compile(r"\s*([0-9]{1,9})\s*;\s*w=([0-9]{1,8})\s*")
_log = get_logger()


class Pulls(Struct, frozen=True):
    """What a host said of the pulls that are left."""

    remaining: int
    limit: int
    window: int
    """Seconds within which that many may be made."""
    at: float
    """When it said so: Unix time."""

    @property
    def back_by(self) -> float:
        """When at the latest all are there again: Unix time."""
        return self.at + self.window

    @property
    def resumes(self) -> float | None:
        """By when at the latest manifests are asked for again (Unix time); None where they are not held back."""
        return self.back_by if self.remaining <= KEPT else None

    def document(self) -> dict[str, float]:
        """As JSON."""
        return {"remaining": self.remaining, "limit": self.limit, "window": self.window, "at": int(self.at)}

    @classmethod
    def read(cls, document: Mapping[str, object]) -> "Pulls":
        """Read what ``document`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        remaining, limit, window = (int(str(document[name])) for name in ("remaining", "limit", "window"))
        return cls(remaining, limit, window, float(str(document["at"])))


def read_pulls(headers: Mapping[str, str], now: float) -> Pulls | None:
    """The pulls left by ``ratelimit-remaining: 76;w=21600`` and ``ratelimit-limit``; None where it does not say."""
    left = _VALUE.fullmatch(headers.get("ratelimit-remaining", ""))
    if left is None:
        return None
    most = _VALUE.fullmatch(headers.get("ratelimit-limit", ""))
    return Pulls(int(left[1]), int((most or left)[1]), int(left[2]), now)


class Quota:
    """One host's pulls. Nothing is known of them, and nothing is held back, until the host speaks of them."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.pulls: Pulls | None = None
        self._under_way = 0
        self._is_told = False

    def begin(self, about: object) -> None:
        """Count a manifest that is about to be asked for. Raises DeferredError where it would be one too many."""
        pulls = self.pulls
        if pulls and pulls.remaining - self._under_way <= KEPT and time.time() < pulls.back_by:
            self._refuse(about, pulls)
        self._under_way += 1

    def end(self) -> None:
        """Take note that a manifest that `begin` counted was answered."""
        self._under_way -= 1

    def note(self, headers: Mapping[str, str]) -> None:
        """Take what an answer says of the pulls left."""
        self.pulls = read_pulls(headers, time.time()) or self.pulls

    def _refuse(self, about: object, pulls: Pulls) -> None:
        seconds = max(pulls.back_by - time.time(), 1.0)
        by = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(pulls.back_by))
        if not self._is_told:
            self._is_told = True
            _log.warning(
                "upstream.pulls_used_up",
                host=self._host,
                remaining=pulls.remaining,
                limit=pulls.limit,
                back_by=by,
            )
        raise DeferredError(
            f"{about}: {self._host} allows {pulls.limit} pulls in {pulls.window / 3600:.3g} h, and {pulls.remaining} "
            f"are left: the rest is left for a later run; all pulls are back by {by}, some before. "
            "A login, or a paid one, has more",
            seconds=seconds,
        )

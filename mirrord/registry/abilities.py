"""What was found out about registries, as one value that a caller keeps between runs: losing it costs requests."""

import time
from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct, field

from mirrord.registry.pulls import Pulls

DOUBTED_AFTER = 7 * 86_400.0
"""Seconds after which a registry without the referrers API is asked again whether it has it."""


class Abilities(Struct):
    """By host, whether it has the referrers API, and the pulls it said are left."""

    pulls: dict[str, Pulls] = field(default_factory=dict)
    _referrers: dict[str, tuple[bool, float]] = field(default_factory=dict)
    """With when that was found out (Unix time)."""
    is_changed: bool = False

    def has_referrers(self, host: str) -> bool | None:
        """Whether a host has the referrers API; None where it is to be asked."""
        known = self._referrers.get(host)
        if known is None:
            return None
        has, at = known
        return has if has or 0 <= time.time() - at < DOUBTED_AFTER else None

    def note_referrers(self, host: str, *, has: bool) -> None:
        """Take note of what a host answered. One that has the API has it, whatever it answers about one image."""
        before = self.has_referrers(host)
        if before is None or (has and not before):
            self._referrers[host] = (has, time.time())
            self.is_changed = True

    def note_pulls(self, found: Mapping[str, Pulls]) -> None:
        """Take note of the pulls that are left."""
        if found:
            self.pulls |= found
            self.is_changed = True

    def with_newest(self, other: "Abilities") -> "Abilities":
        """What either found out, and of what both did the newer: several runs of one process do so side by side."""
        pulls, referrers = dict(self.pulls), dict(self._referrers)
        pulls |= {host: each for host, each in other.pulls.items() if host not in pulls or each.at >= pulls[host].at}
        for host, each in other._referrers.items():  # noqa: SLF001 - this class's own
            if host not in referrers or each[1] >= referrers[host][1]:
                referrers[host] = each
        return Abilities(pulls, referrers)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "referrers": {host: {"has": has, "at": int(at)} for host, (has, at) in sorted(self._referrers.items())},
            "pulls": {host: pulls.document() for host, pulls in sorted(self.pulls.items())},
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read what ``document`` wrote. Raises ValueError, KeyError, TypeError or AttributeError for anything else."""
        return cls(
            {str(host): Pulls.read(pulls) for host, pulls in document["pulls"].items()},
            {str(host): (bool(each["has"]), float(each["at"])) for host, each in document["referrers"].items()},
        )

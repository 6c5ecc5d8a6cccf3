"""What comes next for each group, kept as long as its past is the same: the daemon asks each minute, of all of them."""

from datetime import datetime

from msgspec import Struct, field

from mirrord.config.groups import Group
from mirrord.service.agenda import Due, Past, next_run

_NEVER = Past()


class Dues(Struct):
    """The next runs, under one config."""

    timezone: str
    _known: dict[str, tuple[Past, Due]] = field(default_factory=dict)
    """By group, what was found for which past."""

    def of(self, group: Group, past: Past | None, now: datetime) -> Due:
        """The next run of a group; no ``past``: it never ran."""
        past = past or _NEVER
        if past.begun is None:  # at once, whenever that is
            return next_run(group, self.timezone, past, now)
        known = self._known.get(group.name)
        if known is None or known[0] is not past:
            known = self._known[group.name] = past, next_run(group, self.timezone, past, now)
        return known[1]

"""Which news of a run somebody wants to hear: from the status before and after it. Pure."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from mirrord.config.sections import NotifyEvent
from mirrord.errors import Owner
from mirrord.sync.status import ImageStatus, MirrorStatus

SHOWN = 100
"""Images that one notice names; the rest is counted."""
SCHEMA = "mirrord.notice/1"


class Notice(Struct, frozen=True):
    """One thing that happened to some images."""

    event: NotifyEvent
    images: tuple[tuple[str, ImageStatus], ...]

    def document(self, mirror: str, now: datetime) -> dict[str, object]:
        """As a webhook gets it."""
        return {
            "schema": SCHEMA,
            "event": self.event,
            "mirror": mirror,
            "time": now.isoformat(timespec="seconds"),
            "count": len(self.images),
            "images": [_image(name, image) for name, image in self.images[:SHOWN]],
        }


def news(before: MirrorStatus, after: MirrorStatus, pinned: frozenset[str]) -> list[Notice]:
    """What became of images in a run: newly failing, right again, and pinned tags that moved upstream."""
    failed, recovered, changed = [], [], []
    for name, image in after.images.items():
        was = before.images.get(name)
        is_new_trouble = image.trouble is not None and (was is None or was.trouble is None)
        if is_new_trouble and name in pinned and image.trouble and image.trouble.owner == Owner.UPSTREAM:
            changed.append((name, image))
        elif is_new_trouble:
            failed.append((name, image))
        elif image.trouble is None and was is not None and was.trouble is not None:
            recovered.append((name, image))
    found: list[Notice] = []
    events: list[tuple[NotifyEvent, list[tuple[str, ImageStatus]]]] = [
        ("failed", failed),
        ("recovered", recovered),
        ("changed", changed),
    ]
    found += [Notice(event, tuple(images)) for event, images in events if images]
    return found


def newly_stale(status: MirrorStatus, since: datetime, now: datetime) -> Notice | None:
    """The images that became stale between two looks."""
    found = tuple(_stale(status, since, now))
    return Notice("stale", found) if found else None


def _stale(status: MirrorStatus, since: datetime, now: datetime) -> Iterator[tuple[str, ImageStatus]]:
    return ((name, image) for name, image in status.images.items() if image.is_stale(now) and not image.is_stale(since))


def _image(name: str, image: ImageStatus) -> dict[str, object]:
    return {"name": name, **image.document()}

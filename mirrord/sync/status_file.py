"""``status/status.json`` as this process wrote it last: neither read nor encoded again where nothing changed.

What is remembered is the file of one root, the last one written, and of so many images at most: memory stays flat.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from mirrord.store.layout import Layout
from mirrord.store.public import read_public, write_public
from mirrord.store.reading import parsing
from mirrord.sync.status import ImageStatus, MirrorStatus, encoded, encoded_image

STATUS: Final = "status.json"
IMAGES_KEPT: Final = 5000
"""Images above which nothing is remembered: the file is read and encoded whole each time."""

Identity = tuple[int, int, int, int, int]


@dataclass(slots=True)
class StatusFile:
    """Reads and writes the status. Blocks; who merges holds a lock over both."""

    _identity: Identity | None = None
    """Of the file that holds ``_status``; None: nothing is remembered."""
    _status: MirrorStatus = field(default_factory=MirrorStatus)
    _texts: dict[str, tuple[ImageStatus, str]] = field(default_factory=dict)
    """By name, an image and its text."""

    def read(self, layout: Layout) -> MirrorStatus | None:
        """The status as it lies there; None where there is none. Raises HostError for what is none of ours."""
        if self._identity is not None and _identity(layout.status / STATUS) == self._identity:
            return self._status
        content = read_public(layout, STATUS)
        if content is None:
            return None
        with parsing(layout.status / STATUS):
            return MirrorStatus.decode(content)

    def write(
        self, layout: Layout, status: MirrorStatus, groups: Mapping[str, Mapping[str, object]], about: dict[str, object]
    ) -> None:
        """Replace it by ``status``, with ``groups`` and what else is to stand there. Raises HostError."""
        self._identity = None
        if len(status.images) > IMAGES_KEPT:
            self._status, self._texts = MirrorStatus(), {}
            write_public(layout, STATUS, status.encode({**about, "groups": groups}))
            return
        texts = self._texts
        self._texts = {}
        for name, image in status.images.items():
            known = texts.get(name)
            self._texts[name] = known if known is not None and known[0] is image else (image, encoded_image(image))
        content = encoded({**about, "groups": groups}, ((name, text) for name, (_, text) in self._texts.items()))
        write_public(layout, STATUS, content)
        self._status = replace(status, groups=groups)
        self._identity = _identity(layout.status / STATUS)


def _identity(path: Path) -> Identity | None:
    """What tells the file from any that is put in its place, or written over; None where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

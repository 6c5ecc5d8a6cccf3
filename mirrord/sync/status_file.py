"""``status/status.json`` as this process wrote it last: neither read nor encoded again where nothing changed.

What is remembered is the file of one root, the last one written, and of so many images at most: memory stays flat.
"""

import json
import os
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from mirrord.store.layout import Layout
from mirrord.store.public import read_public, write_public
from mirrord.store.reading import parsing
from mirrord.sync.status import ImageStatus, MirrorStatus, encoded, encoded_image

STATUS: Final = "status.json"
IMAGES_KEPT: Final = 5000
"""Images above which nothing is remembered: the file is read and encoded whole each time."""

_NONE = (ImageStatus("", 0.0), b"")

Identity = tuple[int, int, int, int, int]


class StatusFile(Struct):
    """Reads and writes the status. Blocks; who merges holds a lock over both."""

    _identity: Identity | None = None
    """Of the file that holds ``_status``; None: nothing is remembered."""
    _status: MirrorStatus = field(default_factory=MirrorStatus)
    _texts: dict[str, tuple[ImageStatus, bytes]] = field(default_factory=dict)
    """By name, sorted: an image, and its name and text as they stand there."""

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
        images, texts = status.images, self._texts
        if texts.keys() != images.keys():
            texts = {name: texts.get(name, _NONE) for name in sorted(images)}
        for name in [name for name, (image, _) in texts.items() if images[name] is not image]:
            texts[name] = images[name], f"{json.dumps(name)}:{encoded_image(images[name])}".encode()
        self._texts = texts
        begun = encoded({**about, "groups": groups}, ()).removesuffix(b"}}")
        write_public(layout, STATUS, begun + b",".join(map(itemgetter(1), texts.values())) + b"}}")
        self._status = replace(status, groups=groups)
        self._identity = _identity(layout.status / STATUS)


def _identity(path: Path) -> Identity | None:
    """What tells the file from any that is put in its place, or written over; None where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

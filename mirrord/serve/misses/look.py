"""What became of each miss: it is here by now, it is kept out, the config names it already, or a line would add it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from mirrord.config.images import Image, images_of
from mirrord.config.model import Config
from mirrord.errors import InvalidReferenceError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository
from mirrord.serve.misses.log import Missed, Reading
from mirrord.serve.misses.origin import line_for, origin_of
from mirrord.serve.misses.tally import MOST_CLIENTS, Count, Tally
from mirrord.store.blocks import Blocks
from mirrord.store.tree import Tree


class Standing(StrEnum):
    """Why something is not here."""

    ABSENT = "absent"
    """Nothing names it; a line in the config would."""
    UNSELECTED = "unselected"
    """Its repository is mirrored, and this tag or digest is not selected."""
    CONFIGURED = "configured"
    """The config names it, and it has not come."""
    BLOCKED = "blocked"
    """An operator keeps it out."""
    NOWHERE = "nowhere"
    """No upstream can have it under that name."""


class Miss(Struct, frozen=True):
    """One thing that clients asked for, and that the mirror lacks."""

    count: Count
    standing: Standing
    upstream: Repository | None
    line: str
    """What to write below ``images:``; "" where that would not help."""
    note: str
    """What to know of it, in words."""

    @property
    def name(self) -> str:
        """As a client says it, to this mirror."""
        missed = self.count.first
        mark = "@" if ":" in missed.reference else ":"
        return f"{missed.repository}{mark}{missed.reference}" if missed.reference else missed.repository

    def document(self) -> dict[str, object]:
        """As in `--json` and ``status/misses.json``: no client is named."""
        return {
            "name": self.name,
            "repository": self.count.first.repository,
            "reference": self.count.first.reference,
            "times": self.count.times,
            "clients": len(self.count.clients),
            "clients_are_more": len(self.count.clients) >= MOST_CLIENTS,
            "last": self.count.last.isoformat(timespec="seconds"),
            "standing": str(self.standing),
            "upstream": str(self.upstream) if self.upstream else None,
            "line": self.line,
            "note": self.note,
        }


class Found(Struct, frozen=True):
    """All that the logs told."""

    misses: Sequence[Miss]
    here_now: int
    """Different misses that are served by now."""
    tally: Tally
    reading: Reading

    def document(self) -> dict[str, object]:
        """As `--json` prints it and ``status/misses.json`` holds it, but for its schema."""
        since = self.tally.since
        return {
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "since": since.isoformat(timespec="seconds") if since else None,
            "misses": [miss.document() for miss in self.misses],
            "here_now": self.here_now,
            "dropped": self.tally.dropped,
            "nameless": self.reading.nameless,
            "unreadable": self.reading.unreadable,
        }


def look(tally: Tally, reading: Reading, tree: Tree, blocks: Blocks | None, config: Config | None) -> Found:
    """What is lacking of all that was missed. ``blocks`` are None where this user may not read them.

    Raises HostError, ConfigError.
    """
    config = config or Config()
    images = images_of(config)
    by_name = {image.local_name: image for image in images if not image.is_catalog}
    misses, here = [], 0
    for count in tally.sorted():
        if _is_here(count.first, tree):
            here += 1
        else:
            misses.append(_judged(count, images, by_name, blocks, config))
    return Found(misses, here, tally, reading)


def _is_here(missed: Missed, tree: Tree) -> bool:
    if not missed.reference:
        return bool(tree.tags(missed.repository))
    if ":" in missed.reference:
        return tree.by_digest(missed.repository, Digest.parse(missed.reference)) is not None
    return tree.by_tag(missed.repository, missed.reference) is not None


def _judged(
    count: Count, images: Sequence[Image], by_name: Mapping[str, Image], blocks: Blocks | None, config: Config
) -> Miss:
    missed = count.first
    upstream = origin_of(missed, by_name, config)
    if blocks is not None and (why := _blocked(missed, blocks)) is not None:
        return Miss(count, Standing.BLOCKED, upstream, "", why)
    if upstream is None:
        return Miss(count, Standing.NOWHERE, None, "", "no upstream can have it under this name")
    mine = [image for image in images if image.local_name == missed.repository and image.repository == upstream]
    if (named := _naming(missed, mine)) is not None:
        note = f"{named.where} names it, and it has not come: mirrord status says why"
        return Miss(count, Standing.CONFIGURED, upstream, "", note)
    catalog = next((image for image in images if image.covers(upstream)), None)
    if mine:
        note = f"other images of it are mirrored ({mine[0].where}); this one is not selected"
    else:
        note = f"{catalog.where} covers it, and its rules leave this out" if catalog else ""
    try:
        line = line_for(upstream, missed.reference, mine[0] if mine else None, config)
    except InvalidReferenceError as error:
        return Miss(count, Standing.NOWHERE, upstream, "", str(error))
    return Miss(count, Standing.UNSELECTED if mine or catalog else Standing.ABSENT, upstream, line, note)


def _naming(missed: Missed, images: Iterable[Image]) -> Image | None:
    """The image that names exactly what was asked for."""
    for image in images:
        if not missed.reference or missed.reference == str(image.digest):
            return image
        if any(missed.reference in rule.literals for rule in image.tags):
            return image
    return None


def _blocked(missed: Missed, blocks: Blocks) -> str | None:
    if ":" in missed.reference:
        found = blocks.of_digests({Digest.parse(missed.reference)}) or blocks.of_tag(missed.repository, "")
    else:
        found = blocks.of_tag(missed.repository, missed.reference)
    if found is None:
        return None
    why = f" ({found.why})" if found.why else ""
    return f"blocked since {found.since}{why}: mirrord unblock {found.what}"

"""What an upstream has and a mirror wants, before a run and after it: every kind of image comes, changes and goes."""

from dataclasses import dataclass, field

from mirrord.demo.images import (
    ARM64,
    BuiltImage,
    artifact,
    fallback_tag,
    image,
    index,
    layer,
    referrers_index,
    signature,
    signature_tag,
)
from mirrord.oci.manifest import parse_manifest

BIG = (3 << 20) + 4096
LESSER = 1 << 20
"""Bytes of a layer that is streamed into a partial, in several writes."""
MANY = 12
"""Small layers of one image: more than are made durable one by one, when they come as one batch."""


@dataclass(frozen=True, slots=True)
class State:
    """What the upstream has and the config wants at one time."""

    images: tuple[tuple[str, BuiltImage, tuple[str, ...]], ...]
    """Repository, image, its tags."""
    wanted: tuple[str, ...]
    """Images of the config; ``{host}`` is the upstream's name."""


@dataclass(frozen=True, slots=True)
class World:
    """Before: what a mirror holds already. After: what the run under test makes of it."""

    before: State
    after: State
    big: bytes = field(repr=False)
    """A new layer that a worker reads from its socket."""
    lesser: bytes = field(repr=False)
    """A new layer that comes through aiohttp."""
    many: frozenset[str]
    """Digests of the small blobs of one new image."""

    @classmethod
    def of(cls, seed: str) -> "World":
        """A world of fresh content: the run adds, changes and removes images of every kind."""
        shared, big, lesser = layer(f"{seed} shared"), layer(f"{seed} big", BIG), layer(f"{seed} lesser", LESSER)
        old = index(image(f"{seed} old"), image(f"{seed} old", platform=ARM64))
        new = index(
            image(f"{seed} new", layers=(shared, big)),
            image(f"{seed} new", layers=(shared, lesser), platform=ARM64),
        )
        many = image(f"{seed} many", layers=[layer(f"{seed} {number}", 100 + number) for number in range(MANY)])
        tool = image(f"{seed} tool")
        statement = artifact(f"{seed} statement", "application/vnd.test.statement", new)
        listed = BuiltImage(parse_manifest(referrers_index([statement])))
        kept = (
            ("base", image(f"{seed} base", layers=(shared,)), ("3",)),
            ("tool", tool, ("1",)),
            ("copy", tool, ("1",)),
        )
        before = (
            *kept,
            ("app", old, ("1.0",)),
            ("app", signature(old), (signature_tag(old.digest),)),
            ("app", image(f"{seed} dropped"), ("0.9",)),
            ("gone", image(f"{seed} gone", layers=(shared,)), ("1",)),
        )
        after = (
            *kept,
            ("app", new, ("1.0",)),
            ("app", signature(new), (signature_tag(new.digest),)),
            ("app", statement, ()),
            ("app", listed, (fallback_tag(new.digest),)),
            ("app", old, ("1.0-old",)),
            ("app", signature(old), (signature_tag(old.digest),)),
            ("base", many, ("4",)),
            ("new/repository", tool, ("2",)),
        )
        return cls(
            State(
                before,
                (
                    '{{name: "{host}/app", tags: ["1.0", "0.9"]}}',
                    "{host}/base:3",
                    "{host}/copy:1",
                    "{host}/tool:1",
                    "{host}/gone:1",
                ),
            ),
            State(
                after,
                (
                    '{{name: "{host}/app", tags: ["1.0*"]}}',
                    '{{name: "{host}/base", tags: ["3", "4"]}}',
                    "{host}/copy:1",
                    "{host}/tool:1",
                    f"{{host}}/new/repository@{tool.digest}",
                    "{host}/new/repository:2",
                ),
            ),
            big.content,
            lesser.content,
            frozenset(str(blob.digest) for blob in many.manifest.blobs),
        )

    def first(self) -> "World":
        """The same, but that there is no root before, and the run makes the earlier state of it."""
        return World(State((), ()), self.before, b"", b"", frozenset())

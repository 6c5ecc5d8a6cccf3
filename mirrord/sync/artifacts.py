"""Which kinds of signatures, SBOMs and the like come with an image: pure, over what manifests and lists say of them."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from mirrord.config.model import Referrers
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Descriptor, Manifest

Entries = tuple[Mapping[str, Any], ...]
"""The descriptors a referrers document lists."""
DAY = 86_400.0


class Kinds(Struct, frozen=True):
    """The artifact types that are wanted."""

    globs: tuple[str, ...] = ()
    """None is all."""

    @classmethod
    def of(cls, option: bool | Referrers) -> "Kinds":  # noqa: FBT001 - as the config has it
        """What an image's option says of types."""
        return cls(option.types) if isinstance(option, Referrers) else cls()

    def want(self, artifact_type: str) -> bool:
        """Whether artifacts of this type are wanted."""
        return not self.globs or any(fnmatchcase(artifact_type, glob) for glob in self.globs)

    def want_manifest(self, manifest: Manifest) -> bool:
        """Whether an artifact is wanted by its type or, as cosign's have no better one, by that of a layer."""
        return self.want(manifest.referrer_type) or any(self.want(layer.media_type) for layer in manifest.layers)


def recheck_of(options: Iterable[bool | Referrers]) -> float:
    """Seconds after which one repository's referrers are looked for again: the shortest that its images say."""
    return min((option.recheck if isinstance(option, Referrers) else DAY for option in options if option), default=DAY)


def entry_of(artifact: Descriptor) -> Mapping[str, Any]:
    """A descriptor as a referrers document has it (distribution-spec, "Listing Referrers")."""
    return {
        "mediaType": artifact.media_type,
        "digest": str(artifact.digest),
        "size": artifact.size,
        **({"artifactType": artifact.artifact_type} if artifact.artifact_type else {}),
        **({"annotations": dict(artifact.annotations)} if artifact.annotations else {}),
    }


def united(*lists: Entries) -> Entries:
    """All that several lists name, each artifact once, as the first has it."""
    return tuple({entry["digest"]: entry for listed in reversed(lists) for entry in reversed(listed)}.values())[::-1]


def still_wanted(held: Entries, kinds: Kinds) -> Entries:
    """What of a held list stays though its upstream no longer lists it: as with tags, all that is not unwanted."""
    return tuple(entry for entry in held if kinds.want(str(entry.get("artifactType", ""))))


def digests_in(listed: Entries) -> set[Digest]:
    """The artifacts that a list names."""
    return {Digest.parse(str(entry["digest"])) for entry in listed}

"""Manifests and indexes: reading them strictly, and what they refer to. The bytes themselves are never re-encoded."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct, field

from mirrord.errors import InvalidDigestError, InvalidManifestError, InvalidPlatformError
from mirrord.oci.digest import Algorithm, Digest
from mirrord.oci.document import check_spelling, items_of, read_document, text_of
from mirrord.oci.platform import Platform, PlatformChoice

MAX_MANIFEST_SIZE = 8 << 20
"""Bytes a manifest may have (``limits.manifest_size`` can lower it)."""
MAX_CONTENT_SIZE = 1 << 44
"""Bytes a descriptor may claim (16 TiB): more is no real layer."""
_MAX_ENTRIES = 20_000
_SHOWN = 100
"""Characters of a document's own words that an error shows."""

ATTESTATION_OF = "vnd.docker.reference.digest"
"""Annotation of an index entry that attests to the entry with that digest (BuildKit)."""


class Kind(StrEnum):
    """The four kinds of manifest; the value is the extension of its file in the tree."""

    OCI_INDEX = "oci-index"
    OCI_MANIFEST = "oci-manifest"
    DOCKER_LIST = "docker-list"
    DOCKER_MANIFEST = "docker-manifest"

    @property
    def media_type(self) -> str:
        """What a registry puts into Content-Type for it."""
        return _MEDIA_TYPES[self]

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests rather than layers."""
        return self in {Kind.OCI_INDEX, Kind.DOCKER_LIST}

    @classmethod
    def of_media_type(cls, media_type: str) -> "Kind | None":
        """The kind a media type names (parameters ignored), or None."""
        return _KINDS.get(media_type.partition(";")[0].strip().lower())


_MEDIA_TYPES = {
    Kind.OCI_INDEX: "application/vnd.oci.image.index.v1+json",
    Kind.OCI_MANIFEST: "application/vnd.oci.image.manifest.v1+json",
    Kind.DOCKER_LIST: "application/vnd.docker.distribution.manifest.list.v2+json",
    Kind.DOCKER_MANIFEST: "application/vnd.docker.distribution.manifest.v2+json",
}
_KINDS = {media_type: kind for kind, media_type in _MEDIA_TYPES.items()}
ACCEPT = ", ".join(_MEDIA_TYPES.values())
"""The Accept header of a manifest request: exactly the four kinds."""


class Descriptor(Struct, frozen=True):
    """A pointer to content (image-spec, descriptor.md): what it is, its digest and its size in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Whether the content is to be had from ``urls``, not from the registry (non-distributable layers)."""
        return bool(self.urls)


class Manifest(Struct, frozen=True):
    """One manifest: its bytes as they came, and what it refers to."""

    kind: Kind
    raw: bytes
    digest: Digest
    children: tuple[Descriptor, ...] = ()
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers, each digest once; foreign layers too. Empty for an index."""
        found: dict[Digest, Descriptor] = {}
        for blob in (*((self.config,) if self.config else ()), *self.layers):
            if blob.digest not in found or not blob.is_foreign:  # listed both ways, it must be held
                found[blob.digest] = blob
        return tuple(found.values())

    @property
    def referrer_type(self) -> str:
        """The artifactType a referrers list gives it: its own, else its config's media type (distribution-spec)."""
        return self.artifact_type or (self.config.media_type if self.config else "")

    def offers(self, choice: PlatformChoice) -> bool:
        """Whether an index has something of the chosen platforms; an empty index, and any manifest, has."""
        if choice.wanted is None or not self.children:
            return True
        return any(c.platform is None or not c.platform.is_unknown for c in self.chosen(choice))

    def chosen(self, choice: PlatformChoice) -> tuple[Descriptor, ...]:
        """The children of the chosen platforms, with the attestations that belong to them.

        Entries without a platform are always chosen: they may be indexes or artifacts. An index keeps its bytes and
        digest whatever is chosen.
        """
        if choice.wanted is None:
            return self.children
        by_platform = [c for c in self.children if c.platform is None or choice.includes(c.platform)]
        kept = {str(child.digest) for child in by_platform}
        unknown = [c for c in self.children if c.platform is not None and c.platform.is_unknown]
        attesting = {c.digest for c in unknown if c.annotations.get(ATTESTATION_OF, "") in {"", *kept}}
        return tuple(c for c in self.children if str(c.digest) in kept or c.digest in attesting)


def parse_manifest(raw: bytes, content_type: str = "", algorithm: Algorithm = "sha256") -> Manifest:
    """Read a manifest as it came from a registry or disk.

    The document's own ``mediaType`` decides its kind, then ``content_type``, then its shape (an OCI document may
    leave it out). Raises InvalidManifestError for schema 1, a document that is two kinds at once (CVE-2021-41190),
    more than 8 MiB, keys that occur twice, and negative or absurd sizes.
    """
    if len(raw) > MAX_MANIFEST_SIZE:
        raise InvalidManifestError(f"the manifest has {len(raw)} bytes; at most {MAX_MANIFEST_SIZE} are taken")
    document = read_document(raw)
    check_spelling(document, "the document")
    kind = _kind(document, content_type)
    digest = Digest.of(raw, algorithm)
    annotations = _annotations(document)
    artifact_type = text_of(document, "artifactType")
    subject = _descriptor(document["subject"], "subject") if document.get("subject") is not None else None
    if kind.is_index:
        children = _descriptors(document, "manifests")
        _agree(children)
        return Manifest(
            kind, raw, digest, children=children, subject=subject, artifact_type=artifact_type, annotations=annotations
        )
    if document.get("config") is None:
        raise InvalidManifestError("the manifest has no config; expected a descriptor")
    config, layers = _descriptor(document["config"], "config"), _descriptors(document, "layers")
    _agree((config, *layers))
    return Manifest(
        kind,
        raw,
        digest,
        config=config,
        layers=layers,
        subject=subject,
        artifact_type=artifact_type,
        annotations=annotations,
    )


def read_platform(config: bytes) -> Platform | None:
    """The platform an image config names (image-spec, config.md), or None where it names none."""
    try:
        document = read_document(config)
    except InvalidManifestError:
        return None
    return _platform(document)


def _kind(document: Mapping[str, object], content_type: str) -> Kind:
    if document.get("schemaVersion") == 1:
        raise InvalidManifestError(
            "the upstream offers only the retired schema 1 for this image; push it again with a current client"
        )
    has_manifests = document.get("manifests") is not None
    has_layers = any(document.get(key) is not None for key in ("layers", "config", "fsLayers"))
    if has_manifests and has_layers:
        raise InvalidManifestError(
            "the document has both manifests and layers (CVE-2021-41190): it can be read as two images"
        )
    stated = document.get("mediaType")
    kind = Kind.of_media_type(stated) if isinstance(stated, str) else None
    if stated is not None and kind is None:
        raise InvalidManifestError(f"mediaType {str(stated)[:_SHOWN]!r} is none of the four kinds of manifest")
    kind = kind or Kind.of_media_type(content_type)
    if kind is None:
        if not (has_manifests or has_layers):
            raise InvalidManifestError("the document is neither an index (manifests) nor a manifest (config, layers)")
        kind = Kind.OCI_INDEX if has_manifests else Kind.OCI_MANIFEST
    if has_layers if kind.is_index else has_manifests:
        holds = "layers" if has_layers else "manifests"
        raise InvalidManifestError(f"a document of type {kind.media_type} has {holds}")
    return kind


def _descriptors(document: Mapping[str, object], key: str) -> tuple[Descriptor, ...]:
    listed = document.get(key)
    if listed is None and key == "layers":  # an artifact may have none
        return ()
    if not isinstance(listed, list):
        raise InvalidManifestError(f"{key} is not a list of descriptors")
    if len(listed) > _MAX_ENTRIES:
        raise InvalidManifestError(f"{key} has {len(listed)} entries; at most {_MAX_ENTRIES} are taken")
    return tuple(_descriptor(entry, f"{key}[{number}]") for number, entry in enumerate(listed))


def _descriptor(entry: object, where: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise InvalidManifestError(f"{where} is not a descriptor")
    check_spelling(entry, where)
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_CONTENT_SIZE:
        raise InvalidManifestError(
            f"{where}: size {repr(size)[:40]} is not a number of bytes from 0 to {MAX_CONTENT_SIZE}"
        )
    digest = entry.get("digest")
    try:
        parsed = Digest.parse(digest if isinstance(digest, str) else str(digest))
    except InvalidDigestError as error:
        raise InvalidManifestError(f"{where}: {error}") from error
    platform = entry.get("platform")
    return Descriptor(
        text_of(entry, "mediaType"),
        parsed,
        size,
        platform=_platform(platform) if isinstance(platform, dict) else None,
        artifact_type=text_of(entry, "artifactType"),
        annotations=_annotations(entry),
        urls=tuple(url for url in items_of(entry.get("urls")) if isinstance(url, str)),
    )


def _agree(listed: Iterable[Descriptor]) -> None:
    sizes: dict[Digest, int] = {}
    for entry in listed:
        if sizes.setdefault(entry.digest, entry.size) != entry.size:
            raise InvalidManifestError(f"{entry.digest} is listed with two sizes: {sizes[entry.digest]}, {entry.size}")


def _platform(document: Mapping[str, object]) -> Platform | None:
    parts = [text_of(document, key) for key in ("os", "architecture", "variant")]
    try:
        return Platform.parse("/".join(parts if parts[2] else parts[:2]))
    except InvalidPlatformError:  # absent, or nothing that could be chosen or shown
        return None


def _annotations(document: Mapping[str, object]) -> Mapping[str, str]:
    found = document.get("annotations")
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}

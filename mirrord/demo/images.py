"""Builders of small well-formed images, deterministic from a seed, for the demo's upstream and for tests."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from mirrord.oci.digest import Digest
from mirrord.oci.manifest import ATTESTATION_OF, Descriptor, Kind, Manifest, parse_manifest
from mirrord.oci.platform import Platform

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64", "v8")
UNKNOWN = Platform("unknown", "unknown")
CREATED = "2024-01-01T00:00:00Z"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
COSIGN = "application/vnd.dev.cosign.simplesigning.v1+json"
IN_TOTO = "application/vnd.in-toto+json"


class Layer(Struct, frozen=True):
    """One layer: the bytes a registry holds, and the digest of the tar inside, which the config lists."""

    content: bytes
    diff_id: Digest

    def __repr__(self) -> str:
        return f"Layer({self.diff_id})"


class BuiltImage(Struct, frozen=True):
    """A manifest with everything below it, and how an index would list it."""

    manifest: Manifest
    blobs: tuple[bytes, ...] = ()
    children: tuple["BuiltImage", ...] = ()
    platform: Platform | None = None
    entry_annotations: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"BuiltImage({self.digest}, {self.platform})"

    @property
    def digest(self) -> Digest:
        """The digest of its manifest."""
        return self.manifest.digest

    def manifests(self) -> Iterator[Manifest]:
        """Its manifests at every depth, children first."""
        for child in self.children:
            yield from child.manifests()
        yield self.manifest

    def contents(self) -> Iterator[bytes]:
        """Its blobs at every depth."""
        for child in self.children:
            yield from child.contents()
        yield from self.blobs


def layer(seed: str, size: int = 2048) -> Layer:
    """A gzipped tar with one file of ``size`` bytes that don't compress."""
    content = hashlib.shake_256(seed.encode()).digest(size)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo(f"srv/{Digest.of(seed.encode()).hex[:12]}")
        member.size = size
        tar.addfile(member, io.BytesIO(content))
    plain = archive.getvalue()
    return Layer(gzip.compress(plain, compresslevel=0, mtime=0), Digest.of(plain))


def image(
    seed: str, *, layers: Sequence[Layer] | None = None, platform: Platform = AMD64, docker: bool = False
) -> BuiltImage:
    """An image for one platform, of ``layers`` (default: one of its own), as OCI or as Docker schema 2."""
    stack = (layer(f"{seed} {platform}"),) if layers is None else tuple(layers)
    config = encode(
        {
            "created": CREATED,
            "os": platform.os,
            "architecture": platform.architecture,
            **({"variant": platform.variant} if platform.variant else {}),
            "config": {"Cmd": ["/bin/true"], "Labels": {"seed": seed}},
            "rootfs": {"type": "layers", "diff_ids": [str(one.diff_id) for one in stack]},
            "history": [{"created": CREATED, "created_by": f"seed {seed}"} for _ in stack],
        }
    )
    kind, config_type, layer_type = (
        (Kind.DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER) if docker else (Kind.OCI_MANIFEST, OCI_CONFIG, OCI_LAYER)
    )
    contents = tuple(one.content for one in stack)
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": kind.media_type,
            "config": describe(config_type, config),
            "layers": [describe(layer_type, content) for content in contents],
        }
    )
    return BuiltImage(parse_manifest(raw), (config, *contents), platform=platform)


def index(*children: BuiltImage, docker: bool = False) -> BuiltImage:
    """An index (or Docker manifest list) of ``children``, each under its own platform."""
    kind = Kind.DOCKER_LIST if docker else Kind.OCI_INDEX
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": kind.media_type,
            "manifests": [_entry(child) for child in children],
        }
    )
    return BuiltImage(parse_manifest(raw), children=tuple(children))


def attestation(of: BuiltImage) -> BuiltImage:
    """A build attestation, as it stands beside ``of`` in an index: platform unknown/unknown, bound by annotation."""
    statement = encode({"_type": "https://in-toto.io/Statement/v0.1", "subject": str(of.digest)})
    config = encode({"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": []}})
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": Kind.OCI_MANIFEST.media_type,
            "config": describe(OCI_CONFIG, config),
            "layers": [describe(IN_TOTO, statement)],
        }
    )
    annotations = {ATTESTATION_OF: str(of.digest), "vnd.docker.reference.type": "attestation-manifest"}
    return BuiltImage(parse_manifest(raw), (config, statement), platform=UNKNOWN, entry_annotations=annotations)


def artifact(seed: str, artifact_type: str, subject: BuiltImage | None = None) -> BuiltImage:
    """An artifact with the empty config; with ``subject`` it is a referrer of that image."""
    content = hashlib.shake_256(seed.encode()).digest(64)
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": Kind.OCI_MANIFEST.media_type,
            "artifactType": artifact_type,
            "config": describe(EMPTY, b"{}"),
            "layers": [describe("application/octet-stream", content)],
            **({"subject": _descriptor_of(subject)} if subject else {}),
        }
    )
    return BuiltImage(parse_manifest(raw), (b"{}", content))


def signature(of: BuiltImage) -> BuiltImage:
    """What cosign pushes for an image; it belongs under `signature_tag` (the signature itself is made up)."""
    claim = encode({"critical": {"image": {"docker-manifest-digest": str(of.digest)}, "type": "cosign"}})
    config = encode(
        {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(claim))]}}
    )
    signed = {**describe(COSIGN, claim), "annotations": {"dev.cosignproject.cosign/signature": "bm90IHNpZ25lZA=="}}
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": Kind.OCI_MANIFEST.media_type,
            "config": describe(OCI_CONFIG, config),
            "layers": [signed],
        }
    )
    return BuiltImage(parse_manifest(raw), (config, claim))


def signature_tag(digest: Digest) -> str:
    """The tag under which cosign keeps the signature of ``digest``."""
    return f"{digest.algorithm}-{digest.hex}.sig"


def fallback_tag(digest: Digest) -> str:
    """The tag whose index lists what refers to ``digest`` where a registry has no referrers API."""
    return f"{digest.algorithm}-{digest.hex}"


def describe(media_type: str, content: bytes) -> dict[str, Any]:
    """The descriptor of ``content``, as it stands in a document."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def descriptor(content: bytes, media_type: str = OCI_LAYER) -> Descriptor:
    """The descriptor of ``content``, as a value."""
    return Descriptor(media_type, Digest.of(content), len(content))


def encode(document: Mapping[str, object]) -> bytes:
    """A document as bytes, always the same for the same document."""
    return json.dumps(document, separators=(",", ":")).encode()


def referrers_index(referrers: Iterable[BuiltImage | Manifest]) -> bytes:
    """The document of a referrers list (distribution-spec, "Listing Referrers")."""
    listed = [one.manifest if isinstance(one, BuiltImage) else one for one in referrers]
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": Kind.OCI_INDEX.media_type,
            "manifests": [
                {
                    **describe(one.kind.media_type, one.raw),
                    **({"artifactType": one.referrer_type} if one.referrer_type else {}),
                    **({"annotations": dict(one.annotations)} if one.annotations else {}),
                }
                for one in listed
            ],
        }
    )


def _descriptor_of(built: BuiltImage) -> dict[str, Any]:
    return describe(built.manifest.kind.media_type, built.manifest.raw)


def _entry(child: BuiltImage) -> dict[str, Any]:
    platform = child.platform
    return {
        **_descriptor_of(child),
        **(
            {
                "platform": {
                    "architecture": platform.architecture,
                    "os": platform.os,
                    **({"variant": platform.variant} if platform.variant else {}),
                }
            }
            if platform
            else {}
        ),
        **({"annotations": dict(child.entry_annotations)} if child.entry_annotations else {}),
    }

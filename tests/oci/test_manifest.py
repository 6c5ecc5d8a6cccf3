"""Manifests and indexes: what they refer to, and what is chosen of an index."""

import pytest

from mirrord.demo.images import (
    AMD64,
    ARM64,
    BuiltImage,
    artifact,
    attestation,
    describe,
    encode,
    image,
    index,
    layer,
    referrers_index,
    signature,
)
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import ACCEPT, Kind, Manifest, parse_manifest, read_platform
from mirrord.oci.platform import Platform, PlatformChoice

ARMV7 = Platform("linux", "arm", "v7")
AMD64_ALONE = PlatformChoice((AMD64,))
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def chosen(built: BuiltImage, choice: PlatformChoice) -> set[Digest]:
    """The digests that a choice takes of an index."""
    return {child.digest for child in built.manifest.chosen(choice)}


@pytest.mark.parametrize(
    ("built", "kind"),
    [
        (image("a"), Kind.OCI_MANIFEST),
        (image("a", docker=True), Kind.DOCKER_MANIFEST),
        (index(image("a")), Kind.OCI_INDEX),
        (index(image("a", docker=True), docker=True), Kind.DOCKER_LIST),
    ],
)
def test_the_four_kinds_are_told_apart_and_kept_byte_for_byte(built: BuiltImage, kind: Kind) -> None:
    """A manifest has its kind, the digest of its very bytes, and reads back from them as the same value."""
    manifest = built.manifest
    assert manifest.kind is kind
    assert manifest.digest == Digest.of(manifest.raw)
    assert parse_manifest(manifest.raw) == manifest
    assert Kind.of_media_type(kind.media_type.upper() + "; charset=utf-8") is kind
    assert kind.media_type in ACCEPT
    assert bool(manifest.children) == kind.is_index
    assert bool(manifest.blobs) != kind.is_index


def test_an_image_refers_to_its_config_and_layers() -> None:
    """The blobs of an image are its config and each layer, with the sizes they really have."""
    stack = (layer("one"), layer("two", 0))
    built = image("a", layers=stack)
    assert [(blob.digest, blob.size) for blob in built.manifest.blobs] == [
        (Digest.of(content), len(content)) for content in built.blobs
    ]


def test_a_layer_listed_twice_is_one_blob() -> None:
    """Docker lists its empty layer many times: one blob to fetch."""
    one = layer("one")
    assert len(image("a", layers=(one, layer("two"), one)).manifest.blobs) == 3
    assert len(image("a", layers=(one, layer("two"), one)).manifest.layers) == 3


def test_a_sha512_digest_is_of_the_same_bytes() -> None:
    """A manifest asked for by its sha512 has that digest; its children keep theirs."""
    raw = image("a").manifest.raw
    assert parse_manifest(raw, algorithm="sha512").digest == Digest.of(raw, "sha512")


def test_an_index_may_hold_indexes() -> None:
    """A nested index is a child like any other, and without a platform it is always chosen."""
    inner = index(image("a"), image("b", platform=ARM64))
    outer = index(inner, image("c", platform=ARMV7))
    assert chosen(outer, AMD64_ALONE) == {inner.digest}
    assert chosen(outer, PlatformChoice()) == {inner.digest, outer.children[1].digest}


def test_an_artifact_has_the_empty_config_and_its_own_type() -> None:
    """An artifact's type is what a referrers list shows; its subject is no child and no blob."""
    subject = image("a")
    sbom = artifact("s", "application/vnd.example.sbom", subject).manifest
    assert sbom.subject is not None
    assert sbom.subject.digest == subject.digest
    assert sbom.referrer_type == "application/vnd.example.sbom"
    assert Digest.of(b"{}") in {blob.digest for blob in sbom.blobs}
    assert subject.digest not in {blob.digest for blob in sbom.blobs}
    assert sbom.children == ()


def test_without_an_artifact_type_a_referrer_is_of_its_configs_type() -> None:
    """The distribution-spec's rule for the referrers list."""
    manifest = signature(image("a")).manifest
    assert manifest.config is not None
    assert manifest.referrer_type == manifest.config.media_type


def test_an_artifact_may_have_no_layers() -> None:
    """`layers` absent or null is an image without layers."""
    layers: tuple[dict[str, object], ...] = ({}, {"layers": None}, {"layers": []})
    for extra in layers:
        raw = encode({"schemaVersion": 2, "config": describe("application/vnd.oci.empty.v1+json", b"{}"), **extra})
        assert parse_manifest(raw).layers == ()


def test_a_referrers_list_reads_as_an_index_without_platforms() -> None:
    """What a referrers list names is chosen whatever the platforms, with its types and annotations."""
    sbom = artifact("s", "application/vnd.example.sbom", image("a"))
    listed = parse_manifest(referrers_index([sbom]))
    assert [child.digest for child in listed.chosen(AMD64_ALONE)] == [sbom.digest]
    assert listed.children[0].artifact_type == "application/vnd.example.sbom"


def test_layers_with_urls_are_foreign() -> None:
    """A layer with `urls` is to be had elsewhere; an empty list, or one of no texts, is none."""
    config = describe("application/vnd.oci.image.config.v1+json", b"{}")
    listed = [
        describe(OCI_LAYER, b"1") | {"urls": ["https://example.com/1"]},
        describe(OCI_LAYER, b"2") | {"urls": []},
        describe(OCI_LAYER, b"3") | {"urls": [7]},
    ]
    manifest = parse_manifest(encode({"schemaVersion": 2, "config": config, "layers": listed}))
    assert [blob.is_foreign for blob in manifest.layers] == [True, False, False]
    assert manifest.layers[0].urls == ("https://example.com/1",)


@pytest.mark.parametrize("foreign_first", [True, False])
def test_a_blob_listed_as_foreign_and_as_held_must_be_held(*, foreign_first: bool) -> None:
    """Closed: one digest listed with and without `urls` is a blob to fetch, whichever comes first."""
    ours, theirs = describe(OCI_LAYER, b"1"), describe(OCI_LAYER, b"1") | {"urls": ["https://example.com/1"]}
    listed = [theirs, ours] if foreign_first else [ours, theirs]
    config = describe("application/vnd.oci.image.config.v1+json", b"{}")
    manifest = parse_manifest(encode({"schemaVersion": 2, "config": config, "layers": listed}))
    assert [blob.is_foreign for blob in manifest.blobs] == [False, False]


def test_platforms_choose_children_in_any_spelling() -> None:
    """arm64 chooses arm64/v8; the order stays that of the index; nothing chosen is nothing."""
    built = index(image("a"), image("a", platform=ARM64), image("a", platform=ARMV7))
    amd64, arm64, armv7 = (child.digest for child in built.children)
    assert chosen(built, PlatformChoice.parse(["linux/aarch64"])) == {arm64}
    choice = PlatformChoice.parse(["linux/arm", "linux/amd64"])
    assert [child.digest for child in built.manifest.chosen(choice)] == [amd64, armv7]
    assert chosen(built, PlatformChoice()) == {amd64, arm64, armv7}
    assert chosen(built, PlatformChoice.parse(["linux/s390x"])) == set()


def test_attestations_come_with_the_platform_they_attest_to() -> None:
    """An attestation is chosen with its image and with no other; one that names none is always chosen."""
    amd64, arm64 = image("a"), image("a", platform=ARM64)
    of_amd64, of_arm64 = attestation(amd64), attestation(arm64)
    stray = BuiltImage(artifact("x", "x/y").manifest, platform=Platform("unknown", "unknown"))
    built = index(amd64, of_amd64, arm64, of_arm64, stray)
    assert chosen(built, AMD64_ALONE) == {amd64.digest, of_amd64.digest, stray.digest}
    assert len(built.manifest.chosen(PlatformChoice())) == 5


def test_an_index_offers_a_choice_when_more_than_attestations_would_come() -> None:
    """`offers` is false where no platform fits, also where an attestation alone would; an empty index offers all."""
    arm64 = image("a", platform=ARM64)
    stray = BuiltImage(artifact("x", "x/y").manifest, platform=Platform("unknown", "unknown"))
    assert not index(arm64).manifest.offers(AMD64_ALONE)
    assert not index(arm64, attestation(arm64), stray).manifest.offers(AMD64_ALONE)
    assert index(arm64).manifest.offers(PlatformChoice())
    assert index(arm64).manifest.offers(PlatformChoice((ARM64,)))
    assert index(index(arm64)).manifest.offers(AMD64_ALONE)
    assert index().manifest.offers(AMD64_ALONE)
    assert arm64.manifest.offers(AMD64_ALONE)


@pytest.mark.parametrize(
    "platform", [{"os": "li\x1b[31mnux", "architecture": "amd64"}, {"os": "\ud800", "architecture": "x"}]
)
def test_a_platform_that_could_not_be_shown_is_none(platform: dict[str, object]) -> None:
    """Control characters and half characters from an upstream never reach a terminal; the entry is chosen always."""
    entry = describe(Kind.OCI_MANIFEST.media_type, b"1") | {"platform": platform}
    manifest = parse_manifest(encode({"schemaVersion": 2, "manifests": [entry]}))
    assert [child.platform for child in manifest.chosen(AMD64_ALONE)] == [None]
    assert read_platform(encode(platform)) is None


def test_an_image_config_names_its_platform() -> None:
    """The platform of a single image is in its config; a config that is none, or names none, has none."""
    for platform in (AMD64, ARM64, ARMV7):
        assert read_platform(image("a", platform=platform).blobs[0]) == platform
    for config in (b"", b"{}", b"[]", b"\xff", b'{"os":"linux"}', b'{"os":7,"architecture":"x"}', b"[" * 100_000):
        assert read_platform(config) is None


def test_the_documents_own_type_decides_before_the_registrys() -> None:
    """`mediaType`, then Content-Type, then the shape: a registry that says text/plain changes nothing."""
    whole = image("a", docker=True).manifest
    assert parse_manifest(whole.raw, Kind.OCI_MANIFEST.media_type).kind is Kind.DOCKER_MANIFEST
    assert parse_manifest(whole.raw, "text/plain").kind is Kind.DOCKER_MANIFEST
    bare = encode({"schemaVersion": 2, "config": describe("x/y", b"{}"), "layers": []})
    assert parse_manifest(bare).kind is Kind.OCI_MANIFEST
    assert parse_manifest(bare, f"{Kind.DOCKER_MANIFEST.media_type}; charset=utf-8").kind is Kind.DOCKER_MANIFEST
    assert parse_manifest(encode({"schemaVersion": 2, "manifests": []})).kind is Kind.OCI_INDEX


def test_annotations_are_texts() -> None:
    """Annotations that are no texts are left out, at the document and at its entries."""
    noted = {"annotations": {"a": "b", "c": 7, "d": None}}
    entry = describe(Kind.OCI_MANIFEST.media_type, b"1") | noted
    manifest: Manifest = parse_manifest(encode({"schemaVersion": 2, "manifests": [entry], **noted}))
    assert manifest.annotations == manifest.children[0].annotations == {"a": "b"}

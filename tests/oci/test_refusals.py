"""Manifests that are refused, and that nothing else than a refusal comes of any bytes."""

import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirrord.demo.images import describe, encode, image, index
from mirrord.errors import InvalidManifestError, Owner
from mirrord.oci.manifest import MAX_CONTENT_SIZE, MAX_MANIFEST_SIZE, Kind, parse_manifest
from mirrord.oci.platform import PlatformChoice

quick = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
CONFIG = describe("application/vnd.oci.image.config.v1+json", b"{}")
LAYER = describe("application/vnd.oci.image.layer.v1.tar", b"layer")
CHILD = describe(Kind.OCI_MANIFEST.media_type, b"child")
IMAGE = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
INDEX = {"schemaVersion": 2, "manifests": [CHILD]}


def refused(document: bytes | dict[str, object], content_type: str = "") -> str:
    """The message with which a document is refused."""
    raw = document if isinstance(document, bytes) else encode(document)
    with pytest.raises(InvalidManifestError) as error:
        parse_manifest(raw, content_type)
    assert error.value.owner is Owner.UPSTREAM
    assert len(str(error.value)) < 500
    return str(error.value)


def test_the_plain_documents_of_these_tests_are_taken() -> None:
    """What the refusals are variations of is itself good."""
    assert parse_manifest(encode(IMAGE)).kind is Kind.OCI_MANIFEST
    assert parse_manifest(encode(INDEX)).kind is Kind.OCI_INDEX


def test_schema_1_is_refused_with_what_to_do() -> None:
    """The retired schema 1, signed or not, is named, and how to be rid of it."""
    old = {"schemaVersion": 1, "name": "library/x", "tag": "y", "fsLayers": [], "history": [], "signatures": []}
    assert "push it again with a current client" in refused(old)
    assert "schema 1" in refused(old, "application/vnd.docker.distribution.manifest.v1+prettyjws")


@pytest.mark.parametrize(
    "document",
    [
        {**INDEX, "layers": [LAYER]},
        {**INDEX, "config": CONFIG},
        {**INDEX, "layers": []},
        {**INDEX, "fsLayers": []},
        {**IMAGE, "manifests": []},
        {**INDEX, **IMAGE, "mediaType": Kind.OCI_INDEX.media_type},
    ],
)
def test_a_document_that_is_two_kinds_is_refused(document: dict[str, object]) -> None:
    """CVE-2021-41190: what one client takes for an index and another for an image is taken for neither."""
    assert "CVE-2021-41190" in refused(document)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_type_that_the_content_denies_is_refused(kind: Kind) -> None:
    """An image that calls itself an index, in the document or by Content-Type, is refused; so is the reverse."""
    other = IMAGE if kind.is_index else INDEX
    assert f"a document of type {kind.media_type} has" in refused({**other, "mediaType": kind.media_type})
    assert f"a document of type {kind.media_type} has" in refused(encode(other), kind.media_type)


@pytest.mark.parametrize("document", [INDEX, IMAGE, {"schemaVersion": 2}])
@pytest.mark.parametrize("stated", ["", "text/plain", "application/vnd.oci.image.layer.v1.tar", 7, {}, []])
def test_any_other_media_type_is_refused(document: dict[str, object], stated: object) -> None:
    """A `mediaType` that is none of the four kinds is an error, not a guess."""
    assert "none of the four kinds" in refused({**document, "mediaType": stated})


@pytest.mark.parametrize(
    "key", ["Layers", "LAYERS", "Manifests", "mediatype", "Config", "manife\u017fts", "Subject", "Urls"]
)
def test_keys_that_some_clients_read_as_others_are_refused(key: str) -> None:
    """A reader blind to case, as Go's, would see other layers than were mirrored: refused, at every level."""
    assert "which some clients read as" in refused({**IMAGE, key: []})
    assert "which some clients read as" in refused({**IMAGE, "layers": [{**LAYER, key: []}]})


@pytest.mark.parametrize(
    "size", [-1, -(1 << 70), MAX_CONTENT_SIZE + 1, 1 << 64, True, False, 1.0, 1e300, "5", None, [], {}]
)
def test_sizes_that_are_no_sizes_are_refused(size: object) -> None:
    """Negative, absurd, boolean, fractional and textual sizes are refused wherever a descriptor stands."""
    entry = {**LAYER, "size": size}
    assert "is not a number of bytes" in refused({**IMAGE, "layers": [LAYER, entry]})
    assert "is not a number of bytes" in refused({**IMAGE, "config": entry})
    assert "is not a number of bytes" in refused({**IMAGE, "subject": entry})
    assert "is not a number of bytes" in refused({**INDEX, "manifests": [entry]})


@pytest.mark.parametrize("size", [0, 1, MAX_CONTENT_SIZE])
def test_sizes_up_to_the_limit_are_taken(size: int) -> None:
    """An empty layer is one; 16 TiB is the most a descriptor may claim."""
    assert parse_manifest(encode({**IMAGE, "layers": [{**LAYER, "size": size}]})).layers[0].size == size


def test_one_digest_with_two_sizes_is_refused() -> None:
    """A document that contradicts itself is not half right."""
    assert "two sizes" in refused({**IMAGE, "layers": [LAYER, {**LAYER, "size": 6}]})
    assert "two sizes" in refused({**INDEX, "manifests": [CHILD, {**CHILD, "size": 6}]})
    assert "two sizes" in refused({**IMAGE, "config": {**LAYER, "size": 6}})


@pytest.mark.parametrize(
    "digest", [None, 7, "", "sha256:abc", "sha1:" + "a" * 40, "sha256:" + "A" * 64, ["x"], "x" * 9999]
)
def test_digests_that_are_no_digests_are_refused(digest: object) -> None:
    """A descriptor whose digest could not be verified is refused, with its place in the document."""
    assert "layers[1]: " in refused({**IMAGE, "layers": [LAYER, {**LAYER, "digest": digest}]})


@pytest.mark.parametrize(
    "document",
    [
        {**IMAGE, "config": None},
        {"schemaVersion": 2, "layers": [LAYER]},
        {**IMAGE, "config": []},
        {**IMAGE, "config": "x"},
        {**IMAGE, "layers": {}},
        {**IMAGE, "layers": "x"},
        {**IMAGE, "layers": [7]},
        {**INDEX, "manifests": {}},
        {**INDEX, "manifests": [None]},
        {**IMAGE, "subject": []},
        {**IMAGE, "subject": False},
        {"schemaVersion": 2},
        {},
        {"errors": [{"code": "MANIFEST_UNKNOWN"}]},
    ],
)
def test_documents_of_another_shape_are_refused(document: dict[str, object]) -> None:
    """What is neither an index nor a manifest, or lacks what each must have, is refused."""
    refused(document)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"<html>",
        b"{",
        encode(IMAGE)[:-1],
        encode(IMAGE) + b"x",
        encode(IMAGE) + encode(INDEX),
        b"\xef\xbb\xbf" + encode(IMAGE),
        json.dumps(IMAGE).encode("utf-16"),
        json.dumps(IMAGE).encode("utf-32-le"),
        encode(IMAGE).replace(b"layer.v1", b"layer\xff"),
        encode(IMAGE).replace(b"layer.v1", b"layer\xed\xa0\x80"),
        encode(IMAGE).replace(b'"schemaVersion":2', b'"schemaVersion":NaN'),
        encode(IMAGE).replace(b'"schemaVersion":2', b'"x":-Infinity'),
        encode(IMAGE).replace(b'"schemaVersion":2', b'"x":' + b"9" * 5000),
    ],
)
def test_what_is_not_utf_8_json_to_everybody_is_refused(raw: bytes) -> None:
    """No BOM, no other encoding, no NaN, nothing after the end: clients could read such documents differently."""
    assert "JSON" in refused(raw)


@pytest.mark.parametrize("place", [b'"schemaVersion":2', b'"size":5'])
def test_a_key_that_occurs_twice_is_refused(place: bytes) -> None:
    """Which of two equal keys counts differs between clients: refused, at every level."""
    raw = encode(IMAGE)
    assert place in raw
    assert "a key occurs twice" in refused(raw.replace(place, place + b"," + place))


def test_more_than_8_mib_are_refused() -> None:
    """A manifest may have 8 MiB; one byte more is refused before it is read."""
    padded = encode(IMAGE)
    padded += b" " * (MAX_MANIFEST_SIZE - len(padded))
    assert parse_manifest(padded).kind is Kind.OCI_MANIFEST
    assert "at most 8388608 are taken" in refused(padded + b" ")


def test_more_entries_than_any_image_has_are_refused() -> None:
    """20,000 layers or children are the most."""
    assert "at most 20000" in refused({**IMAGE, "layers": [LAYER] * 20_001})


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'[{"a":'])
def test_deep_nesting_is_refused(unit: bytes) -> None:
    """A document nested deeper than the reader can follow is refused, not a crash."""
    refused(b'{"a":' + unit * 5_000)
    refused(unit * (MAX_MANIFEST_SIZE // len(unit)))
    refused(encode({**IMAGE}).replace(b'"schemaVersion":2', b'"x":' + b"[" * 5_000 + b"]" * 5_000))


@pytest.mark.parametrize("unit", [b"{},", b"[],", b"1e9,", b'"ab",', b'{"a":1},'])
def test_a_small_document_never_becomes_a_large_one_in_memory(unit: bytes) -> None:
    """Bounded: 8 MiB of tiny values would take twenty times that; they are refused before they are read."""
    raw = b'{"a":[' + unit * ((MAX_MANIFEST_SIZE - 20) // len(unit)) + b"0]}"
    tracemalloc.start()
    refused(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


keys = st.sampled_from(
    [
        *("schemaVersion", "mediaType", "manifests", "layers", "config", "fsLayers", "subject", "annotations"),
        *("artifactType", "digest", "size", "platform", "urls", "os", "architecture", "variant"),
    ]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=5)
    | st.sampled_from([*(kind.media_type for kind in Kind), "unknown", "linux", CONFIG["digest"], CHILD["digest"]]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | keys, inner, max_size=5),
    max_leaves=20,
)
descriptors = st.fixed_dictionaries(
    {"digest": st.sampled_from([CONFIG["digest"], LAYER["digest"]]), "size": st.integers(-1, 3) | st.booleans()},
    optional={"mediaType": values, "platform": values, "annotations": values, "urls": values, "artifactType": values},
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.just(2) | values,
        "mediaType": st.sampled_from([kind.media_type for kind in Kind]) | values,
        "manifests": st.lists(descriptors | values, max_size=3) | values,
        "layers": st.lists(descriptors | values, max_size=3) | values,
        "config": descriptors | values,
        "subject": descriptors | values,
        "annotations": values,
    },
)


def read_or_refused(raw: bytes) -> None:
    """Read bytes and use what came of it; any exception but InvalidManifestError is the test's failure."""
    try:
        manifest = parse_manifest(raw)
    except InvalidManifestError as error:
        str(error).encode()  # can be shown
        return
    assert manifest.raw == raw
    assert not (manifest.children and manifest.blobs)
    choice = PlatformChoice.parse(["linux/amd64"])
    assert all(child in manifest.children for child in manifest.chosen(choice))
    assert all(str(child.platform).isascii() for child in manifest.children)
    _ = manifest.offers(choice), manifest.referrer_type


@quick
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Whatever the bytes: a manifest, or InvalidManifestError that can be shown."""
    read_or_refused(raw)


@quick
@given(values)
def test_any_json_is_read_or_refused(value: object) -> None:
    """Whatever the JSON: a manifest, or InvalidManifestError."""
    read_or_refused(json.dumps(value).encode())


@quick
@given(documents)
def test_any_nearly_good_document_is_read_or_refused(document: dict[str, object]) -> None:
    """Documents with the right keys and any values below them: a manifest, or InvalidManifestError."""
    read_or_refused(json.dumps(document).encode())


@quick
@given(st.sampled_from([image("a").manifest.raw, index(image("a"), image("b")).manifest.raw]), st.data())
def test_a_damaged_manifest_is_read_or_refused(raw: bytes, data: st.DataObject) -> None:
    """A good manifest with a piece cut out, replaced or doubled: a manifest, or InvalidManifestError."""
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 40)))
    piece = data.draw(
        st.binary(max_size=4) | st.sampled_from([b"{", b"[", b'"', b",", b"null", b"1e999", raw[start:end] * 2])
    )
    read_or_refused(raw[:start] + piece + raw[end:])

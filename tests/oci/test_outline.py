"""What manifests depend on, read quickly: the same as a strict reading gives, or the same refusal, always."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mirrord.demo.images import ARM64, BuiltImage, artifact, attestation, image, index, layer, signature
from mirrord.errors import InvalidManifestError
from mirrord.oci.digest import Digest, hashes_to, is_digest
from mirrord.oci.manifest import Kind, parse_manifest
from mirrord.oci.outline import Outline, read_outline

A = image("a", layers=(layer("one"), layer("two", 0), layer("one")))
WHOLE = index(A, image("a", platform=ARM64), attestation(A))
USUAL = [
    A,
    image("a", docker=True),
    WHOLE,
    index(image("a", docker=True), docker=True),
    index(),
    artifact("bill", "application/spdx+json", A),
    signature(A),
]
DIGEST, OTHER = (str(Digest.of(content)) for content in (b"one", b"other"))
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 3}
PLAIN = {"schemaVersion": 2, "mediaType": Kind.OCI_MANIFEST.media_type, "config": CONFIG, "layers": []}


def strictly(raw: bytes, kind: Kind) -> Outline | str:
    """What `parse_manifest` says: what there is, or why it is refused."""
    try:
        manifest = parse_manifest(raw, kind.media_type)
    except InvalidManifestError as error:
        return str(error)
    return Outline(
        manifest.kind,
        tuple((str(child.digest), child.media_type) for child in manifest.children),
        {str(blob.digest): blob.size for blob in manifest.blobs},
        frozenset(str(blob.digest) for blob in manifest.blobs if blob.is_foreign),
    )


def quickly(raw: bytes, kind: Kind) -> Outline | str:
    """The same of `read_outline`."""
    try:
        return read_outline(raw, kind)
    except InvalidManifestError as error:
        return str(error)


def document(**changes: object) -> bytes:
    """A plain manifest, but for some keys; None is without it."""
    return json.dumps({key: value for key, value in {**PLAIN, **changes}.items() if value is not None}).encode()


@pytest.mark.parametrize("built", USUAL)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("indent", [None, 3])
def test_usual_manifests_are_outlined_as_they_are(built: BuiltImage, kind: Kind, indent: int | None) -> None:
    """Each kind, with annotations, platforms and subjects, under its own name or another's, on one line or many."""
    raw = built.manifest.raw if indent is None else json.dumps(json.loads(built.manifest.raw), indent=indent).encode()
    assert quickly(raw, kind) == strictly(raw, kind)


HOSTILE = {
    "no JSON": b"{",
    "a list": b"[]",
    "schema 1": document(schemaVersion=1),
    "schema true": document(schemaVersion=True),
    "schema 2.0": document(schemaVersion=2.0),
    "no schema": document(schemaVersion=None),
    "both kinds": document(manifests=[]),
    "no config": document(config=None),
    "no layers": document(layers=None),
    "null layers": document().replace(b"[]", b"null"),
    "layers in other letters": document().replace(b'"layers"', b'"Layers"'),
    "a key in two spellings": document(Layers=[CONFIG]),
    "an escaped key": document().replace(b'"layers"', b'"l\\u0061yers"'),
    "an unknown key": document(more=[1, {"a": None}]),
    "a key twice": document().replace(b'"layers": []', f'"layers": [{json.dumps(CONFIG)}], "layers": []'.encode()),
    "a size twice": document().replace(b'"size": 3', b'"size": 3, "size": 3'),
    "a digest twice": document().replace(b'"digest"', f'"digest": "{OTHER}", "digest"'.encode()),
    "an annotation twice": document(annotations={"a": "1"}).replace(b'"a": "1"', b'"a": "1", "a": "1"'),
    "an annotation that is a number": document(annotations={"a": 1}),
    "a size of 3.0": document().replace(b'"size": 3', b'"size": 3.0'),
    "a size of 3e0": document().replace(b'"size": 3', b'"size": 3e0'),
    "a size of -0": document().replace(b'"size": 3', b'"size": -0'),
    "a size below nothing": document().replace(b'"size": 3', b'"size": -3'),
    "a huge size": document().replace(b'"size": 3', b'"size": 36893488147419103232'),
    "a size of many digits": document().replace(b'"size": 3', b'"size": ' + b"3" * 5000),
    "a size of NaN": document().replace(b'"size": 3', b'"size": NaN'),
    "a size that is true": document().replace(b'"size": 3', b'"size": true'),
    "a size that is a text": document().replace(b'"size": 3', b'"size": "3"'),
    "two sizes": document(layers=[{**CONFIG, "size": 4}]),
    "a digest in capitals": document(config={**CONFIG, "digest": DIGEST.upper()}),
    "a digest that is null": document(config={**CONFIG, "digest": None}),
    "a digest with an end of line": document(config={**CONFIG, "digest": f"{DIGEST}\n"}),
    "a subject without a digest": document(subject={**CONFIG, "digest": "sha256:"}),
    "no media type": document(mediaType=None),
    "an empty media type": document(mediaType=""),
    "media type null": document().replace(b'"application/vnd.oci.image.manifest.v1+json"', b"null"),
    "another's media type": document(mediaType=Kind.DOCKER_MANIFEST.media_type),
    "a media type with parameters": document(mediaType=f"{Kind.OCI_MANIFEST.media_type}; charset=utf-8"),
    "a descriptor without a media type": document(config={"digest": DIGEST, "size": 3}),
    "a foreign layer": document(layers=[{**CONFIG, "digest": OTHER, "urls": ["https://elsewhere.test/"]}]),
    "listed both ways": document(layers=[{**CONFIG, "urls": ["https://elsewhere.test/"]}]),
    "urls of nothing": document(layers=[{**CONFIG, "digest": OTHER, "urls": []}]),
    "other letters than ASCII": document(annotations={"a": "é"}).replace(b"\\u00e9", "é".encode()),
    "no UTF-8": document(annotations={"a": "b"}).replace(b'"b"', b'"\xff"'),
    "UTF-16": document().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + document(),
    "a control character": document(annotations={"a": "b"}).replace(b'"b"', b'"\x01"'),
    "something after it": document() + b"{}",
    "a quote in a text": document(annotations={"a": 'b"'}),
    "half a pair": document(annotations={"a": "b"}).replace(b'"b"', b'"\\ud800"'),
    "an index with a platform of lists": WHOLE.manifest.raw.replace(b'"os":', b'"os.features":["x"],"os":'),
    "many layers": document(layers=[CONFIG] * 1000),
    "too many layers": document(layers=[CONFIG] * 20_001),
    "deeply nested": document(annotations={}).replace(b"{}", b"[" * 30_000 + b"]" * 30_000),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("kind", Kind)
def test_what_is_not_plain_has_the_verdict_of_the_strict_reading(raw: bytes, kind: Kind) -> None:
    """Keys twice, other spellings, wrong types and numbers, and what is no UTF-8: the same, in the same words."""
    assert quickly(raw, kind) == strictly(raw, kind)


VALUES = some.recursive(
    some.sampled_from([0, 1, 2, -1, 1.0, True, None, "", DIGEST, OTHER, *(kind.media_type for kind in Kind)]),
    lambda inner: (
        some.lists(inner, max_size=2)
        | some.dictionaries(some.sampled_from(["digest", "size", "mediaType", "os", "urls", "Size"]), inner, max_size=3)
    ),
    max_leaves=6,
)
ENTRIES = some.fixed_dictionaries(
    {"mediaType": some.just("a/b") | VALUES, "digest": some.sampled_from([DIGEST, OTHER]), "size": some.integers(3, 4)},
    optional={"annotations": VALUES, "platform": VALUES, "urls": VALUES, "data": VALUES},
)
DOCUMENTS = some.fixed_dictionaries(
    {"schemaVersion": some.just(2) | VALUES},
    optional={
        "mediaType": some.sampled_from([kind.media_type for kind in Kind]) | VALUES,
        "config": ENTRIES,
        "layers": some.lists(ENTRIES, max_size=3),
        "manifests": some.lists(ENTRIES, max_size=3),
        "subject": ENTRIES | VALUES,
        "annotations": VALUES,
        "artifactType": VALUES,
        "config ": VALUES,
    },
)


@given(DOCUMENTS, some.sampled_from(Kind))
def test_any_document_has_the_verdict_of_the_strict_reading(found: Mapping[str, object], kind: Kind) -> None:
    """Whatever of the right keys holds whatever."""
    raw = json.dumps(found).encode()
    assert quickly(raw, kind) == strictly(raw, kind)


def test_what_is_plain_needs_no_strict_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual manifests are taken by the quick reading alone: else a collection would take several times as long."""
    wanted = [strictly(built.manifest.raw, built.manifest.kind) for built in USUAL]
    monkeypatch.setattr("mirrord.oci.outline.parse_manifest", None)
    assert [read_outline(built.manifest.raw, built.manifest.kind) for built in USUAL] == wanted


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_texts_are_digests_as_values_are(algorithm: str) -> None:
    """A text that is checked stands for the same as the value that is parsed from it."""
    text = str(Digest.of(b"content", "sha512" if algorithm == "sha512" else "sha256"))
    assert is_digest(text)
    assert not is_digest(f"{text}\n")
    assert hashes_to(b"content", text)
    assert not hashes_to(b"other", text)

"""Manifests: asked cheaply, bounded while they are read, verified where a digest was named."""

import gzip

import pytest
from support.registries import Connect
from support.scripted import Scripted, answer, chunked, page

from mirrord.config.model import Limits
from mirrord.demo import images
from mirrord.errors import DigestMismatchError, InvalidManifestError, NotFoundError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import ACCEPT, Descriptor, Kind
from mirrord.oci.reference import Repository

BUILT = images.image("one")


async def test_a_head_says_what_a_tag_names(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """One HEAD, with exactly the four kinds in Accept, gives digest, media type and size."""
    upstream.push(app.path, BUILT, "1.0")
    head = await connect(upstream).head_manifest(app, "1.0")
    assert (head.digest, head.media_type, head.size) == (
        BUILT.digest,
        Kind.OCI_MANIFEST.media_type,
        len(BUILT.manifest.raw),
    )
    (asked,) = upstream.requests
    assert str(asked) == "HEAD /v2/team/app/manifests/1.0"
    assert asked.headers["Accept"] == ACCEPT
    assert asked.headers["Accept-Encoding"] == "identity"


async def test_a_head_without_a_digest_is_no_error(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """The digest header is optional and a hint: without it, or with rubbish, the answer is None."""
    upstream.when("HEAD", answer(200), answer(200, headers={"Docker-Content-Digest": "sha256:rubbish"}))
    registries = connect(upstream)
    assert (await registries.head_manifest(app, "1.0")).digest is None
    assert (await registries.head_manifest(app, "1.0")).digest is None


@pytest.mark.parametrize("docker", [False, True])
async def test_a_manifest_comes_byte_for_byte(
    upstream: Scripted, connect: Connect, app: Repository, *, docker: bool
) -> None:
    """By tag and by digest, for images and indexes of both families."""
    one = images.image("docker", docker=docker)
    both = images.index(one, images.image("arm", platform=images.ARM64, docker=docker), docker=docker)
    upstream.push(app.path, both, "latest")
    registries = connect(upstream)
    assert await registries.get_manifest(app, "latest") == both.manifest
    assert await registries.get_manifest(app, one.digest) == one.manifest


async def test_a_sha512_manifest_is_verified_by_its_own_algorithm(
    upstream: Scripted, connect: Connect, app: Repository
) -> None:
    """True: a manifest asked for by sha512 is hashed by sha512."""
    raw = BUILT.manifest.raw
    digest = Digest.of(raw, "sha512")
    upstream.when("sha512", then=answer(200, raw, {"Content-Type": Kind.OCI_MANIFEST.media_type}))
    assert (await connect(upstream).get_manifest(app, digest)).digest == digest


async def test_bytes_of_another_digest_are_refused(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """True: asked for by digest and answered otherwise twice, the error names both digests and the host."""
    other = images.image("other").manifest
    upstream.when("manifests/sha256", then=answer(200, other.raw, {"Docker-Content-Digest": str(BUILT.digest)}))
    with pytest.raises(DigestMismatchError) as raised:
        await connect(upstream).get_manifest(app, BUILT.digest)
    assert all(part in str(raised.value) for part in (str(BUILT.digest), str(other.digest), "registry.test/team/app"))
    assert len(upstream.requests) == 2


async def test_damage_on_the_way_is_asked_for_again(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A manifest that hashes wrongly once is fetched once more before anyone is blamed."""
    upstream.push(app.path, BUILT, "1.0")
    upstream.when("manifests/sha256", answer(200, b"{damaged"))
    assert await connect(upstream).get_manifest(app, BUILT.digest) == BUILT.manifest


async def test_by_tag_the_bytes_decide_and_not_the_header(
    upstream: Scripted, connect: Connect, app: Repository
) -> None:
    """True: a lying Docker-Content-Digest changes nothing; the manifest's digest is its bytes' own."""
    lie = str(Digest.of(b"lie"))
    headers = {"Docker-Content-Digest": lie, "Content-Type": Kind.OCI_MANIFEST.media_type}
    upstream.when("manifests/1.0", then=answer(200, BUILT.manifest.raw, headers))
    assert (await connect(upstream).get_manifest(app, "1.0")).digest == BUILT.digest


@pytest.mark.parametrize("says_how_long", [True, False])
async def test_a_huge_manifest_is_not_read_whole(
    upstream: Scripted, connect: Connect, app: Repository, *, says_how_long: bool
) -> None:
    """Bounded: over limits.manifest_size it is refused, whether or not it says its length."""
    huge = b" " * 300_000
    upstream.when("manifests", then=answer(200, huge) if says_how_long else chunked(huge))
    with pytest.raises(UpstreamError, match=r"more than 65536 bytes \(limits.manifest_size\)"):
        await connect(upstream, Limits(manifest_size=65536)).get_manifest(app, "1.0")


async def test_a_manifest_without_a_length_is_read(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """Chunked transfer is as good as a length."""
    upstream.when("manifests", then=chunked(BUILT.manifest.raw))
    assert (await connect(upstream).get_manifest(app, "1.0")).digest == BUILT.digest


async def test_unasked_compression_is_told(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """The digest is over the bytes as sent: nothing is unpacked, and the error says what came."""
    headers = {"Content-Encoding": "gzip", "Content-Type": Kind.OCI_MANIFEST.media_type}
    upstream.when("manifests", then=answer(200, gzip.compress(BUILT.manifest.raw), headers))
    registries = connect(upstream)
    with pytest.raises(InvalidManifestError, match=r"registry.test/team/app: manifest 1.0: .*Content-Encoding 'gzip'"):
        await registries.get_manifest(app, "1.0")
    with pytest.raises(DigestMismatchError, match="Content-Encoding 'gzip'"):
        await registries.get_manifest(app, BUILT.digest)


async def test_schema_1_is_refused_by_name(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """An upstream that has only schema 1 gets a clear error that names the image."""
    upstream.when("manifests", then=answer(200, b'{"schemaVersion": 1, "fsLayers": []}'))
    with pytest.raises(InvalidManifestError, match=r"registry.test/team/app: manifest 1.0: .*schema 1"):
        await connect(upstream).get_manifest(app, "1.0")


@pytest.mark.parametrize("reference", ["none", BUILT.digest])
async def test_what_is_missing_is_named(
    upstream: Scripted, connect: Connect, app: Repository, reference: str | Digest
) -> None:
    """A missing tag, digest or repository is NotFoundError; a HEAD has no words of the upstream."""
    registries = connect(upstream)
    with pytest.raises(NotFoundError, match="no such repository"):
        await registries.get_manifest(app, reference)
    upstream.push(app.path, images.image("there"), "1.0")
    with pytest.raises(
        NotFoundError, match=f"registry.test/team/app: manifest {reference}: .*no manifest {reference};"
    ):
        await registries.get_manifest(app, reference)
    with pytest.raises(NotFoundError, match=f"no manifest {reference}, or no such repository"):
        await registries.head_manifest(app, reference)


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_web_page_is_no_registrys_answer(
    upstream: Scripted, connect: Connect, app: Repository, status: int, method: str
) -> None:
    """A portal or proxy that answers with a page is never taken for a registry that lacks the image."""
    upstream.when(method, then=page(status))
    registries = connect(upstream)
    ask = registries.get_manifest if method == "GET" else registries.head_manifest
    with pytest.raises(UpstreamError, match=r"web page.*expected a registry") as raised:
        await ask(app, "1.0")
    assert not isinstance(raised.value, NotFoundError)


async def test_a_small_blob_comes_whole_and_verified(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A config is given as bytes; one of another digest, size or 404 is an error."""
    upstream.push(app.path, BUILT, "1.0")
    registries = connect(upstream)
    config = BUILT.manifest.config
    assert config
    assert await registries.get_blob(app, config) == BUILT.blobs[0]
    upstream.when("blobs", then=answer(200, b"x" * config.size))
    with pytest.raises(DigestMismatchError, match=str(config.digest)):
        await registries.get_blob(app, config)
    upstream.when("blobs", then=answer(200, b"x" * (config.size + 1)))
    with pytest.raises(UpstreamError, match=f"more than {config.size} bytes"):
        await registries.get_blob(app, config)
    with pytest.raises(UpstreamError, match="too many to be held in memory"):
        await registries.get_blob(app, Descriptor("", config.digest, 1 << 30))

"""Manifests by tag and by digest, from both servers."""

import pytest
from support.readers import Server
from support.world import World

from mirrord.demo import images
from mirrord.demo.images import BuiltImage
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind

FOREVER = "public, max-age=31536000, immutable"
ABSENT = Digest.of(b"absent")


def kinds(world: World) -> dict[str, BuiltImage]:
    """The four kinds of manifest, by tag."""
    return {"1.27": world.image, "docker": world.docker, "index": world.index, "list": world.docker_list} | {
        "sha512": world.by_sha512
    }


@pytest.mark.parametrize("tag", ["1.27", "docker", "index", "list", "sha512"])
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_comes_byte_for_byte_with_its_type_and_digest(
    server: Server, world: World, tag: str, by: str
) -> None:
    """True: body, media type without parameters, length and digest are those of the manifest that was mirrored."""
    manifest = kinds(world)[tag].manifest
    answer = server.ask(f"/v2/nginx/manifests/{tag if by == 'tag' else manifest.digest}")
    assert (answer.status, answer.body) == (200, manifest.raw)
    assert answer.headers["content-type"] == manifest.kind.media_type
    assert answer.headers["content-length"] == str(len(manifest.raw))
    assert answer.headers["docker-content-digest"] == str(manifest.digest)
    assert answer.headers["etag"] == f'"{manifest.digest}"'
    assert answer.headers["cache-control"] == ("no-cache" if by == "tag" else FOREVER)
    assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
    assert "last-modified" not in answer.headers


def test_a_manifest_is_never_compressed(server: Server, world: World) -> None:
    """Its length and its digest are those of what is sent."""
    answer = server.ask("/v2/nginx/manifests/index", headers={"Accept-Encoding": "gzip, zstd, deflate, br"})
    assert (answer.body, "content-encoding" in answer.headers) == (world.index.manifest.raw, False)


@pytest.mark.parametrize("accept", ["application/json", Kind.OCI_MANIFEST.media_type, "text/html;q=0.1"])
def test_what_is_accepted_decides_nothing(server: Server, world: World, accept: str) -> None:
    """A tag is one manifest of one type: another for another Accept would have another digest."""
    answer = server.ask("/v2/nginx/manifests/list", headers={"Accept": accept})
    assert (answer.body, answer.headers["content-type"]) == (
        world.docker_list.manifest.raw,
        Kind.DOCKER_LIST.media_type,
    )


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_can_be_resumed(server: Server, world: World, by: str) -> None:
    """A part of exactly the digest that is said: If-Range with another's gives the whole."""
    manifest = world.index.manifest
    target = f"/v2/nginx/manifests/{'index' if by == 'tag' else manifest.digest}"
    part = server.ask(target, headers={"Range": "bytes=5-", "If-Range": f'"{manifest.digest}"'})
    assert (part.status, part.body) == (206, manifest.raw[5:])
    assert part.headers["docker-content-digest"] == str(manifest.digest)
    whole = server.ask(target, headers={"Range": "bytes=5-", "If-Range": f'"{ABSENT}"'})
    assert (whole.status, whole.body) == (200, manifest.raw)


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_head_has_the_headers_of_get_and_no_body(server: Server, world: World, by: str) -> None:
    """HEAD tells type, length and digest: crane, oras and containerd decide by them alone."""
    target = f"/v2/nginx/manifests/{'index' if by == 'tag' else world.index.digest}"
    got, head = server.ask(target), server.ask(target, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


def test_a_child_of_an_index_is_served_by_digest(server: Server, world: World) -> None:
    """Closed: what an index names is there, though no tag names it."""
    for child in world.index.children:
        assert server.ask(f"/v2/nginx/manifests/{child.digest}").body == child.manifest.raw


def test_a_signature_is_served_under_its_tag(server: Server, world: World) -> None:
    """A cosign tag is a tag like any other."""
    answer = server.ask(f"/v2/nginx/manifests/{images.signature_tag(world.image.digest)}")
    assert answer.body == images.signature(world.image).manifest.raw


@pytest.mark.parametrize(
    "path",
    [
        "nginx/manifests/absent",
        f"nginx/manifests/{ABSENT}",
        "absent/manifests/1.27",
        f"absent/manifests/{ABSENT}",
        "nginx/manifests/.dotted",
        f"nginx/manifests/{'t' * 129}",
        "quay.io/absent/manifests/1",
        f"nginx/manifests/sha256-{ABSENT.hex}.sig",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_whatever_manifest_is_missing_is_manifest_unknown(server: Server, path: str, method: str) -> None:
    """Older Podman takes MANIFEST_UNKNOWN for "not signed" and fails on all else, NAME_UNKNOWN included."""
    answer = server.ask(f"/v2/{path}", method)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    if method == "GET":
        assert answer.code == "MANIFEST_UNKNOWN"


@pytest.mark.parametrize("digest", ["sha256:", "sha256:abc", f"sha256:{'A' * 64}", f"md5:{'0' * 32}", "a:b"])
@pytest.mark.parametrize("kind", ["manifests", "blobs", "referrers"])
def test_a_malformed_digest_is_digest_invalid(server: Server, kind: str, digest: str) -> None:
    """What can't be a digest is the client's mistake (400), not a missing file."""
    answer = server.ask(f"/v2/nginx/{kind}/{digest}")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', "{}", '"other", "{}"', "*"])
def test_a_client_that_has_the_content_gets_304(server: Server, world: World, by: str, form: str) -> None:
    """The digest is the validator: strong, weak, bare, one of a list, or any."""
    digest = world.image.digest
    answer = server.ask(
        f"/v2/nginx/manifests/{'1.27' if by == 'tag' else digest}", headers={"If-None-Match": form.format(digest)}
    )
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["docker-content-digest"] == str(digest)
    assert answer.headers["etag"] == f'"{digest}"'
    assert "content-type" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"If-None-Match": f'"{ABSENT}"'},
        {"If-None-Match": '"65a0-1f3"'},
        {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    ],
)
def test_a_client_that_has_something_else_gets_the_content(
    server: Server, world: World, headers: dict[str, str]
) -> None:
    """A date proves nothing: two snapshots' files may share one."""
    answer = server.ask("/v2/nginx/manifests/1.27", headers=headers)
    assert (answer.status, answer.body) == (200, world.image.manifest.raw)


@pytest.mark.parametrize("path", [f"nginx/manifests/{ABSENT}", f"nginx/blobs/{ABSENT}", "nginx/manifests/absent"])
def test_what_is_missing_is_never_unchanged(server: Server, path: str) -> None:
    """A condition doesn't turn a 404 into a 304."""
    assert server.ask(f"/v2/{path}", headers={"If-None-Match": f'"{ABSENT}", *'}).status == 404
    assert server.ask(f"/v2/{path}", headers={"If-None-Match": "*"}).status == 404


def test_a_colon_may_be_escaped(server: Server, world: World) -> None:
    """Some clients escape the colon of a digest."""
    assert server.ask(f"/v2/nginx/manifests/sha256%3A{world.image.digest.hex}").body == world.image.manifest.raw
    assert server.ask(f"/v2/nginx/manifests/sha256%3a{world.image.digest.hex}").body == world.image.manifest.raw

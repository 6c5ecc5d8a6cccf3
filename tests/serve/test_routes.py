"""From a raw target to a route."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.oci.digest import Digest
from mirrord.oci.reference import is_local_name, is_tag
from mirrord.serve.errors import Refusal
from mirrord.serve.routes import (
    Blob,
    Catalog,
    DigestManifest,
    Page,
    Ping,
    Referrers,
    Route,
    Status,
    TaggedManifest,
    TagList,
    Terms,
    parse_target,
)

DIGEST = Digest.of(b"x")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v2/", Ping()),
        ("/v2", Ping()),
        ("/v2/?ns=docker.io", Ping()),
        ("/v2/_catalog?n=5&last=a%2Fb", Catalog(Page(5, "a/b"))),
        ("/v2/a/b/tags/list?last=x", TagList("a/b", Page(None, "x"))),
        ("/v2/a/manifests/1.0", TaggedManifest("a", "1.0")),
        (f"/v2/a/manifests/{DIGEST}", DigestManifest("a", DIGEST)),
        (f"/v2/a/blobs/{DIGEST}", Blob("a", DIGEST)),
        (f"/v2/a/referrers/{DIGEST}?artifactType=x", Referrers("a", DIGEST)),
        ("/v2/a/manifests/b/manifests/c", TaggedManifest("a/manifests/b", "c")),
        ("/v2/a/blobs/tags/list", TagList("a/blobs", Page())),
        ("/v2/a/blobs/uploads", Refusal.UPLOAD_UNKNOWN),
        ("/v2/a/manifests/uploads", TaggedManifest("a", "uploads")),
        ("/quay.io/v2/a/manifests/1", TaggedManifest("quay.io/a", "1")),
        ("/index.docker.io/v2/library/a/manifests/1", TaggedManifest("a", "1")),
        ("/r.lan%3A5000/v2/a/tags/list", TagList("r.lan_5000/a", Page())),
        ("/quay.io/v2/a/manifests/1?ns=ghcr.io", TaggedManifest("ghcr.io/quay.io/a", "1")),
        ("/quay.io/v2/", Ping()),
        ("/quay.io/v2/_catalog", Refusal.NO_PATH),
        ("/status/status.json", Status("status.json")),
        ("/status/repositories/a/b.json", Status("repositories/a/b.json")),
        ("/status/_x.json", Refusal.NO_PATH),
        ("*", Refusal.TARGET_REFUSED),
        ("", Refusal.TARGET_REFUSED),
        ("/v2/a/tags/list#x", Refusal.NO_PATH),
    ],
)
def test_a_target_is_one_route(target: str, expected: Route | Refusal) -> None:
    """The distribution-spec's end points, and the names that look like them."""
    assert parse_target(target, "", Terms()) == expected


@given(st.text(alphabet="/v2.a_-:%3A\\?n=!", max_size=60).map("/v2/".__add__))
def test_a_route_never_leaves_its_repository(target: str) -> None:
    """Whatever is sent, what comes out is a name and a tag of the grammar: nothing that could climb in the tree."""
    route = parse_target(target, "", Terms())
    if isinstance(route, TagList | TaggedManifest | DigestManifest | Blob | Referrers):
        assert is_local_name(route.repository)
    if isinstance(route, TaggedManifest):
        assert is_tag(route.tag)

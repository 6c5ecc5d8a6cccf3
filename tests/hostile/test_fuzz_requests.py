"""What a client sends, fuzzed: each reader of a request gives a route within the tree, or a refusal."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.spoil import spoiled_json, spoiled_text, taken

from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import is_local_name, is_tag
from mirrord.serve.errors import Refusal
from mirrord.serve.lookup import Conditions
from mirrord.serve.names import Asked, local_name
from mirrord.serve.pages import Paged, cut
from mirrord.serve.ranges import RangeRequest
from mirrord.serve.routes import (
    Blob,
    Catalog,
    DigestManifest,
    Page,
    Referrers,
    TaggedManifest,
    TagList,
    Terms,
    parse_target,
)
from mirrord.store.layout import Layout
from mirrord.store.reading import parsing

fuzz = pytest.mark.fuzz
calm = settings.get_profile("fuzz")

ROOT = Path("/root-of-a-mirror")
DIGEST = Digest.of(b"x")
TARGETS = (
    "/v2/",
    "/v2/_catalog?n=5&last=a%2Fb",
    "/v2/quay.io/x/y/tags/list?n=2&last=v1&ns=quay.io",
    f"/v2/library/nginx/manifests/{DIGEST}?ns=docker.io",
    "/v2/docker.io/library/nginx/manifests/1.27",
    f"/v2/a/blobs/{DIGEST}",
    f"/v2/a/referrers/{DIGEST}?artifactType=x",
    "http://mirror.example/v2/a/tags/list",
)


@fuzz("request targets")
@calm
@given(spoiled_text(*TARGETS), spoiled_text("mirror.example:5000", "quay.io"), st.sampled_from(["", "mirror.example"]))
def test_a_target_is_a_path_of_the_tree_or_refused(target: str, host: str, own: str) -> None:
    """Whatever the target and the Host header: the files looked for lie below the root, by their names alone."""
    route = parse_target(target, host, Terms(frozenset({own} if own else ())))
    layout = Layout(ROOT)
    match route:
        case TagList(repository) | TaggedManifest(repository) | DigestManifest(repository):
            assert is_local_name(repository)
        case Blob(repository, digest) | Referrers(repository, digest):
            path = layout.blob(repository, digest)
            assert ".." not in path.parts
            assert path.is_relative_to(ROOT / "content")
    if isinstance(route, TaggedManifest):
        assert is_tag(route.tag)


@pytest.mark.parametrize(
    "target",
    ["/v2/ahttp://evil/manifests/1", "/v2/a/manifests/https://x", "/http://x/v2/", "/v2/a/manifests/1http://x"],
)
def test_a_host_in_the_middle_of_a_target_is_refused(target: str) -> None:
    """Only what stands at its beginning is a target's host: cut out of the middle, another path would be answered."""
    assert parse_target(target, "", Terms()) is Refusal.TARGET_REFUSED


@fuzz("upstream hosts")
@calm
@given(
    spoiled_text("a/b", "library/nginx", "docker.io/library/nginx", "quay.io/x"),
    spoiled_text("quay.io", "docker.io", "registry.lan%3A5000", "localhost", "mirror.example"),
    spoiled_text("mirror.example", "quay.io:5000"),
)
def test_a_name_and_its_host_are_a_local_name_or_none(asked: str, ns: str, host: str) -> None:
    """Containerd's ``ns`` and the name together mean a repository of the grammar, or none."""
    name = local_name(asked, Asked(host, ns).upstream(frozenset({"mirror.example"})))
    assert name is None or is_local_name(name)


@fuzz("ranges")
@calm
@given(
    spoiled_text("bytes=0-9", "bytes=5-", "bytes=-5", "bytes=0-0,5-6", "lines=1-2"),
    spoiled_text('"x"', "Fri, 31 Dec 1999 23:59:59 GMT"),
    st.integers(0, 1 << 60),
)
def test_a_range_lies_within_the_file(wanted: str, condition: str, size: int) -> None:
    """Whatever is asked for: a part that is there and not empty, the whole, or 416."""
    found = RangeRequest(wanted, condition).part_of(size, '"x"')
    if found is not None:
        status, part = found
        assert 0 <= part.start <= part.stop <= size
        assert status == 200 or part.length > 0


@fuzz("conditions")
@calm
@given(spoiled_text(f'"{DIGEST}"', f'W/"{DIGEST}", "x"', "*"))
def test_a_condition_matches_or_does_not(known: str) -> None:
    """No If-None-Match makes its reader fail; one that names the digest nowhere never matches."""
    matches = Conditions(known).has(DIGEST)
    assert not matches or str(DIGEST) in known or "*" in known


@fuzz("pages")
@calm
@given(
    spoiled_json({"name": "a", "tags": ["1", "2", "3"]}),
    st.builds(Page, st.none() | st.integers(0, 10**18), spoiled_text("1", "v2")),
)
def test_a_page_is_cut_or_the_list_is_damaged(whole: bytes, page: Page) -> None:
    """A list that somebody tampered with, and any question about it: a page, or an error of the host."""

    def read() -> Paged:
        with parsing(Path("list.json")):
            return cut(whole, "tags", page, "/v2/a/tags/list")

    found, words = taken(read, HostError)
    if found is None:
        assert "list.json" in words
        return
    assert page == Page() or isinstance(json.loads(found.document), dict)
    assert found.link.isascii()
    assert "\n" not in found.link


def test_the_seeds_are_good() -> None:
    """What is spoiled here is answered as it is."""
    assert not any(isinstance(parse_target(target, "", Terms()), Refusal) for target in TARGETS)
    assert isinstance(parse_target(TARGETS[1], "", Terms()), Catalog)

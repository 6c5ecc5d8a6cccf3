"""An upstream and an image author who mean harm: what they name stays below the root, and what they ask is bounded."""

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from support.fixtures import mirror, upstream
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer

from mirrord.demo.images import BuiltImage, describe, encode, image, index
from mirrord.errors import InvalidManifestError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, parse_manifest
from mirrord.sync import followers, walk
from mirrord.sync.outcome import Report, Status

__all__ = ["mirror", "upstream"]

NASTY: tuple[object, ...] = (
    "../../../../tmp/x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/../b",
    "nul\0x",
    "x" * 129,
    "x" * 100_000,
    "-rf",
    ".hidden",
    "a b",
    "a\nb",
    "\x1b[31m",
    "\u202e",
    "latest\u0000",
    "\u212aelvin",
    None,
    7,
    {},
    [["deep"]],
)


def below(place: Path) -> set[str]:
    """All names below a directory but the root's own."""
    return {entry.name for entry in os.scandir(place)}


def tags(*names: object) -> bytes:
    """A page of a tag list."""
    return json.dumps({"name": "app", "tags": names}).encode()


def descriptor(**changed: object) -> dict[str, object]:
    """A good descriptor, but for what is changed."""
    return {**describe(Kind.OCI_MANIFEST.media_type, image("x").manifest.raw), **changed}


def push_index(upstream: Scripted, children: Sequence[Mapping[str, object]], name: str = "") -> Digest:
    """Have an index of anything at all, under a tag where one is named."""
    document = {
        "schemaVersion": 2,
        "mediaType": Kind.OCI_INDEX.media_type,
        "manifests": children,
        "annotations": {"name": name or str(len(children))},
    }
    manifest = parse_manifest(encode(document))
    return upstream.add_manifest("app", manifest)


def error_of(report: Report) -> str:
    """The words of the one image that failed."""
    (outcome,) = (outcome for outcome in report.outcomes if outcome.error)
    return str(outcome.error)


async def test_hostile_tags_become_no_files(mirror: Mirror, upstream: Scripted) -> None:
    """Names that climb, hide, break lines or are none at all are left out with one line; the good ones are mirrored."""
    upstream.push("app", image("good"), "good", "v1")
    upstream.when("tags/list", then=answer(200, tags("good", *NASTY, "v1")))
    mirror.configure('{{name: "{host}/app", tags: "*"}}')
    before = below(mirror.place)
    done = await mirror.command("sync")
    assert done.status == 0, done.err
    assert set(mirror.tags("app")) == {"good", "v1"}
    assert below(mirror.place) == before | {"mirror"}
    assert done.err.count("tags_skipped") == 1
    assert len(done.err) < 20_000
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    "changed",
    [
        {"digest": "sha256:../../../../etc/passwd"},
        {"digest": "../" * 20 + "etc/passwd"},
        {"digest": "sha256:" + "A" * 64},
        {"digest": "sha256:" + "a" * 63 + "\0"},
        {"digest": "sha256:" + "a" * 64 + "/.."},
        {"digest": "md5:" + "a" * 32},
        {"digest": None},
        {"digest": {"sha256": "a" * 64}},
        {"digest": "x" * 1_000_000},
        {"size": -1},
        {"size": 1 << 62},
        {"size": 1e308},
        {"size": "5"},
        {"size": [[[[5]]]]},
    ],
    ids=lambda changed: str(changed)[:40],
)
async def test_hostile_descriptors_fail_their_image_alone(
    mirror: Mirror, upstream: Scripted, changed: dict[str, object]
) -> None:
    """Digests that climb, sizes that are none: that image fails with its place in the document, another is served."""
    upstream.push("other", image("good"), "1")
    raw = encode({"schemaVersion": 2, "mediaType": Kind.OCI_INDEX.media_type, "manifests": [descriptor(**changed)]})
    upstream.when("/app/manifests/1$", then=answer(200, raw, {"Content-Type": Kind.OCI_INDEX.media_type}))
    mirror.configure("{host}/app:1", "{host}/other:1")
    before = below(mirror.place)
    report = await mirror.sync()
    assert by_name(report) == {"app:1": Status.FAILED, "other:1": Status.ADDED}
    assert "manifests[0]" in error_of(report)
    assert len(error_of(report)) < 1000
    assert below(mirror.place) == before | {"mirror"}
    assert not (mirror.layout.content / HOST / "app").exists()


@pytest.mark.parametrize(
    "header",
    ["sha256:../../../etc/passwd", "x" * 5000, "", "sha256:" + "0" * 64],
    ids=["climbs", "long", "none", "another"],
)
async def test_a_hostile_digest_header_leads_nowhere(mirror: Mirror, upstream: Scripted, header: str) -> None:
    """What a HEAD calls its digest is a name to ask by, and nothing more: bytes are believed by their hash."""
    mirror.configure("{host}/app:1")
    upstream.push("app", image("old"), "1")
    await mirror.sync()
    upstream.push("app", image("new"), "1")
    upstream.when("HEAD /v2/app/manifests/1", then=answer(200, b"", {"Docker-Content-Digest": header}))
    report = await mirror.sync()
    assert by_name(report)["app:1"] in {Status.UPDATED, Status.KEPT}
    assert mirror.tags("app")["1"] in {image("old").digest, image("new").digest}


async def test_an_index_of_absurd_entries_is_mirrored_as_it_is(mirror: Mirror, upstream: Scripted) -> None:
    """Platforms, annotations and types of any text do no harm: they are bytes of the index, and shown nowhere."""
    good = image("x")
    upstream.push("app", good)
    entries = [
        descriptor(platform={"os": "../../x", "architecture": "\x1b[31m"}),
        descriptor(platform={"os": "a" * 100_000, "architecture": "b"}),
        descriptor(platform=[], annotations={"\0": "\ud800", "a" * 10_000: "b"}, mediaType="../\0", artifactType="\n"),
        descriptor(platform={"os": "linux", "architecture": "amd64"}, urls=["file:///etc/passwd"]),
    ]
    upstream.tag("app", "1", push_index(upstream, entries))
    mirror.configure("{host}/app:1")
    report = await mirror.sync()
    assert by_name(report) == {"app:1": Status.ADDED}
    done = await mirror.command("images")
    assert done.status == 0
    assert "\x1b" not in done.out


async def test_an_error_of_an_index_without_the_platform_is_short(mirror: Mirror, upstream: Scripted) -> None:
    """However many and long the platforms of an index are, the error that lists them is not."""
    entries = [descriptor(platform={"os": f"os{number}" + "x" * 100, "architecture": "a"}) for number in range(500)]
    upstream.tag("app", "1", push_index(upstream, entries))
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64]}}')
    report = await mirror.sync()
    assert "none of the platforms linux/amd64" in error_of(report)
    assert len(error_of(report)) < 4000


async def test_indexes_that_list_each_others_children_are_bounded(
    mirror: Mirror, upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded: indexes of indexes multiply; the entries of all of one image are counted, and too many are refused."""
    monkeypatch.setattr(walk, "MAX_BELOW", 100)
    leaves = [image(str(number)) for number in range(10)]
    for leaf in leaves:
        upstream.push("app", leaf)
    listed = [descriptor(**describe(Kind.OCI_MANIFEST.media_type, leaf.manifest.raw)) for leaf in leaves]
    inner = [push_index(upstream, listed, str(number)) for number in range(12)]
    held = upstream.repositories["app"].manifests
    middle = [describe(Kind.OCI_INDEX.media_type, held[digest].raw) for digest in inner]
    upstream.tag("app", "many", push_index(upstream, middle[:12], "many"))
    upstream.tag("app", "few", push_index(upstream, middle[:8], "few"))
    mirror.configure("{host}/app:many", "{host}/app:few")
    report = await mirror.sync()
    assert by_name(report) == {"app:many": Status.FAILED, "app:few": Status.ADDED}
    assert "more than 100 manifests" in error_of(report)


async def test_indexes_nested_without_end_are_refused(mirror: Mirror, upstream: Scripted) -> None:
    """Bounded: an index in an index in an index, each with its own digest, ends at a depth."""
    built = image("leaf")
    upstream.push("app", built)
    digest, raw, kind = built.digest, built.manifest.raw, Kind.OCI_MANIFEST
    for _ in range(10):
        digest = push_index(upstream, [describe(kind.media_type, raw)], str(digest))
        raw, kind = upstream.repositories["app"].manifests[digest].raw, Kind.OCI_INDEX
    upstream.tag("app", "1", digest)
    mirror.configure("{host}/app:1")
    assert "nested deeper than" in error_of(await mirror.sync())


async def test_followers_of_followers_end(mirror: Mirror, upstream: Scripted) -> None:
    """Bounded: where lists are refused, each guessed signature could have a signature of its own, for ever."""
    upstream.push("app", image("good"), "1")
    upstream.when("tags/list", then=answer(403))
    counter = itertools.count()

    async def another(_request: web.Request) -> web.StreamResponse:
        built = image(f"signature {next(counter)}")
        upstream.push("app", built)
        return web.Response(body=built.manifest.raw, content_type=Kind.OCI_MANIFEST.media_type)

    upstream.when(r"GET /v2/app/manifests/sha256-[0-9a-f]+\.sig", then=another)
    mirror.configure("{host}/app:1")
    report = await mirror.sync()
    assert by_name(report) == {"app:1": Status.ADDED}
    assert len(mirror.tags("app")) == 1 + followers.MAX_CHAIN


async def test_a_manifest_that_calls_itself_a_megabyte_is_a_short_error(mirror: Mirror, upstream: Scripted) -> None:
    """Bounded: an error shows a few of an upstream's own words, whatever their number."""
    raw = json.dumps({"schemaVersion": 2, "mediaType": "x" * 1_000_000, "layers": []}).encode()
    upstream.when("/app/manifests/1$", then=answer(200, raw, {"Content-Type": "y" * 5000}))
    mirror.configure("{host}/app:1")
    report = await mirror.sync()
    assert isinstance(next(iter(report.outcomes)).error, InvalidManifestError)
    assert len(error_of(report)) < 1000


@pytest.mark.parametrize("unit", [b"{},", b'"",', b"[],", b"0,"])
async def test_a_tag_list_that_would_fill_the_memory_is_refused(
    mirror: Mirror, upstream: Scripted, unit: bytes
) -> None:
    """Bounded: millions of tiny values in one page are counted before they are read."""
    body = b'{"tags":[' + unit * 2_000_000 + b'"a"]}'
    upstream.when("tags/list", then=answer(200, body))
    mirror.configure('{{name: "{host}/app", tags: "*"}}')
    report = await mirror.sync()
    assert isinstance(next(iter(report.outcomes)).error, UpstreamError)
    assert "more than" in error_of(report)


@pytest.mark.parametrize("key", ["size", "digest"])
async def test_words_that_no_terminal_should_get_are_escaped(mirror: Mirror, upstream: Scripted, key: str) -> None:
    """Surrogates, which can't be written, and codes that would paint the screen: a report shows them as text."""
    document = {"schemaVersion": 2, "manifests": [descriptor(**{key: "\ud800\x1b[31m\u202e"})]}
    headers = {"Content-Type": Kind.OCI_INDEX.media_type}
    upstream.when("/app/manifests/1$", then=answer(200, json.dumps(document).encode(), headers))
    mirror.configure("{host}/app:1")
    done = await mirror.command("sync")
    assert done.status == 1
    assert "Traceback" not in done.err
    assert not {"\ud800", "\x1b", "\u202e"} & set(done.out + done.err)


async def test_a_redirect_of_a_blob_to_a_file_or_this_host_is_refused(mirror: Mirror, upstream: Scripted) -> None:
    """A registry that sends for a blob to ``file:`` or back to itself without end gets one error, of bounded length."""
    built = image("good")
    upstream.push("app", built, "1")
    places = ("file:///etc/passwd", "gopher://x/", "//" + "a" * 5000 + "/", "/v2/app/blobs/x?" + "y" * 5000)
    for number, place in enumerate(places):
        upstream.when("GET /v2/app/blobs/", then=answer(307, b"", {"Location": place}))
        mirror.configure("{host}/app:1")
        report = await mirror.sync()
        assert by_name(report) == {"app:1": Status.FAILED}, number
        assert len(error_of(report)) < 1000, error_of(report)


async def test_a_host_that_dns_cannot_have_is_one_images_failure(mirror: Mirror, upstream: Scripted) -> None:
    """A name with an endless label, in the config or a realm, fails what needs it; the run goes on."""
    upstream.push("app", image("good"), "1")
    mirror.configure("{host}/app:1", f"{'b' * 70}.example/app:1")
    report = await mirror.sync()
    assert sorted(by_name(report).values()) == [Status.ADDED, Status.FAILED]
    assert "no name that DNS can have" in error_of(report)
    realm = f"https://{'a' * 70}.{HOST}/token"
    upstream.when("/v2/closed/", then=answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}"'}))
    mirror.configure("{host}/closed:1")
    assert "as the place that hands out tokens" in error_of(await mirror.sync())


def test_the_descriptor_of_these_tests_is_good() -> None:
    """What the refusals are variations of is taken."""
    assert parse_manifest(encode({"schemaVersion": 2, "manifests": [descriptor()]})).children
    assert isinstance(index(image("x")), BuiltImage)

"""Indexes of which the upstream itself lacks a part, and layers that live elsewhere."""

import json
from collections.abc import AsyncIterator

import pytest
from support.closed import check_tree
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer, redirect

from mirrord.demo.images import AMD64, ARM64, OCI_CONFIG, BuiltImage, describe, encode, image, index, layer
from mirrord.errors import Owner
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, parse_manifest
from mirrord.store.tree import Tree
from mirrord.sync.memory import LACKING_FILE
from mirrord.sync.outcome import Outcome, Report, Status

KEEP = '{{name: "{host}/app:1", missing_children: keep}}'
FOLLOW = '{{name: "{host}/app:1", foreign_layers: follow}}'
AMD, ARM = image("x"), image("x", platform=ARM64)


def the_one(report: Report) -> Outcome:
    """The outcome of a run of one image."""
    (outcome,) = report.outcomes
    return outcome


def without(upstream: Scripted, *lost: BuiltImage) -> BuiltImage:
    """Push an index of two platforms, and lose some of its parts."""
    whole = index(AMD, ARM)
    upstream.push("app", whole, "1")
    for each in lost:
        del upstream.repositories["app"].manifests[each.digest]
    return whole


async def test_an_index_with_a_part_missing_upstream_fails_by_default(mirror: Mirror, upstream: Scripted) -> None:
    """Closed: the error names the part, its platform, and the key that takes the index without."""
    without(upstream, ARM)
    mirror.configure("{host}/app:1")
    outcome = the_one(await mirror.sync())
    assert outcome.error is not None
    assert outcome.error.owner is Owner.UPSTREAM
    assert f"lists {ARM.digest} (linux/arm64/v8) in " in str(outcome.error)
    assert "missing_children: keep" in str(outcome.error)
    assert mirror.tags("app") == {}


async def test_keep_publishes_it_without(mirror: Mirror, upstream: Scripted) -> None:
    """The index keeps its bytes; the record and the tree say what is held; what is lacking is 404; it is told."""
    whole = without(upstream, ARM)
    mirror.configure(KEEP)
    outcome = the_one(await mirror.sync())
    assert outcome.status is Status.ADDED
    assert outcome.warning == "without linux/arm64/v8, which the upstream itself lacks"
    tree = Tree(mirror.layout)
    record = tree.record(f"{HOST}/app")
    assert record is not None
    assert record.tags["1"].digest == whole.digest
    assert record.tags["1"].children == (AMD.digest,)
    assert record.tags["1"].platforms == ("linux/amd64",)
    assert tree.by_digest(f"{HOST}/app", ARM.digest) is None
    verified = await mirror.command("verify")
    assert verified.status == 0, verified.out


async def test_a_no_op_asks_one_head_and_nothing_of_what_is_lacking(mirror: Mirror, upstream: Scripted) -> None:
    """It is remembered: an image without a part is as complete as can be."""
    without(upstream, ARM)
    mirror.configure(KEEP)
    await mirror.sync()
    before = mirror.files()
    upstream.forget_requests()
    assert the_one(await mirror.sync()).status is Status.UNCHANGED
    assert [asked.method for asked in upstream.requests] == ["HEAD"]
    assert mirror.files() == before


async def test_losing_the_note_asks_again_and_publishes_nothing(mirror: Mirror, upstream: Scripted) -> None:
    """Losing it only costs time."""
    without(upstream, ARM)
    mirror.configure(KEEP)
    await mirror.sync()
    for damage in (None, b"[", b'{"registry.test/app": {"sha256:0": ["", 99999999999]}}'):
        path = mirror.layout.state / LACKING_FILE
        path.unlink() if damage is None else path.write_bytes(damage)
        report = await mirror.sync()
        assert the_one(report).status is Status.UNCHANGED
        assert report.snapshots == ()


async def test_a_part_that_the_upstream_has_again_is_completed(mirror: Mirror, upstream: Scripted) -> None:
    """After a day the upstream is asked again, and what it has by then comes."""
    without(upstream, ARM)
    mirror.configure(KEEP)
    await mirror.sync()
    upstream.push("app", ARM)
    assert the_one(await mirror.sync()).status is Status.UNCHANGED
    path = mirror.layout.state / LACKING_FILE
    notes = json.loads(path.read_bytes())
    notes[f"{HOST}/app"][str(ARM.digest)][1] -= 86_401
    path.write_text(json.dumps(notes))
    assert the_one(await mirror.sync()).status is Status.COMPLETED
    record = Tree(mirror.layout).record(f"{HOST}/app")
    assert record is not None
    assert set(record.tags["1"].children) == {AMD.digest, ARM.digest}
    assert the_one(await mirror.sync()).status is Status.UNCHANGED


async def test_fail_again_does_not_take_what_is_served(mirror: Mirror, upstream: Scripted) -> None:
    """Without the key the image fails, and what is served of it stays."""
    whole = without(upstream, ARM)
    mirror.configure(KEEP)
    await mirror.sync()
    mirror.configure("{host}/app:1")
    assert the_one(await mirror.sync()).status is Status.FAILED
    assert mirror.tags("app") == {"1": whole.digest}


async def test_an_index_of_which_nothing_is_there_fails_all_the_same(mirror: Mirror, upstream: Scripted) -> None:
    """An image of which nobody can pull anything is none."""
    without(upstream, AMD, ARM)
    mirror.configure(KEEP)
    assert "lacks every part of it" in str(the_one(await mirror.sync()).error)
    assert mirror.tags("app") == {}


async def test_a_part_that_can_not_be_had_otherwise_is_not_lacking(mirror: Mirror, upstream: Scripted) -> None:
    """Only a 404 says that the upstream lacks it: any other answer fails the image."""
    without(upstream)
    upstream.when(f"manifests/{ARM.digest}", then=answer(500))
    mirror.configure(KEEP)
    assert the_one(await mirror.sync()).status is Status.FAILED
    assert mirror.tags("app") == {}


FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"


def foreign_image(content: bytes, *urls: str) -> BuiltImage:
    """An image with a layer of its own and one that lives at ``urls``."""
    own = layer("own")
    config = encode({"os": AMD64.os, "architecture": AMD64.architecture, "rootfs": {"type": "layers", "diff_ids": []}})
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": Kind.OCI_MANIFEST.media_type,
            "config": describe(OCI_CONFIG, config),
            "layers": [{**describe(FOREIGN, content), "urls": list(urls)}, describe(OCI_CONFIG, own.content)],
        }
    )
    return BuiltImage(parse_manifest(raw), (config, own.content), platform=AMD64)


@pytest.fixture
async def elsewhere() -> AsyncIterator[Scripted]:
    """Another server, where foreign layers live."""
    async with Scripted.running() as running:
        yield running


SMALL_LAYER, BIG_LAYER = layer("windows").content, layer("windows", 3 << 20).content


async def test_skip_is_the_default_and_asks_nobody(mirror: Mirror, upstream: Scripted, elsewhere: Scripted) -> None:
    """A layer that lives elsewhere is neither fetched nor missed."""
    upstream.push("app", foreign_image(SMALL_LAYER, f"{elsewhere.url}/v2/files/blobs/{Digest.of(SMALL_LAYER)}"), "1")
    mirror.configure("{host}/app:1")
    assert the_one(await mirror.sync()).status is Status.ADDED
    assert elsewhere.requests == ()
    assert Tree(mirror.layout).blob(f"{HOST}/app", Digest.of(SMALL_LAYER)) is None


@pytest.mark.parametrize("content", [SMALL_LAYER, BIG_LAYER], ids=["small", "big"])
async def test_follow_fetches_verifies_and_serves_it(
    mirror: Mirror, upstream: Scripted, elsewhere: Scripted, content: bytes
) -> None:
    """From the first of its URLs that gives it, by way of redirects, without the registry's login; then it is held."""
    digest = elsewhere.add_blob("files", content)
    elsewhere.when("GET /gone", then=answer(404))
    elsewhere.when("GET /moved", then=redirect(f"/v2/files/blobs/{digest}"))
    built = foreign_image(content, f"{elsewhere.url}/gone", f"{elsewhere.url}/moved?signed=1")
    upstream.push("app", built, "1")
    mirror.configure(FOLLOW)
    mirror.registry = "username: me, password: secret"
    assert the_one(await mirror.sync()).status is Status.ADDED
    path = Tree(mirror.layout).blob(f"{HOST}/app", digest)
    assert path is not None
    assert path.read_bytes() == content
    assert not any("Authorization" in asked.headers for asked in elsewhere.requests)
    upstream.forget_requests()
    assert the_one(await mirror.sync()).status is Status.UNCHANGED
    assert len(upstream.requests) == 1
    collected = await mirror.command("gc")
    assert collected.status == 0, collected.out
    assert path.exists()
    assert (await mirror.command("verify")).status == 0


async def test_a_registry_that_has_the_layer_itself_is_asked_first(
    mirror: Mirror, upstream: Scripted, elsewhere: Scripted
) -> None:
    """Some registries hold such layers: then nobody else is asked."""
    built = foreign_image(SMALL_LAYER, f"{elsewhere.url}/x")
    upstream.push("app", built, "1")
    upstream.add_blob("app", SMALL_LAYER)
    mirror.configure(FOLLOW)
    assert the_one(await mirror.sync()).status is Status.ADDED
    assert elsewhere.requests == ()


async def test_follow_that_comes_later_fetches_only_the_layer(
    mirror: Mirror, upstream: Scripted, elsewhere: Scripted
) -> None:
    """A held image is not complete by the new config: the layer comes, and nothing else."""
    digest = elsewhere.add_blob("files", SMALL_LAYER)
    built = index(foreign_image(SMALL_LAYER, f"{elsewhere.url}/v2/files/blobs/{digest}"))
    upstream.push("app", built, "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    mirror.configure(FOLLOW)
    upstream.forget_requests()
    assert the_one(await mirror.sync()).status is Status.COMPLETED
    assert [str(asked) for asked in upstream.requests if "blobs" in asked.path] == [f"GET /v2/app/blobs/{digest}"]
    assert Tree(mirror.layout).blob(f"{HOST}/app", digest) is not None
    assert the_one(await mirror.sync()).status is Status.UNCHANGED


async def test_wrong_bytes_from_elsewhere_are_never_kept(
    mirror: Mirror, upstream: Scripted, elsewhere: Scripted
) -> None:
    """True: what does not hash to its digest is discarded, and the image fails."""
    wrong = bytes(len(SMALL_LAYER))
    elsewhere.when("GET /x", then=answer(200, wrong))
    upstream.push("app", foreign_image(SMALL_LAYER, f"{elsewhere.url}/x"), "1")
    mirror.configure(FOLLOW)
    outcome = the_one(await mirror.sync())
    assert outcome.error is not None
    assert outcome.error.owner is Owner.UPSTREAM
    assert str(Digest.of(wrong)) in str(outcome.error)
    assert mirror.tags("app") == {}
    check_tree(mirror.root)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "not a url", "", "https:///x"])
async def test_a_url_that_is_none_fails_in_words(mirror: Mirror, upstream: Scripted, url: str) -> None:
    """Only http and https lead anywhere."""
    upstream.push("app", foreign_image(SMALL_LAYER, url), "1")
    mirror.configure(FOLLOW)
    outcome = the_one(await mirror.sync())
    assert outcome.status is Status.FAILED
    assert by_name(await mirror.sync()) == {"app:1": Status.FAILED}

"""Runs from a config to a snapshot, against an upstream in this process."""

import json
import os

import pytest
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted, answer

from mirrord.config.reserve import Reserve
from mirrord.demo.images import (
    ARM64,
    artifact,
    attestation,
    fallback_tag,
    image,
    index,
    layer,
    referrers_index,
    signature,
    signature_tag,
)
from mirrord.errors import HostError, Owner
from mirrord.oci.manifest import parse_manifest
from mirrord.oci.platform import Platform
from mirrord.store.store import open_store
from mirrord.store.tree import Tree
from mirrord.sync.outcome import Status

BIG = 3 << 20


async def test_a_tag_is_mirrored_whole(mirror: Mirror, upstream: Scripted) -> None:
    """Closed and True: after a sync a tag's manifest, config and layers are served, each hashing to its name."""
    pushed = upstream.push("app", image("one", layers=(layer("a", BIG), layer("b"))), "1.0")
    mirror.configure("{host}/app:1.0")
    report = await mirror.sync()
    assert by_name(report) == {"app:1.0": Status.ADDED}
    assert mirror.tags("app") == {"1.0": pushed}
    assert report.progress.bytes_fetched > BIG
    assert not report.has_failed


async def test_an_unchanged_image_costs_one_head_and_no_write(mirror: Mirror, upstream: Scripted) -> None:
    """A second run asks one HEAD a tag, changes no file, makes no snapshot."""
    for tag in ("1", "2", "3"):
        upstream.push("app", index(image(tag), image(tag, platform=ARM64)), tag)
    mirror.configure('{{name: "{host}/app", tags: ["1", "2", "3"]}}')
    await mirror.sync()
    before = mirror.files()
    upstream.forget_requests()
    report = await mirror.sync()
    assert set(by_name(report).values()) == {Status.UNCHANGED}
    assert [str(asked) for asked in upstream.requests if asked.method != "HEAD"] == []
    assert len(upstream.requests) == 3
    assert report.snapshots == ()
    assert mirror.files() == before


async def test_globs_cost_one_list_more(mirror: Mirror, upstream: Scripted) -> None:
    """A repository with rules costs one list and one HEAD a tag; tags that no rule fits are not asked for."""
    for tag in ("v1.0", "v1.1", "v2.0"):
        upstream.push("app", image(tag), tag)
    mirror.configure('{{name: "{host}/app", tags: ["v1.*"]}}')
    assert by_name(await mirror.sync()) == {"app:v1.0": Status.ADDED, "app:v1.1": Status.ADDED}
    upstream.forget_requests()
    await mirror.sync()
    assert sorted(asked.method for asked in upstream.requests) == ["GET", "HEAD", "HEAD"]


async def test_a_shared_layer_is_fetched_once_and_kept_once(mirror: Mirror, upstream: Scripted) -> None:
    """Two repositories with one layer: one request for it, one inode, and a link in each."""
    shared = layer("shared", BIG)
    for name in ("one", "two"):
        upstream.push(name, image(name, layers=(shared,)), "1")
    mirror.configure("{host}/one:1", "{host}/two:1")
    await mirror.sync()
    digest = image("one", layers=(shared,)).manifest.layers[0].digest
    assert upstream.asked(f"GET /v2/.*/blobs/{digest}") == 1
    inodes = {os.stat(mirror.layout.blob(f"{HOST}/{name}", digest)).st_ino for name in ("one", "two")}
    assert inodes == {os.stat(mirror.layout.pooled(digest)).st_ino}


async def test_a_blob_another_repository_has_is_a_link_in_a_later_run(mirror: Mirror, upstream: Scripted) -> None:
    """A repository added later takes what the pool has without asking for it."""
    shared = layer("shared", BIG)
    upstream.push("one", image("one", layers=(shared,)), "1")
    upstream.push("two", image("two", layers=(shared,)), "1")
    mirror.configure("{host}/one:1")
    await mirror.sync()
    upstream.forget_requests()
    mirror.configure("{host}/one:1", "{host}/two:1")
    report = await mirror.sync()
    digest = image("one", layers=(shared,)).manifest.layers[0].digest
    assert upstream.asked(f"{digest}") == 0
    assert report.progress.bytes_linked >= BIG


async def test_moved_removed_and_forgotten_images_end_in_the_right_snapshot(mirror: Mirror, upstream: Scripted) -> None:
    """A moved tag names the new digest, a tag out of its rule and an image out of the config are gone."""
    upstream.push("app", image("old"), "moves", "stays", "leaves")
    upstream.push("other", image("other"), "1")
    mirror.configure('{{name: "{host}/app", tags: [moves, stays, leaves]}}', "{host}/other:1")
    await mirror.sync()
    moved = upstream.push("app", image("new"), "moves")
    mirror.configure('{{name: "{host}/app", tags: [moves, stays]}}')
    report = await mirror.sync()
    assert by_name(report) == {
        "app:moves": Status.UPDATED,
        "app:stays": Status.UNCHANGED,
        "app:leaves": Status.REMOVED,
        "other:1": Status.REMOVED,
    }
    assert mirror.tags("app") == {"moves": moved, "stays": image("old").digest}
    assert Tree(mirror.layout).repositories() == (f"{HOST}/app",)
    assert len(report.snapshots) == 1


async def test_only_the_chosen_platforms_come_and_the_index_keeps_its_bytes(mirror: Mirror, upstream: Scripted) -> None:
    """A filtered index is served with its own digest; its other platforms and their attestations are not fetched."""
    amd, arm = image("x"), image("x", platform=ARM64)
    whole = index(amd, arm, attestation(amd), attestation(arm))
    upstream.push("app", whole, "1")
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64]}}')
    await mirror.sync()
    record = Tree(mirror.layout).record(f"{HOST}/app")
    assert record is not None
    held = record.tags["1"]
    assert held.digest == whole.digest
    assert set(held.children) == {amd.digest, attestation(amd).digest}
    assert held.platforms == ("linux/amd64",)
    assert upstream.asked(str(arm.digest)) == 0


async def test_a_platform_chosen_later_is_completed_and_nothing_else_fetched(
    mirror: Mirror, upstream: Scripted
) -> None:
    """Adding a platform to the config fetches that platform alone; taking it away again changes the record only."""
    amd, arm = image("x"), image("x", platform=ARM64)
    upstream.push("app", index(amd, arm), "1")
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64]}}')
    await mirror.sync()
    upstream.forget_requests()
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64, linux/arm64]}}')
    assert by_name(await mirror.sync()) == {"app:1": Status.COMPLETED}
    assert upstream.asked(str(arm.digest)) == 1
    assert upstream.asked(str(amd.digest)) == 0
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/arm64/v8]}}')
    await mirror.sync()
    record = Tree(mirror.layout).record(f"{HOST}/app")
    assert record is not None
    assert record.tags["1"].platforms == ("linux/arm64/v8",)
    assert await mirror.sync() is not None
    assert by_name(await mirror.sync()) == {"app:1": Status.UNCHANGED}


async def test_a_platform_that_is_not_there_fails_the_image_and_names_what_is(
    mirror: Mirror, upstream: Scripted
) -> None:
    """Choosing a platform the index lacks is the config's to mend, and the error lists what it has."""
    upstream.push("app", index(image("x"), image("x", platform=ARM64)), "1")
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/s390x]}}')
    (outcome,) = (await mirror.sync()).outcomes
    assert outcome.error is not None
    assert outcome.error.owner is Owner.CONFIG
    assert "linux/amd64, linux/arm64/v8" in str(outcome.error)
    assert mirror.tags("app") == {}


async def test_a_single_image_of_another_platform_is_kept_with_a_warning(mirror: Mirror, upstream: Scripted) -> None:
    """A repository with one image and no index is mirrored whatever platform it is of, and it is said."""
    upstream.push("app", image("x", platform=Platform("linux", "s390x")), "1")
    mirror.configure('{{name: "{host}/app:1", platforms: [linux/amd64]}}')
    (outcome,) = (await mirror.sync()).outcomes
    assert outcome.status is Status.ADDED
    assert "linux/s390x" in outcome.warning


async def test_one_image_that_fails_stops_no_other(mirror: Mirror, upstream: Scripted) -> None:
    """Last good stays: a missing tag and a broken repository fail alone; the rest is published."""
    good = upstream.push("good", image("good"), "1")
    upstream.push("bad", image("bad"), "1")
    upstream.when("GET /v2/bad/blobs", then=answer(500))
    mirror.configure("{host}/good:1", "{host}/bad:1", "{host}/good:missing")
    report = await mirror.sync()
    assert by_name(report) == {"good:1": Status.ADDED, "bad:1": Status.FAILED, "good:missing": Status.FAILED}
    assert mirror.tags("good") == {"1": good}
    assert mirror.tags("bad") == {}
    owners = {outcome.name: outcome.error.owner for outcome in report.outcomes if outcome.error}
    assert set(owners.values()) == {Owner.UPSTREAM}


async def test_a_tag_deleted_upstream_is_kept(mirror: Mirror, upstream: Scripted) -> None:
    """What the upstream deletes stays served, is not a failure, and is told."""
    pushed = upstream.push("app", image("x"), "1", "2")
    mirror.configure('{{name: "{host}/app", tags: ["1", "?"]}}')
    await mirror.sync()
    upstream.untag("app", "1")
    upstream.untag("app", "2")
    upstream.push("app", image("y"), "3")
    report = await mirror.sync()
    assert by_name(report) == {"app:1": Status.KEPT, "app:2": Status.KEPT, "app:3": Status.ADDED}
    assert mirror.tags("app")["2"] == pushed
    assert not report.has_failed


async def test_a_list_that_is_suddenly_empty_drops_nothing(mirror: Mirror, upstream: Scripted) -> None:
    """An empty list while tags are held is the upstream's error, and the tags stay."""
    pushed = upstream.push("app", image("x"), "1")
    mirror.configure('{{name: "{host}/app", tags: ["?"]}}')
    await mirror.sync()
    upstream.untag("app", "1")
    report = await mirror.sync()
    assert report.has_failed
    assert mirror.tags("app") == {"1": pushed}


async def test_images_by_digest_need_no_tag_and_no_second_request(mirror: Mirror, upstream: Scripted) -> None:
    """name@digest is mirrored, protected by the record, and never asked for again."""
    digest = upstream.push("app", image("x"), "1")
    mirror.configure(f"{{host}}/app@{digest}")
    assert by_name(await mirror.sync()) == {f"app@{digest}": Status.ADDED}
    record = Tree(mirror.layout).record(f"{HOST}/app")
    assert record is not None
    assert set(record.digests) == {digest}
    upstream.forget_requests()
    assert by_name(await mirror.sync()) == {f"app@{digest}": Status.UNCHANGED}
    assert upstream.requests == ()


async def test_a_pinned_tag_that_moves_is_an_error_with_both_digests(mirror: Mirror, upstream: Scripted) -> None:
    """name:tag@digest is published only while the upstream's tag is that digest; what is served stays."""
    old = upstream.push("app", image("old"), "1")
    mirror.configure(f"{{host}}/app:1@{old}")
    await mirror.sync()
    new = upstream.push("app", image("new"), "1")
    (outcome,) = (await mirror.sync()).outcomes
    assert outcome.status is Status.FAILED
    assert str(old) in str(outcome.error)
    assert str(new) in str(outcome.error)
    assert mirror.tags("app") == {"1": old}


async def test_a_signature_follows_its_image(mirror: Mirror, upstream: Scripted) -> None:
    """Cosign's tag comes in the same snapshot as its image, and leaves when the tag moves on."""
    signed = image("signed")
    upstream.push("app", signed, "1")
    upstream.push("app", signature(signed), signature_tag(signed.digest))
    mirror.configure("{host}/app:1")
    assert len((await mirror.sync()).snapshots) == 1
    assert set(mirror.tags("app")) == {"1", signature_tag(signed.digest)}
    upstream.push("app", image("unsigned"), "1")
    await mirror.sync()
    assert set(mirror.tags("app")) == {"1"}


async def test_a_fallback_tag_becomes_the_referrers_document(mirror: Mirror, upstream: Scripted) -> None:
    """What the fallback tag lists is mirrored and served as the referrers of its subject."""
    subject = image("subject")
    sbom = artifact("sbom", "application/vnd.example.sbom", subject)
    upstream.push("app", subject, "1")
    upstream.push("app", sbom)
    upstream.add_manifest("app", parse_manifest(referrers_index([sbom])), fallback_tag(subject.digest))
    mirror.configure("{host}/app:1")
    await mirror.sync()
    document = json.loads(Tree(mirror.layout).referrers_file(f"{HOST}/app", subject.digest).read_bytes())
    assert [entry["digest"] for entry in document["manifests"]] == [str(sbom.digest)]
    assert document["manifests"][0]["artifactType"] == "application/vnd.example.sbom"


async def test_a_signature_added_later_is_found_when_the_day_is_over(mirror: Mirror, upstream: Scripted) -> None:
    """Followers of an unchanged digest are looked for again after a day, not in each run."""
    signed = image("signed")
    upstream.push("app", signed, "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    upstream.push("app", signature(signed), signature_tag(signed.digest))
    await mirror.sync()
    assert set(mirror.tags("app")) == {"1"}
    (mirror.layout.state / "followers.json").unlink()
    await mirror.sync()
    assert set(mirror.tags("app")) == {"1", signature_tag(signed.digest)}


async def test_referrers_false_brings_none_and_drops_those_held(mirror: Mirror, upstream: Scripted) -> None:
    """With referrers: false no signature is fetched, and those of an earlier config go."""
    signed = image("signed")
    upstream.push("app", signed, "1")
    upstream.push("app", signature(signed), signature_tag(signed.digest))
    mirror.configure("{host}/app:1")
    await mirror.sync()
    mirror.configure('{{name: "{host}/app:1", referrers: false}}')
    await mirror.sync()
    assert set(mirror.tags("app")) == {"1"}


async def test_immutable_tags_are_never_asked_for_again(mirror: Mirror, upstream: Scripted) -> None:
    """A held tag that fits `immutable` costs no request; another still costs its HEAD."""
    upstream.push("app", image("x"), "v1", "edge")
    mirror.configure('{{name: "{host}/app", tags: [v1, edge], immutable: ["v*"]}}')
    await mirror.sync()
    upstream.forget_requests()
    await mirror.sync()
    assert [asked.path for asked in upstream.requests] == ["/v2/app/manifests/edge"]


async def test_a_run_of_some_images_drops_nothing(mirror: Mirror, upstream: Scripted) -> None:
    """`sync IMAGE` is about that image; what left the config stays until a whole run."""
    upstream.push("one", image("one"), "1")
    upstream.push("two", image("two"), "1")
    mirror.configure("{host}/one:1", "{host}/two:1")
    await mirror.sync()
    mirror.configure("{host}/one:1")
    assert by_name(await mirror.sync(f"{HOST}/one")) == {"one:1": Status.UNCHANGED}
    assert set(Tree(mirror.layout).repositories()) == {f"{HOST}/one", f"{HOST}/two"}


async def test_a_second_writer_is_refused_and_named(mirror: Mirror, upstream: Scripted) -> None:
    """One writer: while a run holds the root, another fails at once and names the holder."""
    upstream.push("app", image("x"), "1")
    mirror.configure("{host}/app:1")
    async with open_store(mirror.root, command="the first", threads=1, reserve=Reserve(size=0)):
        with pytest.raises(HostError, match=r"in use by `the first` \(process \d+"):
            await mirror.sync()

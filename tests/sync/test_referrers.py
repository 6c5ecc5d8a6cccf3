"""What follows an image, by API and by tags: complete, published with it, found later, chosen by type, and cheap."""

import json

import pytest
from support.mirror import HOST, Mirror, by_name
from support.scripted import Scripted

from mirrord.demo import images
from mirrord.demo.images import BuiltImage
from mirrord.oci.digest import Digest
from mirrord.store.tree import Tree
from mirrord.sync.outcome import Status

SBOM, SIGNATURE = "application/spdx+json", "application/vnd.test.signature"


@pytest.fixture
def upstream(upstream: Scripted) -> Scripted:
    """One that has the referrers API."""
    upstream.referrers = True
    return upstream


def served(mirror: Mirror, subject: Digest, repository: str = "app") -> list[Digest]:
    """What the mirror's referrers endpoint lists of an image."""
    path = Tree(mirror.layout).referrers_file(f"{HOST}/{repository}", subject)
    if not path.exists():
        return []
    return [Digest.parse(entry["digest"]) for entry in json.loads(path.read_bytes())["manifests"]]


def has(mirror: Mirror, built: BuiltImage, repository: str = "app") -> bool:
    """Whether the mirror has a manifest by its digest."""
    return (mirror.layout.manifests(f"{HOST}/{repository}") / f"{built.digest}.oci-manifest").exists()


async def test_referrers_come_with_their_image(mirror: Mirror, upstream: Scripted) -> None:
    """In one snapshot with it, and what refers to them in turn; a tag of the same digest asks nothing again."""
    image = images.image("x")
    sbom = images.artifact("sbom", SBOM, image)
    signature = images.artifact("signature of the sbom", SIGNATURE, sbom)
    for built in (sbom, signature):
        upstream.push("app", built)
    upstream.push("app", image, "1", "2")
    mirror.configure('{{name: "{host}/app", tags: ["1", "2"]}}')
    report = await mirror.sync()
    assert len(report.snapshots) == 1
    assert served(mirror, image.digest) == [sbom.digest]
    assert served(mirror, sbom.digest) == [signature.digest]
    assert has(mirror, signature)
    assert upstream.asked("referrers/") == 3


async def test_an_image_is_not_published_before_its_referrers(mirror: Mirror, upstream: Scripted) -> None:
    """A signature that can't be fetched holds its image back: what is served can be verified."""
    image = images.image("x")
    sbom = images.artifact("sbom", SBOM, image)
    upstream.push("app", image, "1")
    upstream.push("app", sbom)
    for blob in sbom.manifest.blobs:
        upstream.repositories["app"].blobs.pop(blob.digest)
    mirror.configure("{host}/app:1")
    report = await mirror.sync()
    assert by_name(report) == {"app:1": Status.FAILED}
    assert not report.snapshots


async def test_an_unchanged_mirror_costs_a_head_a_tag(mirror: Mirror, upstream: Scripted) -> None:
    """And a list for a rule that needs one: no question for referrers, until `recheck` is over."""
    for number in range(12):
        image = images.image(str(number))
        upstream.push("app", image, f"v{number}")
        upstream.push("app", images.artifact(str(number), SBOM, image))
    mirror.configure('{{name: "{host}/app", tags: ["v*"]}}')
    await mirror.sync()
    upstream.forget_requests()
    report = await mirror.sync()
    assert not report.snapshots
    asked = sorted(map(str, upstream.requests))
    assert len(asked) == 13
    assert [each for each in asked if each.startswith("GET")] == ["GET /v2/app/tags/list"]


async def test_a_later_signature_is_found(mirror: Mirror, upstream: Scripted) -> None:
    """An unchanged image is looked at again after `recheck`; what is new is published, and nothing else fetched."""
    image = images.image("x")
    first = images.artifact("first", SIGNATURE, image)
    upstream.push("app", image, "1")
    upstream.push("app", first)
    mirror.configure('{{name: "{host}/app:1", referrers: {{recheck: 0s}}}}')
    await mirror.sync()
    upstream.forget_requests()
    assert not (await mirror.sync()).snapshots
    assert upstream.asked("manifests/sha256") == 0
    later = images.artifact("later", SIGNATURE, image)
    upstream.push("app", later)
    upstream.forget_requests()
    report = await mirror.sync()
    assert len(report.snapshots) == 1
    assert set(served(mirror, image.digest)) == {first.digest, later.digest}
    assert upstream.asked("manifests/sha256") == 1
    assert upstream.asked(f"manifests/{first.digest}") == 0


async def test_a_referrer_that_goes_away_upstream_stays(mirror: Mirror, upstream: Scripted) -> None:
    """As tags do: what clients verify today they can verify tomorrow, as long as its image is held."""
    image, other = images.image("x"), images.image("y")
    sbom = images.artifact("sbom", SBOM, image)
    upstream.push("app", image, "1")
    upstream.push("app", sbom)
    mirror.configure('{{name: "{host}/app:1", referrers: {{recheck: 0s}}}}')
    await mirror.sync()
    del upstream.repositories["app"].manifests[sbom.digest]
    await mirror.sync()
    assert served(mirror, image.digest) == [sbom.digest]
    upstream.push("app", other, "1")
    await mirror.sync()
    assert served(mirror, image.digest) == []


async def test_types_choose(mirror: Mirror, upstream: Scripted) -> None:
    """Only artifacts of the types asked for come, by API, by fallback tag and by cosign's tags."""
    image = images.image("x")
    sbom, signature = images.artifact("sbom", SBOM, image), images.artifact("signature", SIGNATURE, image)
    tagged = images.artifact("tagged", SBOM, image), images.artifact("tagged too", SIGNATURE, image)
    upstream.push("app", image, "1")
    for built in (sbom, signature, *tagged):
        upstream.push("app", built)
    upstream.push("app", images.index(*tagged), images.fallback_tag(image.digest))
    upstream.push("app", images.signature(image), images.signature_tag(image.digest))
    mirror.configure('{{name: "{host}/app:1", referrers: {{types: ["application/spdx*"]}}}}')
    await mirror.sync()
    assert set(served(mirror, image.digest)) == {sbom.digest, tagged[0].digest}
    assert not has(mirror, signature)
    assert set(mirror.tags("app")) == {"1"}
    mirror.configure('{{name: "{host}/app:1", referrers: {{types: ["*cosign.simplesigning*"], recheck: 0s}}}}')
    await mirror.sync()
    assert set(mirror.tags("app")) == {"1", images.signature_tag(image.digest)}


async def test_api_and_fallback_tag_are_one_list(mirror: Mirror, upstream: Scripted) -> None:
    """A registry that got the API later may have older referrers under the tag alone."""
    image = images.image("x")
    old, new = images.artifact("old", SBOM, image), images.artifact("new", SBOM, image)
    upstream.push("app", image, "1")
    upstream.push("app", images.index(old), images.fallback_tag(image.digest))
    upstream.push("app", new)
    mirror.configure("{host}/app:1")
    await mirror.sync()
    assert set(served(mirror, image.digest)) == {old.digest, new.digest}


async def test_without_referrers_those_held_go(mirror: Mirror, upstream: Scripted) -> None:
    """`referrers: false` means it."""
    image = images.image("x")
    upstream.push("app", image, "1")
    upstream.push("app", images.artifact("sbom", SBOM, image))
    mirror.configure("{host}/app:1")
    await mirror.sync()
    assert served(mirror, image.digest)
    mirror.configure('{{name: "{host}/app:1", referrers: false}}')
    await mirror.sync()
    assert served(mirror, image.digest) == []


async def test_the_lack_of_the_api_is_remembered_between_runs(mirror: Mirror, upstream: Scripted) -> None:
    """One question to a host that has none, however many images and runs."""
    upstream.referrers = False
    for number in range(6):
        upstream.push("app", images.image(str(number)), str(number))
    mirror.configure('{{name: "{host}/app", tags: ["0", "1", "2"]}}')
    await mirror.sync()
    mirror.configure('{{name: "{host}/app", tags: ["?"]}}')
    await mirror.sync()
    assert upstream.asked("referrers/") <= 3  # those of the first run that were under way together


@pytest.mark.parametrize(("pages", "read", "guesses"), [(4, 4, 0), (9, 8, 8)])
async def test_a_very_long_list_is_not_read_for_one_tag(
    mirror: Mirror, upstream: Scripted, pages: int, read: int, guesses: int
) -> None:
    """What follows one image is guessed, in four questions a digest, where the list has more pages than that."""
    upstream.referrers, upstream.page = False, 10
    image = images.image("x")
    signature = images.artifact("signature", SIGNATURE)
    upstream.push("app", image, *(f"t{number}" for number in range(pages * 10 - 1)))
    upstream.push("app", signature, f"sha256-{image.digest.hex}.sig")
    mirror.configure("{host}/app:t1")
    await mirror.sync()
    assert f"sha256-{image.digest.hex}.sig" in mirror.tags("app")
    assert upstream.asked("GET /v2/app/tags/list") == read
    assert upstream.asked("manifests/sha256-") == max(guesses, 1)

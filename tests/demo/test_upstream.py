"""The demo's upstream: well-formed images, served as a registry serves them."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from support.programs import program

from mirrord.demo import images
from mirrord.demo.access import Access, Basic, Everybody, Tokens
from mirrord.demo.upstream import Upstream
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind

ONE = images.image("one")
BOTH = images.index(ONE, images.image("two", platform=images.ARM64), images.attestation(ONE))


@pytest.mark.parametrize("access", [Everybody(), Basic("me", "pw"), Tokens(), Tokens("me", "pw")])
async def test_a_real_client_copies_what_it_serves(tmp_path: Path, access: Access) -> None:
    """A client such as skopeo copies every kind of image, with every kind of access, and finds every digest right."""
    login = ["--src-creds", "me:pw"] if getattr(access, "user", "") else []
    async with Upstream.running(access) as upstream:
        pushed = {
            "index": BOTH,
            "docker": images.index(images.image("d", docker=True), docker=True),
            "artifact": images.artifact("a", "application/vnd.test", subject=ONE),
            images.signature_tag(ONE.digest): images.signature(ONE),
        }
        for tag, built in pushed.items():
            upstream.push("team/app", built, tag)
            source, target = f"docker://{upstream.host}/team/app:{tag}", f"dir:{tmp_path / tag[:20]}"
            command = (program("skopeo", "skopeo"), "copy", "-q", "--all", "--src-tls-verify=false", *login)
            client = await asyncio.create_subprocess_exec(*command, source, target, stderr=asyncio.subprocess.PIPE)
            _, said = await client.communicate()
            assert client.returncode == 0, said.decode()
            assert (tmp_path / tag[:20] / "manifest.json").read_bytes() == built.manifest.raw


def test_images_are_the_same_every_time() -> None:
    """A seed decides every byte, so that a demo's digests can be written down; other seeds make other images."""
    assert images.image("one").digest == ONE.digest
    assert images.image("one", platform=images.ARM64).digest != ONE.digest
    assert images.image("other").digest != ONE.digest
    shared = images.layer("shared")
    first, second = (images.image(seed, layers=[shared]).manifest for seed in ("a", "b"))
    assert first.layers == second.layers


async def test_it_answers_ranges_lists_and_referrers() -> None:
    """What a puller may ask: a part of a blob, a list in pages, and who refers to an image."""
    upstream = Upstream(page=2, referrers=True)
    referrer = images.artifact("sbom", "application/spdx+json", subject=ONE)
    content = b"0123456789"
    async with upstream.served(), aiohttp.ClientSession(f"{upstream.url}/v2/app/") as session:
        upstream.push("app", ONE, "a", "b", "c")
        upstream.push("app", referrer)
        blob = f"blobs/{upstream.add_blob('app', content)}"
        for asked, status, expected in (
            ("bytes=3-5", 206, b"345"),
            ("bytes=7-", 206, b"789"),
            ("bytes=10-", 416, b""),
            ("lines=1-2", 200, content),
        ):
            async with session.get(blob, headers={"Range": asked}) as response:
                assert (response.status, await response.read()) == (status, expected)
        async with session.head(blob) as response:
            assert (response.status, response.content_length) == (200, 10)
        async with session.get("tags/list") as response:
            assert await response.json() == {"name": "app", "tags": ["a", "b"]}
            assert response.headers["Link"] == '</v2/app/tags/list?last=b&n=2>; rel="next"'
        async with session.get("tags/list?last=b&n=2") as response:
            assert await response.json() == {"name": "app", "tags": ["c"]}
            assert "Link" not in response.headers
        for query, found in (("", 1), ("?artifactType=application/spdx%2Bjson", 1), ("?artifactType=other", 0)):
            async with session.get(f"referrers/{ONE.digest}{query}") as response:
                assert response.content_type == Kind.OCI_INDEX.media_type
                assert len((await response.json(content_type=None))["manifests"]) == found
        upstream.untag("app", "a")
        for missing in ("manifests/a", f"manifests/{Digest.of(b'none')}", "blobs/rubbish", "tags/other", "uploads/"):
            async with session.get(missing) as response:
                assert response.status == 404
                assert (await response.json())["errors"]
    assert str(upstream.requests[0]) == f"GET /v2/app/{blob}"
    upstream.forget_requests()
    assert upstream.requests == ()

"""The main job with real programs: docker-registry, the mirrord command, nginx, skopeo, podman, containerd."""

import http.client
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import nginx
from support.clients import containerd, copy_all, podman, tags_of
from support.docker_registry import DockerRegistry
from support.mirror import HOST, Mirror
from support.nginx import Nginx
from support.tree import readable_directory

from mirrord.demo.images import (
    AMD64,
    ARM64,
    CREATED,
    DOCKER_CONFIG,
    DOCKER_LAYER,
    OCI_CONFIG,
    OCI_LAYER,
    BuiltImage,
    Layer,
    describe,
    encode,
    image,
    index,
    layer,
)
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind, parse_manifest
from mirrord.oci.platform import Platform
from mirrord.serve.nginx import NginxSite

MIB = 1 << 20
PLATFORMS = (AMD64, ARM64, Platform("linux", "s390x"), Platform("linux", "ppc64le"))


@dataclass(frozen=True, slots=True)
class Job:
    """What was mirrored from a docker-registry, and the nginx that serves it."""

    upstream: DockerRegistry
    mirror: Mirror
    nginx: Nginx
    pushed: dict[str, Digest]

    @property
    def served(self) -> str:
        """Where the upstream's repositories are on the mirror."""
        return f"127.0.0.1:{self.nginx.port}/{HOST}"


def raw_image(*layers: bytes, docker: bool = False) -> BuiltImage:
    """An image of layers that are no archives: registries don't look."""
    config = encode({"created": CREATED, "os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"}})
    kind, config_type, layer_type = (
        (Kind.DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER) if docker else (Kind.OCI_MANIFEST, OCI_CONFIG, OCI_LAYER)
    )
    raw = encode(
        {
            "schemaVersion": 2,
            "mediaType": kind.media_type,
            "config": describe(config_type, config),
            "layers": [describe(layer_type, content) for content in layers],
        }
    )
    return BuiltImage(parse_manifest(raw), (config, *layers))


def corpus() -> dict[str, BuiltImage]:
    """The images of the main job, by the name and tag they are pushed under."""
    shared: Layer = layer("shared", 2 * MIB)
    return {
        "main/multi:latest": index(*(image("multi", layers=(shared, layer(str(p))), platform=p) for p in PLATFORMS)),
        "main/docker:2": image("docker", layers=(shared,), docker=True),
        "main/oci:1.0": image("oci", layers=(shared, layer("own"))),
        "main/empty:0": raw_image(b"", docker=True),
        "main/large:200": raw_image(os.urandom(200 * MIB)),
    }


@pytest.fixture(scope="module")
def job(docker_registry: DockerRegistry) -> Iterator[Job]:
    """The corpus pushed, mirrored by one command, and served by nginx."""
    pushed = {}
    for name, built in corpus().items():
        repository, _, tag = name.partition(":")
        pushed[name] = docker_registry.push(repository, built, tag)
    with readable_directory() as place:
        mirror = Mirror(place, docker_registry.url)
        mirror.configure(*(f"{{host}}/{name}" for name in pushed))
        done = mirror.run("sync", "--json")
        assert done.status == 0, done.out + done.err
        assert done.document["counts"] == {"added": len(pushed)}
        (place / "nginx").mkdir()
        with nginx.running(NginxSite(mirror.root), place / "nginx") as running:
            yield Job(docker_registry, mirror, running, pushed)


def digest_at(host: str, repository: str, reference: str) -> str:
    """The digest a registry states for a manifest."""
    connection = http.client.HTTPConnection(host, timeout=30)
    accept = ", ".join(kind.media_type for kind in Kind)
    connection.request("HEAD", f"/v2/{repository}/manifests/{reference}", headers={"Accept": accept})
    response = connection.getresponse()
    connection.close()
    assert response.status == 200
    return response.headers["Docker-Content-Digest"]


def test_copied_back_out_every_digest_is_the_origins(job: Job) -> None:
    """Skopeo copies each image with all platforms from the mirror into a registry, which verifies every byte."""
    for name, digest in job.pushed.items():
        repository, _, tag = name.partition(":")
        copy_all(f"{job.served}/{name}", f"{job.upstream.host}/back/{name}")
        assert digest_at(job.upstream.host, f"back/{repository}", tag) == str(digest)
        for child in corpus()[name].children if repository != "main/large" else ():
            assert digest_at(job.upstream.host, f"back/{repository}", str(child.digest)) == str(child.digest)


def test_skopeo_lists_the_tags(job: Job) -> None:
    """The tag list is what the upstream has."""
    assert tags_of(f"{job.served}/main/multi") == ["latest"]


def test_podman_pulls_by_tag_and_by_digest(job: Job) -> None:
    """Podman pulls an index and a Docker image from nginx, by tag and by digest."""
    with podman() as client:
        for name in ("main/multi:latest", "main/docker:2", "main/oci:1.0"):
            assert client.pull(f"{job.served}/{name}")
            repository = name.partition(":")[0]
            assert client.pull(f"{job.served}/{repository}@{job.pushed[name]}")


def test_containerd_pulls_by_tag_and_by_digest(job: Job, tmp_path: Path) -> None:
    """Ctr pulls the same from nginx, and keeps the digests the upstream has."""
    with containerd(tmp_path) as ctr:
        for name in ("main/multi:latest", "main/docker:2", "main/oci:1.0"):
            assert ctr.pull(f"{job.served}/{name}") == str(job.pushed[name])
            repository = name.partition(":")[0]
            by_digest = f"{job.served}/{repository}@{job.pushed[name]}"
            assert ctr.pull(by_digest) == str(job.pushed[name])


def test_no_byte_is_kept_twice(job: Job) -> None:
    """Every content file is a link of the pool's; the pool holds each blob and manifest once."""
    built = corpus()
    small = [each for name, each in built.items() if "large" not in name]
    unique = {Digest.of(content) for each in small for content in each.contents()}
    pool = [path for path in (job.mirror.root / "pool").rglob("*") if path.is_file()]
    large = [path for path in pool if path.stat().st_size == 200 * MIB]
    assert len(large) == 1
    manifests = sum(1 for name in built for _ in built[name].manifests())
    assert len(pool) == len(unique) + manifests + 1  # the large layer is random, and another one in each corpus
    assert [p for p in (job.mirror.root / "content").rglob("*") if p.is_file() and p.stat().st_nlink == 1] == []


def test_a_second_command_changes_nothing_and_asks_one_request_an_image(job: Job) -> None:
    """`mirrord sync` again: no file of the tree changes, the same snapshot, one request a tag."""
    before = job.mirror.files()
    done = job.mirror.run("sync", "--json")
    assert done.status == 0
    assert done.document["counts"] == {"unchanged": len(job.pushed)}
    assert done.document["requests"] == len(job.pushed)
    assert done.document["snapshots"] == []
    assert job.mirror.files() == before

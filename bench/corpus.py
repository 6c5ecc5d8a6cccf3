"""The corpora: well-formed images of random bytes, pushed once to a registry. Run as `python -m bench.corpus URL NAME`.

*big* is few large layers, of which two are in every image, and *big-far* fewer of them; *tags* and *many* are many
small images; *shared* is many repositories that share most of their layers; *index* has images for eight platforms,
each with its attestation, and signed; *huge* and *layer* are one large layer.
Prints what was pushed as JSON.
"""

import hashlib
import http.client
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a corpus is."""

    repositories: int
    tags: int
    layer: int
    """Bytes of a layer."""
    own: int
    """Layers that only one image has."""
    shared: int
    """Layers that every image has."""
    platforms: int = 0
    """Images of an index, each with an attestation, under a tag that is signed; 0 for plain images."""

    def images(self) -> Iterator[tuple[str, str, Sequence[bytes]]]:
        """Repository, tag and layers of each image."""
        source = random.Random(7)  # noqa: S311 - the same bytes each time; no secret
        piece = min(self.layer, _PIECE)
        everywhere = [source.randbytes(self.layer) for _ in range(self.shared)]
        for number in range(self.repositories):
            for tag in range(self.tags):
                yield (
                    f"app{number}",
                    f"v1.{tag}.0",
                    [
                        *everywhere,
                        *(source.randbytes(piece) * (self.layer // piece) for _ in range(self.own)),
                    ],
                )


_PIECE = 64 << 20
"""Random bytes at most: of a longer layer they are repeated."""

SHAPES: Mapping[str, Shape] = {
    "big": Shape(repositories=10, tags=2, layer=16 << 20, own=3, shared=2),
    "big-quick": Shape(repositories=4, tags=2, layer=4 << 20, own=3, shared=2),
    "big-far": Shape(repositories=2, tags=2, layer=16 << 20, own=3, shared=2),
    "big-far-quick": Shape(repositories=1, tags=2, layer=4 << 20, own=3, shared=2),
    "layer": Shape(repositories=1, tags=1, layer=16 << 20, own=1, shared=0),
    "many": Shape(repositories=10, tags=1000, layer=600, own=1, shared=1),
    "one": Shape(repositories=1, tags=1, layer=600, own=1, shared=1),
    "shared": Shape(repositories=100, tags=1, layer=1 << 20, own=1, shared=9),
    "shared-quick": Shape(repositories=10, tags=1, layer=1 << 20, own=1, shared=9),
    "index": Shape(repositories=10, tags=5, layer=200_000, own=1, shared=1, platforms=8),
    "index-quick": Shape(repositories=2, tags=5, layer=200_000, own=1, shared=1, platforms=8),
    "huge": Shape(repositories=1, tags=1, layer=4 << 30, own=1, shared=0),
    "huge-quick": Shape(repositories=1, tags=1, layer=128 << 20, own=1, shared=0),
    "tags": Shape(repositories=10, tags=200, layer=6_000, own=1, shared=3),
    "tags-quick": Shape(repositories=4, tags=50, layer=6_000, own=1, shared=3),
}


class Pusher:
    """Pushes images over one connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)
        self.blobs: dict[str, tuple[str, int]] = {}
        """Digest → a repository that has it, and its size."""
        self.manifests: list[tuple[str, str, str, int]] = []
        """Repository, tag, hex digest and size of each."""

    def image(self, repository: str, tag: str, layers: Sequence[bytes], platform: str = "amd64") -> dict[str, object]:
        """Push one image, under a tag where one is named; gives what an index says of it."""
        labels = {"Labels": {"name": f"{repository}:{tag}"}}
        config = {
            "architecture": platform,
            "os": "linux",
            "config": labels,
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        described = {
            "config": self._blob(repository, json.dumps(config).encode(), OCI_CONFIG),
            "layers": [self._blob(repository, layer, OCI_LAYER) for layer in layers],
        }
        found = self._manifest(repository, tag, OCI_MANIFEST, described)
        return {**found, "platform": {"os": "linux", "architecture": platform}}

    def index(self, repository: str, tag: str, layers: Sequence[bytes], platforms: int) -> None:
        """Push an index of images that share all layers but a small one, their attestations, and a signature of it."""
        children = []
        for number in range(platforms):
            own = f"{repository} {tag} {number}".encode() * 2000
            child = self.image(repository, "", [*layers, own], f"arch{number}")
            about = {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": child["digest"],
            }
            attestation = self.image(repository, "", [own[:3000]], "unknown")
            unknown = {"os": "unknown", "architecture": "unknown"}
            children += [child, {**attestation, "platform": unknown, "annotations": about}]
        found = self._manifest(repository, tag, OCI_INDEX, {"manifests": children})
        self.image(repository, f"{found['digest']}.sig".replace(":", "-"), [f"signature of {found['digest']}".encode()])

    def _manifest(self, repository: str, tag: str, media_type: str, content: Mapping[str, object]) -> dict[str, object]:
        manifest = json.dumps({"schemaVersion": 2, "mediaType": media_type, **content}).encode()
        digest = hashlib.sha256(manifest).hexdigest()
        name = tag or f"sha256:{digest}"
        self._ask("PUT", f"/v2/{repository}/manifests/{name}", manifest, {"Content-Type": media_type})
        self.manifests.append((repository, name, digest, len(manifest)))
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(manifest)}

    def report(self) -> Mapping[str, object]:
        """What was pushed, and what a mirror asks beside lists: at first, and when nothing is new."""
        repositories: dict[str, list[str]] = {}
        tagged = [(repository, name) for repository, name, *_ in self.manifests if ":" not in name]
        for repository, tag in tagged:
            repositories.setdefault(repository, []).append(tag)
        return {
            "repositories": repositories,
            "unique": sum(size for *_, size in self.manifests) + sum(size for _, size in self.blobs.values()),
            "fetches": [
                *(f"GET /v2/{repository}/manifests/{tag} {digest}" for repository, tag, digest, _ in self.manifests),
                *(
                    f"GET /v2/{repository}/blobs/{digest} {digest.partition(':')[2]}"
                    for digest, (repository, _) in self.blobs.items()
                ),
            ],
            "questions": [f"HEAD /v2/{repository}/manifests/{tag} -" for repository, tag in tagged],
        }

    def _blob(self, repository: str, content: bytes, media_type: str) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = f"/v2/{repository}/blobs"
        known = self.blobs.setdefault(digest, (repository, len(content)))[0]
        if known != repository:
            self._ask("POST", f"{place}/uploads/?mount={digest}&from={known}")
        elif self._ask("HEAD", f"{place}/{digest}").status == http.client.NOT_FOUND:
            upload = urlsplit(self._ask("POST", f"{place}/uploads/").headers["Location"])
            headers = {"Content-Type": "application/octet-stream"}
            self._ask("PUT", f"{upload.path}?{upload.query}&digest={digest}", content, headers)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        self._connection.request(method, path, body or None, {"Content-Length": str(len(body)), **(headers or {})})
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= http.client.BAD_REQUEST and method != "HEAD":
            raise SystemExit(f"{method} {path}: {response.status} {text[:200]!r}")
        return response


def main() -> None:
    """Push the corpus that the command line names, and print what it is."""
    url, name = sys.argv[1:]
    pusher = Pusher(url)
    shape = SHAPES[name]
    for repository, tag, layers in shape.images():
        if shape.platforms:
            pusher.index(f"{name}/{repository}", tag, layers, shape.platforms)
        else:
            pusher.image(f"{name}/{repository}", tag, layers)
    sys.stdout.write(json.dumps(pusher.report()))


if __name__ == "__main__":
    main()

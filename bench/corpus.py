"""The corpora: well-formed images of random bytes, pushed once to a registry. Run as `python -m bench.corpus URL NAME`.

*big* is few large layers, of which two are in every image; *tags* is many small images; *layer* is one large one.
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

    def images(self) -> Iterator[tuple[str, str, Sequence[bytes]]]:
        """Repository, tag and layers of each image."""
        source = random.Random(7)  # noqa: S311 - the same bytes each time; no secret
        everywhere = [source.randbytes(self.layer) for _ in range(self.shared)]
        for number in range(self.repositories):
            for tag in range(self.tags):
                yield f"app{number}", f"v1.{tag}.0", [*everywhere, *map(source.randbytes, [self.layer] * self.own)]


SHAPES: Mapping[str, Shape] = {
    "big": Shape(repositories=10, tags=2, layer=16 << 20, own=3, shared=2),
    "big-quick": Shape(repositories=4, tags=2, layer=4 << 20, own=3, shared=2),
    "layer": Shape(repositories=1, tags=1, layer=16 << 20, own=1, shared=0),
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

    def image(self, repository: str, tag: str, layers: Sequence[bytes]) -> None:
        """Push one image."""
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Labels": {"name": f"{repository}:{tag}"}},
                "rootfs": {"type": "layers", "diff_ids": []},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": self._blob(repository, config, OCI_CONFIG),
                "layers": [self._blob(repository, layer, OCI_LAYER) for layer in layers],
            }
        ).encode()
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", manifest, {"Content-Type": OCI_MANIFEST})
        self.manifests.append((repository, tag, hashlib.sha256(manifest).hexdigest(), len(manifest)))

    def report(self) -> Mapping[str, object]:
        """What was pushed, and what a mirror asks beside lists: at first, and when nothing is new."""
        repositories: dict[str, list[str]] = {}
        for repository, tag, _, _ in self.manifests:
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
            "questions": [f"HEAD /v2/{repository}/manifests/{tag} -" for repository, tag, _, _ in self.manifests],
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
    for repository, tag, layers in SHAPES[name].images():
        pusher.image(f"{name}/{repository}", tag, layers)
    sys.stdout.write(json.dumps(pusher.report()))


if __name__ == "__main__":
    main()

"""A real docker-registry (distribution) on a free port, and pushing built images to it."""

import contextlib
import http.client
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from support.programs import program

from mirrord.demo.images import BuiltImage
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Manifest

_WAIT = 20.0


@dataclass(frozen=True, slots=True)
class DockerRegistry:
    """A running docker-registry."""

    url: str
    ca_file: Path | None = None

    @property
    def host(self) -> str:
        """``127.0.0.1:port``, as it stands before a repository's name."""
        return urlsplit(self.url).netloc

    def push(self, repository: str, image: BuiltImage, *tags: str) -> Digest:
        """Put an image with everything below it under ``tags`` (none: by digest alone)."""
        with contextlib.closing(self._connect()) as connection:
            for content in image.contents():
                _push_blob(connection, repository, content)
            for manifest in image.manifests():
                _push_manifest(connection, repository, str(manifest.digest), manifest)
            for tag in tags:
                _push_manifest(connection, repository, tag, image.manifest)
        return image.digest

    def delete(self, repository: str, digest: Digest) -> None:
        """Delete a manifest, and with it the tags that name it."""
        with contextlib.closing(self._connect()) as connection:
            _ask(connection, "DELETE", f"/v2/{repository}/manifests/{digest}")

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        if self.ca_file is None:
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=trust)


@contextlib.contextmanager
def running_registry(
    place: Path, *, htpasswd: str = "", tls: tuple[Path, Path] | None = None
) -> Iterator[DockerRegistry]:
    """Run docker-registry with its files in ``place`` until the block ends.

    ``htpasswd`` is the text of a password file (bcrypt); ``tls`` a certificate, its own authority, and its key.
    """
    port = free_port()
    config = [
        "version: 0.1",
        "log: {level: error, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {place / 'storage'}}}, delete: {{enabled: true}}}}",
        f'http: {{addr: "127.0.0.1:{port}"' + (f", tls: {{certificate: {tls[0]}, key: {tls[1]}}}" if tls else "") + "}",
    ]
    if htpasswd:
        (place / "htpasswd").write_text(htpasswd)
        config.append(f"auth: {{htpasswd: {{realm: test, path: {place / 'htpasswd'}}}}}")
    (place / "config.yml").write_text("\n".join(config) + "\n")
    command = [program("docker-registry", "docker-registry"), "serve", str(place / "config.yml")]
    with (place / "registry.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_for(port, process, place / "registry.log")
            yield DockerRegistry(f"{'https' if tls else 'http'}://127.0.0.1:{port}", tls[0] if tls else None)
        finally:
            process.terminate()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _WAIT
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"docker-registry does not listen at port {port}: {log.read_text()}")


def _push_blob(connection: http.client.HTTPConnection, repository: str, content: bytes) -> None:
    digest = Digest.of(content)
    if _ask(connection, "HEAD", f"/v2/{repository}/blobs/{digest}", good=(200, 404)).status == 200:
        return
    location = urlsplit(_ask(connection, "POST", f"/v2/{repository}/blobs/uploads/").headers["Location"])
    path = f"{location.path}?{location.query}&digest={digest}"
    _ask(connection, "PUT", path, content, {"Content-Type": "application/octet-stream"})


def _push_manifest(connection: http.client.HTTPConnection, repository: str, reference: str, manifest: Manifest) -> None:
    path = f"/v2/{repository}/manifests/{reference}"
    _ask(connection, "PUT", path, manifest.raw, {"Content-Type": manifest.kind.media_type})


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    good: tuple[int, ...] = (200, 201, 202),
) -> http.client.HTTPResponse:
    connection.request(method, path, body or None, {"Content-Length": str(len(body)), **(headers or {})})
    response = connection.getresponse()
    text = response.read()
    assert response.status in good, f"{method} {path}: {response.status} {text[:300]!r}"
    return response

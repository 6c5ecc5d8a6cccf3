"""The limit of the machine: each blob once over four connections, hashed and written. Run as `… -m bench.limit`.

Blocking sockets in threads, one buffer each for `recv_into`, hashlib and write, all of which run outside the
interpreter's lock: this takes as long as the same in C with OpenSSL does. Nothing is durable, retried, resumed or
published, and only one kind of answer is understood.
The command line names HOST PORT FILE DIRECTORY; the file is a JSON list of ``[repository, digest, size]``.
"""

import hashlib
import json
import os
import socket
import sys
import threading
from pathlib import Path

CONNECTIONS = 4
_BUFFER = 1 << 20
_HEAD = 4096


class Fetcher(threading.Thread):
    """One connection, which takes the next blob until there is none."""

    def __init__(self, address: tuple[str, int], blobs: list[tuple[str, str, int]], target: Path) -> None:
        super().__init__()
        self._address = address
        self._blobs = blobs
        self._target = target
        self._buffer = memoryview(bytearray(_BUFFER))
        self.failure = ""

    def run(self) -> None:
        """Fetch until the list is empty; ``failure`` says what went wrong."""
        with socket.create_connection(self._address) as connection:
            while self._blobs and not self.failure:
                try:
                    blob = self._blobs.pop()  # atomic: no lock needed
                except IndexError:  # another took the last
                    return
                self._fetch(connection, *blob)

    def _fetch(self, connection: socket.socket, repository: str, digest: str, size: int) -> None:
        request = f"GET /v2/{repository}/blobs/{digest} HTTP/1.1\r\nHost: {self._address[0]}\r\n\r\n"
        connection.sendall(request.encode())
        head = bytearray()
        while (end := head.find(b"\r\n\r\n")) < 0:
            head += connection.recv(_HEAD)
        if not head.startswith(b"HTTP/1.1 200 "):
            self.failure = head[:80].decode(errors="replace")
            return
        body = head[end + 4 :]
        hasher = hashlib.sha256(body)
        descriptor = os.open(self._target / digest, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, body)
        left = size - len(body)
        while left and (got := connection.recv_into(self._buffer, min(left, _BUFFER))):
            hasher.update(self._buffer[:got])
            os.write(descriptor, self._buffer[:got])
            left -= got
        os.close(descriptor)
        if f"sha256:{hasher.hexdigest()}" != digest:
            self.failure = f"{digest} does not match"


def main() -> None:
    """Fetch what the file lists."""
    host, port, listed, target = sys.argv[1:]
    blobs = [(repository, digest, size) for repository, digest, size in json.loads(Path(listed).read_bytes())]
    fetchers = [Fetcher((host, int(port)), blobs, Path(target)) for _ in range(CONNECTIONS)]
    for fetcher in fetchers:
        fetcher.start()
    for fetcher in fetchers:
        fetcher.join()
    failures = [fetcher.failure for fetcher in fetchers if fetcher.failure]
    if failures:
        raise SystemExit("\n".join(failures))


if __name__ == "__main__":
    main()

"""The least that Python's own threads need over TLS: download, hash and write, by what is C below them.

Run as `python -m bench.threads PORT CONNECTIONS TARGET CERTIFICATE < REQUESTS`; the requests are as for `reference.c`.
"""

import hashlib
import http.client
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_PIECE = 1 << 20


def main() -> None:
    """Make all requests over as many connections as there are to be."""
    port, connections, target, certificate = sys.argv[1:]
    context = ssl.create_default_context(cafile=certificate)
    requests = [line.split() for line in sys.stdin]
    work = iter(enumerate(requests))

    def take() -> None:
        connection = http.client.HTTPSConnection("localhost", int(port), context=context)
        room = memoryview(bytearray(_PIECE))
        for number, (method, path, digest) in work:
            connection.request(method, path, headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
            answer = connection.getresponse()
            hasher = hashlib.sha256()
            with Path(target, str(number)).open("wb", buffering=0) as file:
                while count := answer.readinto(room):
                    hasher.update(room[:count])
                    file.write(room[:count])
            if hasher.hexdigest() != digest:
                raise SystemExit(f"{path}: another content than was asked for ({answer.status})")

    with ThreadPoolExecutor(int(connections)) as workers:
        for done in [workers.submit(take) for _ in range(int(connections))]:
            done.result()


if __name__ == "__main__":
    main()

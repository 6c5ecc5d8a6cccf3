"""A certificate for 127.0.0.1 from a private authority, and a file of passwords as nginx reads it."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from support.clients import run
from support.programs import program


@dataclass(frozen=True, slots=True)
class PrivateTls:
    """Files in PEM. The authority's own certificate proves no server's name, as it should be."""

    authority: Path
    certificate: Path
    key: Path


def private_tls(place: Path) -> PrivateTls:
    """Make an authority and a certificate for 127.0.0.1 and localhost, readable for nginx."""
    openssl = program("openssl", "openssl")
    made = PrivateTls(place / "ca.pem", place / "server.pem", place / "server.key")
    ca_key, request, extensions = place / "ca.key", place / "server.csr", place / "extensions"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run(openssl, "req", "-x509", *curve, "-keyout", ca_key, "-out", made.authority, "-subj", "/CN=Private CA")
    run(openssl, "req", *curve, "-keyout", made.key, "-out", request, "-subj", "/CN=mirror")
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    issuer = ("-CA", made.authority, "-CAkey", ca_key, "-CAcreateserial", "-extfile", extensions)
    run(openssl, "x509", "-req", "-in", request, *issuer, "-out", made.certificate)
    return made


def htpasswd(path: Path, user: str, password: str) -> Path:
    """Write a file of one user, with a hash that costs nothing."""
    hashed = base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()
    path.write_text(f"{user}:{{SHA}}{hashed}\n")
    path.chmod(0o644)
    return path

"""A certificate for 127.0.0.1 that signs itself, and the TLS of a server that shows it."""

import ssl
import subprocess
from pathlib import Path

from support.programs import program


def make_certificate(directory: Path) -> Path:
    """A certificate in ``directory``, with its key beside it."""
    made, key = directory / "cert.pem", directory / "key.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    name = ("-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1")
    command = [program("openssl", "openssl"), "req", *kind, *name, "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    return made


def proving(certificate: Path) -> ssl.SSLContext:
    """What a server shows it with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context

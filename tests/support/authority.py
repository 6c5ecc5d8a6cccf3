"""An authority of one's own, with a server's and a client's certificate, made by the real openssl."""

import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.programs import program

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Authority:
    """Where its files are."""

    place: Path

    @property
    def ca(self) -> Path:
        """Its own certificate: what a client trusts."""
        return self.place / "ca.pem"

    @property
    def client(self) -> Path:
        """A client's certificate."""
        return self.place / "client.pem"

    @property
    def key(self) -> Path:
        """The client's key."""
        return self.place / "client.key"

    @property
    def locked(self) -> Path:
        """The same key with a password."""
        return self.place / "locked.key"

    def server(self, *, demanding: bool = False, asking: bool = False) -> ssl.SSLContext:
        """What a server at 127.0.0.1 speaks TLS with; it may demand a client's certificate, or ask for one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.place / "server.pem", self.place / "server.key")
        if demanding or asking:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED if demanding else ssl.CERT_OPTIONAL
        return context


def make_authority(place: Path, names: Sequence[str] = ()) -> Authority:
    """Make one in an empty directory; its server is 127.0.0.1, and has these names."""
    subjects = ",".join(["subjectAltName=IP:127.0.0.1", *(f"DNS:{name}" for name in names)])
    _openssl(
        place, "req", "-x509", *_EC, "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"
    )
    for name, more in (("server", subjects), ("client", "extendedKeyUsage=clientAuth")):
        _openssl(place, "req", *_EC, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (place / f"{name}.ext").write_text(more + "\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        _openssl(place, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.pem")
    _openssl(place, "ec", "-in", "client.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key")
    return Authority(place)


def _openssl(place: Path, *arguments: str) -> None:
    subprocess.run([program("openssl", "openssl"), *arguments], cwd=place, check=True, capture_output=True)

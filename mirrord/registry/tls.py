"""How a registry's certificate is checked, and which of our own it is shown."""

import functools
import ssl
import threading

from msgspec import Struct

from mirrord.config.model import RegistryConfig
from mirrord.errors import ConfigError
from mirrord.events import get_logger

Tls = ssl.SSLContext | None
"""None: the host's `authorities`."""

_LOADING = threading.Lock()
_log = get_logger()


class Opened(ssl.SSLObject):
    """A TLS connection that knows where its bytes come from, and go to: so it can be taken over (`tap`)."""

    ciphertext: ssl.MemoryBIO
    answers: ssl.MemoryBIO


class Context(ssl.SSLContext):
    """Makes such connections."""

    sslobject_class = Opened

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as the library's own
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As the library's own; asyncio calls it."""
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(made, Opened)  # noqa: S101 - it is made of sslobject_class
        made.ciphertext, made.answers = incoming, outgoing
        return made


class Trust(Struct, frozen=True):
    """Whose certificates are believed: the registry's itself, and of where it sends us."""

    own: Tls = None
    others: Tls = None
    """Without the client certificate, which is the registry's alone to see."""


SYSTEM = Trust()


def authorities() -> ssl.SSLContext:
    """Trusts whom the host trusts; loaded once. Reads files: not for the event loop."""
    with _LOADING:
        return _authorities()


def make_trust(host: str, key: str, config: RegistryConfig) -> Trust:
    """How ``host`` is trusted. Reads files: not for the event loop. Raises ConfigError that names ``key``."""
    if not config.tls_verify:
        _log.warning("upstream.unverified", host=host, key=f"{key}.tls_verify")
    others = _verifying(key, config)
    if config.client_cert is None:
        return Trust(others, others)
    own = _verifying(key, config)
    own = _context() if own is None else own
    try:
        own.load_cert_chain(config.client_cert, config.client_key, password="")  # nobody is there to be asked
    except ssl.SSLError as error:
        raise ConfigError(
            f"{key}.client_cert: {config.client_cert} and {config.client_key} (client_key) are no certificate and its "
            "key; expected both in PEM, the key without a password"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{key}.client_cert: can't read {config.client_cert} or {config.client_key} (client_key): {error.strerror}"
        ) from error
    return Trust(own, others)


def _verifying(key: str, config: RegistryConfig) -> Tls:
    if not config.tls_verify:
        context: ssl.SSLContext = Context(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["http/1.1"])
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if config.ca_file is None:
        return None
    context = _context()
    try:
        context.load_verify_locations(config.ca_file)
    except ssl.SSLError as error:
        raise ConfigError(f"{key}.ca_file: {config.ca_file} holds no certificate; expected PEM") from error
    except OSError as error:
        raise ConfigError(f"{key}.ca_file: can't read {config.ca_file}: {error.strerror}") from error
    return context


@functools.cache
def _authorities() -> ssl.SSLContext:
    return _context()


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.__class__ = Context  # with all that the library finds right by default
    context.set_alpn_protocols(["http/1.1"])
    return context

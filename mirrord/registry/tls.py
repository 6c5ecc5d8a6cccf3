"""How a registry's certificate is checked: by the host's authorities, by one's own too, or not at all."""

import ssl
from typing import Literal

import structlog

from mirrord.config.model import RegistryConfig
from mirrord.errors import ConfigError

Tls = ssl.SSLContext | Literal[True]
"""True: the host's authorities, as aiohttp loaded them once."""

_log = structlog.get_logger()


def make_tls(host: str, key: str, config: RegistryConfig) -> Tls:
    """What aiohttp takes as ``ssl``. Reads files: not for the event loop. Raises ConfigError that names ``key``."""
    if not config.tls_verify:
        _log.warning("upstream.unverified", host=host, key=f"{key}.tls_verify")
        context = _context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if config.ca_file is None:
        return True
    context = _context()
    try:
        context.load_verify_locations(config.ca_file)
    except ssl.SSLError as error:
        raise ConfigError(f"{key}.ca_file: {config.ca_file} holds no certificate; expected PEM") from error
    except OSError as error:
        raise ConfigError(f"{key}.ca_file: can't read {config.ca_file}: {error.strerror}") from error
    return context


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context

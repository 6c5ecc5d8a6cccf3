"""What went wrong between us and a host, in words: the failure for each error that aiohttp raises. Pure functions.

Of a URL only its origin is shown: the rest may be signed, and so a secret. Of a proxy its login is not.
"""

import os
import socket
import ssl

from msgspec import Struct
from yarl import URL

from mirrord.config.model import Limits
from mirrord.errors import NetworkError, UpstreamError
from mirrord.registry.endpoint import Endpoint, same_origin
from mirrord.registry.failures import RETRIED, SERVER_ERRORS, TransientError
from mirrord.registry.http import aiohttp
from mirrord.registry.proxies import Proxy

_PROXY_LOGIN = 407


class Attempt(Struct, frozen=True):
    """One request, as its errors need to know it."""

    about: str
    """What it was for."""
    url: URL
    endpoint: Endpoint
    """On behalf of which registry."""
    limits: Limits
    proxy: Proxy | None = None

    def __str__(self) -> str:
        if same_origin(self.url, self.endpoint.origin):
            return f"{self.about}: {self.endpoint}"
        return f"{self.about}: {self.url.origin()}, to which {self.endpoint} refers,"


def connection_failure(error: Exception, attempt: Attempt) -> TransientError:
    """The failure for what aiohttp raised while connecting or reading.

    One that would be the same the next time says so (``is_final``).
    """
    unmet = _unmet(error, attempt)
    if unmet is not None:
        words, is_final = unmet
        failure = TransientError(NetworkError(f"{attempt} {words}"))
        failure.is_final = is_final
        failure.connecting = same_origin(attempt.url, attempt.endpoint.origin)
        failure.timed_out = isinstance(error, aiohttp.ConnectionTimeoutError)
        return failure
    match error:
        case TimeoutError():
            words = f"sent nothing for {attempt.limits.read_timeout:g} s (limits.read_timeout)"
        case aiohttp.ClientOSError() if isinstance(error.__cause__ or error, ssl.SSLError):
            key = attempt.endpoint.key("client_cert")
            words = f"ended the connection ({_tls_reason(error)}); where it wants a certificate of ours: {key}"
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            words = "ended the connection in the middle of its answer"
            if attempt.endpoint.is_plain and same_origin(attempt.url, attempt.endpoint.origin):
                words += f"; if it is to be asked by https, say so in {attempt.endpoint.key('endpoint')}"
        case _:
            name = type(error).__name__
            failure = TransientError(
                UpstreamError(f"{attempt} answered with what is not HTTP ({name}); expected a registry")
            )
            failure.is_final = True
            return failure
    return TransientError(NetworkError(f"{attempt} {words}"))


def _unmet(error: Exception, attempt: Attempt) -> tuple[str, bool] | None:
    """Why no connection came about, and whether none will; None where one did."""
    endpoint, limits, found = attempt.endpoint, attempt.limits, None
    match error:
        case aiohttp.ClientConnectorCertificateError():
            found = f"shows a certificate that is not trusted: {_certificate(error, endpoint)}", True
        case aiohttp.ClientConnectorSSLError() if "WRONG_VERSION_NUMBER" in str(error.os_error):
            plain = f"if it is to be asked in plain HTTP, set {endpoint.key('plain_http')}: true"
            found = f"does not speak TLS; {plain}", True
        case aiohttp.ClientHttpProxyError():
            wants_login = error.status == _PROXY_LOGIN
            said = "wants a login: write it into its URL" if wants_login else "does not let us through"
            is_final = error.status not in RETRIED and error.status not in SERVER_ERRORS
            found = f"is behind {attempt.proxy}, which {said} ({error.status})", is_final
        case aiohttp.ClientProxyConnectionError():
            found = f"is behind {attempt.proxy}, which can't be connected to: {_reason(error.os_error)}", False
        case aiohttp.ClientConnectorDNSError():
            whose = f"is behind {attempt.proxy}, which has" if attempt.proxy else "has"
            asked = "" if attempt.proxy or error.host in str(attempt) else f" as {error.host}"
            text = f"{whose} no address{asked}: {_reason(error.os_error)}; check its name and the DNS here"
            found = text, error.os_error.errno == socket.EAI_NONAME
        case aiohttp.ConnectionTimeoutError():
            found = f"did not accept a connection within {limits.connect_timeout:g} s (limits.connect_timeout)", False
        case aiohttp.ClientConnectorError():
            reason = _reason(error.os_error)
            found = f"can't be connected to: {reason}; check that it runs and is reachable from here", False
    return found


def _tls_reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(getattr(cause, "reason", None) or "TLS").replace("_", " ").lower()


def _certificate(error: aiohttp.ClientConnectorCertificateError, endpoint: Endpoint) -> str:
    cause = error.certificate_error
    reason = cause.verify_message.rstrip(".") if isinstance(cause, ssl.SSLCertVerificationError) else ""
    if "mismatch" in reason or "is not valid for" in reason:
        return f"{reason}; connect under a name it was made for ({endpoint.key('endpoint')})"
    if "expired" in reason or "not yet valid" in reason:
        return f"{reason}; its operator renews it, or the clock here is wrong"
    return (
        f"{reason or 'it can not be verified'}; if it is your own authority's, name that in {endpoint.key('ca_file')}"
    )


def _reason(error: OSError) -> str:
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__

"""What went wrong, in words: the error for each answer that is no use and each connection that failed. Pure functions.

Of a URL only its origin is shown: the rest may be signed, and so a secret.
"""

import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from yarl import URL

from mirrord.config.model import Limits
from mirrord.errors import AccessError, MirrordError, NetworkError, NotFoundError, UpstreamError
from mirrord.registry.ask import Ask
from mirrord.registry.endpoint import Endpoint, same_origin
from mirrord.registry.headers import parse_retry_after
from mirrord.registry.login import Login

_RETRIED = frozenset({408, 425, 429})
_SERVER_ERRORS = range(500, 600)
_SHOWN = 200
"""Characters of an upstream's own words that an error shows."""


def is_page(content_type: str) -> bool:
    """Whether a Content-Type is that of a page for people."""
    return content_type.partition(";")[0].strip().lower() in {"text/html", "application/xhtml+xml"}


class TransientError(Exception):
    """An attempt failed in a way that another may not; it never leaves this room."""

    def __init__(self, error: MirrordError, *, retry_after: float | None = None, throttled: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        """What the caller gets if there is no further attempt."""
        self.retry_after = retry_after
        """Seconds the host asked to wait."""
        self.throttled = throttled
        """Whether the host said it was asked too much (429)."""

    def noting(self, note: str) -> "TransientError":
        """The same with ``note`` at the end of what it says."""
        error = type(self.error)(f"{self.error}{note}")
        return TransientError(error, retry_after=self.retry_after, throttled=self.throttled)


@dataclass(frozen=True, slots=True)
class Reply:
    """What matters of an answer that was not what was asked for."""

    status: int
    content_type: str = ""
    code: str = ""
    message: str = ""
    retry_after: float | None = None

    @classmethod
    def read(cls, status: int, headers: Mapping[str, str], body: bytes, hide: Callable[[str], str]) -> "Reply":
        """Read an error document (distribution-spec, "Error Codes"), or note that there is none.

        ``hide`` takes secrets out of the upstream's words, which may repeat what it was sent.
        """
        code, message = (_shown(hide(said)) for said in _error_document(body))
        wait = parse_retry_after(headers.get("Retry-After", ""), time.time())
        return cls(status, headers.get("Content-Type", ""), code, message, wait)

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people: no registry's answer."""
        return is_page(self.content_type)

    @property
    def is_transient(self) -> bool:
        """Whether asking again may help."""
        return self.status in _RETRIED or self.status in _SERVER_ERRORS

    def __str__(self) -> str:
        try:
            status = f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            status = str(self.status)
        said = ": ".join(part for part in (self.code, self.message) if part)
        if self.is_page:
            said = "with a web page"
        return f"{status} ({said})" if said else status


def answer_failure(
    reply: Reply, ask: Ask, endpoint: Endpoint, elsewhere: URL | None, login: Login | None
) -> MirrordError | TransientError:
    """The error for an answer with a status that was not expected; ``elsewhere`` is whose, if not the registry's."""
    where = f"{endpoint} redirects to {elsewhere}, which" if elsewhere else str(endpoint)
    if reply.is_transient:
        return _transient(reply, f"{ask}: {where}")
    if elsewhere:
        return UpstreamError(f"{ask}: {where} answered {reply}; expected the content")
    match reply.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return AccessError(f"{ask}: {where} {_refuses(reply, endpoint, login)}")
        case HTTPStatus.NOT_FOUND if reply.is_page:
            return UpstreamError(
                f"{ask}: {where} answered {reply}; expected a registry: check the name, or {endpoint.key('endpoint')}"
            )
        case HTTPStatus.NOT_FOUND:
            missing = "no such repository" if reply.code == "NAME_UNKNOWN" else f"no {ask.what}"
            doubt = "" if reply.code else ", or no such repository"
            return NotFoundError(f"{ask}: {where} has {missing}{doubt}; check the name")
    return UpstreamError(f"{ask}: {where} answered {reply}; expected {min(ask.expected)}")


def token_failure(
    reply: Reply, about: str, realm: URL, endpoint: Endpoint, login: Login | None
) -> MirrordError | TransientError:
    """The error for a realm's answer that holds no token."""
    if reply.is_transient:
        return _transient(reply, f"{about}: {realm}")
    if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return AccessError(f"{about}: {realm} {_refuses(reply, endpoint, login)}")
    return UpstreamError(f"{about}: {realm} answered {reply}; expected a token")


def _transient(reply: Reply, where: str) -> TransientError:
    error = UpstreamError(f"{where} answered {reply}; nothing here can mend it: try later")
    throttled = reply.status == HTTPStatus.TOO_MANY_REQUESTS
    return TransientError(error, retry_after=reply.retry_after, throttled=throttled)


def _refuses(reply: Reply, endpoint: Endpoint, login: Login | None) -> str:
    if login is None:
        advice = f"or give a login: {endpoint.key('username')} and a password"
        return f"refuses anonymous access: {reply}; check that the repository exists, {advice}"
    if reply.status == HTTPStatus.UNAUTHORIZED:
        return f"refuses {login}: {reply}; check the username and password of {endpoint.key()}"
    return f"refuses {login}: {reply}; check that the repository exists and that this user may pull it"


def connection_failure(
    error: Exception, about: str, to: URL, endpoint: Endpoint, limits: Limits
) -> MirrordError | TransientError:
    """The error for what aiohttp raised while connecting to ``to`` or reading from it."""
    where = (
        f"{about}: {endpoint}" if same_origin(to, endpoint.origin) else f"{about}: {to}, to which {endpoint} refers,"
    )
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return NetworkError(f"{where} shows a certificate that is not trusted: {_certificate(error, endpoint)}")
        case aiohttp.ClientConnectorSSLError() if "WRONG_VERSION_NUMBER" in str(error.os_error):
            plain = f"if it is to be asked in plain HTTP, set {endpoint.key('plain_http')}: true"
            return NetworkError(f"{where} does not speak TLS; {plain}")
        case aiohttp.ClientConnectorDNSError():
            failure = NetworkError(
                f"{where} has no address: {_reason(error.os_error)}; check its name and the DNS here"
            )
            return failure if error.os_error.errno == socket.EAI_NONAME else TransientError(failure)
        case aiohttp.ConnectionTimeoutError():
            text = f"did not accept a connection within {limits.connect_timeout:g} s (limits.connect_timeout)"
        case TimeoutError():
            text = f"sent nothing for {limits.read_timeout:g} s (limits.read_timeout)"
        case aiohttp.ClientConnectorError():
            text = f"can't be connected to: {_reason(error.os_error)}; check that it runs and is reachable from here"
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            text = "ended the connection in the middle of its answer"
        case _:
            return UpstreamError(
                f"{where} answered with what is not HTTP ({type(error).__name__}); expected a registry"
            )
    return TransientError(NetworkError(f"{where} {text}"))


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


def _error_document(body: bytes) -> tuple[str, str]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    errors = document.get("errors") if isinstance(document, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else document
    if not isinstance(first, dict):
        return "", ""
    message = first.get("message") or first.get("details") or first.get("error_description") or ""
    return str(first.get("code") or ""), str(message)


def _shown(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text).strip()
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"

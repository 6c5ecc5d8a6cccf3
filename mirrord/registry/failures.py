"""What went wrong, in words: the error for each answer that is no use. Pure functions.

Of a URL only its origin is shown: the rest may be signed, and so a secret.
"""

import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from msgspec import Struct
from yarl import URL

from mirrord.errors import AccessError, MirrordError, NotFoundError, UpstreamError
from mirrord.registry.ask import Ask
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.headers import parse_retry_after
from mirrord.registry.login import Login

RETRIED = frozenset({408, 425, 429})
SERVER_ERRORS = range(500, 600)
_NO_CATALOG = frozenset({400, 401, 403, 404, 405})
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
        self.connecting = False
        """Whether no connection to the registry itself came about."""
        self.timed_out = False
        """Whether that took the whole of ``limits.connect_timeout``."""
        self.is_final = False
        """Whether the same endpoint would fail the same way again: a certificate, a name that does not exist."""
        self.at_fault = False
        """Whether it is the registry's own endpoint that answered 5xx."""
        self.moved = False
        """Whether the next attempt goes to another endpoint."""

    def noting(self, note: str) -> "TransientError":
        """The same with ``note`` at the end of what it says."""
        self.error = type(self.error)(f"{self.error}{note}")
        return self


class Reply(Struct, frozen=True):
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
        return self.status in RETRIED or self.status in SERVER_ERRORS

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
    if ask.is_catalog and reply.status in _NO_CATALOG:
        return AccessError(
            f"{ask}: {where} has no catalog for {login or 'anonymous access'}: it answered {reply}; name each "
            "repository, or give a login that may list them"
        )
    match reply.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return AccessError(f"{ask}: {where} {_refuses(reply, endpoint, login)}")
        case HTTPStatus.NOT_FOUND:
            return _not_found(reply, ask, where, endpoint)
    is_unsure = (
        reply.status == HTTPStatus.BAD_REQUEST and endpoint.is_plain
    )  # what servers of https answer to plain HTTP
    advice = f"; if it is to be asked by https, say so in {endpoint.key('endpoint')}" if is_unsure else ""
    return UpstreamError(f"{ask}: {where} answered {reply}; expected {min(ask.expected)}{advice}")


def _not_found(reply: Reply, ask: Ask, where: str, endpoint: Endpoint) -> MirrordError:
    if reply.is_page:
        return UpstreamError(
            f"{ask}: {where} answered {reply}; expected a registry: check the name, or {endpoint.key('endpoint')}"
        )
    missing = "no such repository" if reply.code == "NAME_UNKNOWN" else f"no {ask.what.removeprefix('the ')}"
    doubt = "" if reply.code else ", or no such repository"
    return NotFoundError(f"{ask}: {where} has {missing}{doubt}; check the name")


def token_failure(
    reply: Reply, about: str, realm: URL, endpoint: Endpoint, login: Login | None
) -> MirrordError | TransientError:
    """The error for a realm's answer that holds no token."""
    if reply.is_transient:
        return _transient(reply, f"{about}: {realm}")
    refused = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if reply.status in refused or (login and login.is_identity and reply.status == HTTPStatus.BAD_REQUEST):
        return AccessError(f"{about}: {realm} {_refuses(reply, endpoint, login)}")
    return UpstreamError(f"{about}: {realm} answered {reply}; expected a token")


def _transient(reply: Reply, where: str) -> TransientError:
    error = UpstreamError(f"{where} answered {reply}; nothing here can mend it: try later")
    throttled = reply.status == HTTPStatus.TOO_MANY_REQUESTS
    failure = TransientError(error, retry_after=reply.retry_after, throttled=throttled)
    failure.at_fault = reply.status in SERVER_ERRORS
    return failure


def _refuses(reply: Reply, endpoint: Endpoint, login: Login | None) -> str:
    if login is None:
        advice = f"or give a login: {endpoint.key('username')} and a password"
        return f"refuses anonymous access: {reply}; check that the repository exists, {advice}"
    if (login.is_identity or login.is_bearer) and reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.BAD_REQUEST}:
        return f"refuses {login}: {reply}; log in again where it is kept ({endpoint.key()})"
    if reply.status == HTTPStatus.UNAUTHORIZED:
        return f"refuses {login}: {reply}; check the username and password of {endpoint.key()}"
    return f"refuses {login}: {reply}; check that the repository exists and that this user may pull it"


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

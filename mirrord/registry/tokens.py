"""Asking a realm for a token (distribution's token specification): one request, its answer bounded and checked."""

import asyncio
import json
import math
import re
from collections.abc import Mapping

from msgspec import Struct
from yarl import URL

from mirrord.errors import AccessError, UpstreamError
from mirrord.registry.endpoint import same_origin
from mirrord.registry.failures import Reply, token_failure
from mirrord.registry.http import aiohttp
from mirrord.registry.login import Login
from mirrord.registry.wire import Hop, Way, Wire, finish

MAX_ANSWER = 256 << 10
"""Bytes a token's answer may have."""
REFUSED_FOR = 60.0
"""Seconds for which a refused login is not shown again: repeating a wrong one locks accounts."""
_OK, _BAD_REQUEST, _UNAUTHORIZED = 200, 400, 401
_TOKEN = re.compile(r"[\x21-\x7e]+")
_LONGEST = 1e9
"""Seconds of a lifetime that are believed: a number may be too large to be halved."""
_MARGIN = 10.0
"""Seconds before its end at which a token counts as expired (half its life, for a shorter one)."""


class Source(Struct, frozen=True):
    """Where a token comes from and what it opens."""

    realm: URL
    service: str
    scopes: tuple[str, ...]

    @property
    def url(self) -> URL:
        """What is asked for the token."""
        service = [("service", self.service)] if self.service else []
        return self.realm.extend_query([*service, *(("scope", scope) for scope in self.scopes)])


class Token(Struct, frozen=True):
    """A bearer token, and for how many seconds it is used."""

    value: str
    lifetime: float = math.inf
    """Without ``expires_in`` it is used until refused: many a token lasts longer than the 60 s of the specification."""

    def __repr__(self) -> str:
        return f"Token({self.lifetime} s)"


class TokenDesk:
    """Where one registry's tokens are asked for."""

    def __init__(self, wire: Wire, way: Way) -> None:
        self._wire = wire
        self._way = way
        self._refused: Login | None = None
        self._refused_until = 0.0
        self._refusal = ""

    async def ask(self, source: Source, login: Login | None, about: str) -> Token:
        """Ask ``source`` for a token; ``about`` begins its errors.

        Raises AccessError where the realm refuses, TransientError, NetworkError and UpstreamError. A redirect is not
        followed: the realm was accepted, its target was not.
        """
        now = asyncio.get_running_loop().time()
        if login and login == self._refused and now < self._refused_until:
            raise AccessError(self._refusal)
        hop = self._hop(source, login, about)
        response = await self._wire.send(hop)
        try:
            body = await self._wire.read_bounded(response, hop, MAX_ANSWER)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._wire.broken(error, hop) from None
        finally:
            await finish(response)
        if body is None:
            raise UpstreamError(f"{about}: {source.realm.origin()} sends more than {MAX_ANSWER} bytes for a token")
        if response.status == _OK:
            self._wire.counters.tokens += 1
            return parse_token(body, f"{about}: {source.realm.origin()}")
        hide = login.hide if login else str
        reply = Reply.read(response.status, response.headers, body, hide)
        failure = token_failure(reply, about, source.realm.origin(), self._way.endpoint, login)
        if login and _is_refusal(response.status, login):
            self._refused, self._refused_until, self._refusal = login, now + REFUSED_FOR, str(failure)
        raise failure

    def _hop(self, source: Source, login: Login | None, about: str) -> Hop:
        """The question: a GET with the login, or for an identity token OAuth2's POST (distribution's "oauth")."""
        is_at_home = same_origin(source.realm, self._way.endpoint.origin)
        if login is None or not login.is_identity:
            headers = {"Authorization": f"Basic {login.encoded}"} if login else {}
            return Hop(self._way, source.url, about, headers=headers, is_at_home=is_at_home)
        form = {
            "grant_type": "refresh_token",
            "service": source.service,
            "client_id": "mirrord",
            "scope": " ".join(source.scopes),
            "refresh_token": login.password,
        }
        return Hop(self._way, source.realm, about, "POST", form=form, is_at_home=is_at_home)


def _is_refusal(status: int, login: Login) -> bool:
    """Whether a realm refuses the login itself: OAuth2 says 400 to a refresh token that is no good (RFC 6749, 5.2)."""
    return status == _UNAUTHORIZED or (login.is_identity and status == _BAD_REQUEST)


def parse_token(body: bytes, where: str) -> Token:
    """Read the answer of the realm ``where``. Raises UpstreamError that does not show it."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UpstreamError(f"{where} answered with what is not a JSON object; expected one with a token")
    value = document.get("token") or document.get("access_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise UpstreamError(f"{where} answered without a usable token; expected a text under token or access_token")
    return Token(value, _lifetime(document))


def _lifetime(document: Mapping[str, object]) -> float:
    seconds = document.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        return math.inf
    seconds = min(seconds, _LONGEST)
    return max(seconds - _MARGIN, seconds / 2)

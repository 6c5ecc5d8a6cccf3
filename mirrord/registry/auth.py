"""Getting past one registry's 401: anonymous, Basic and token access.

Tokens are kept by repository and used until they expire or are refused; who needs one while it is being asked for
waits for that answer. The login goes to the registry's own origin and to accepted realms, nowhere else.
"""

import asyncio
from collections.abc import Iterable

from msgspec import Struct, field

from mirrord.config.model import RegistryConfig
from mirrord.config.problem import HIDDEN
from mirrord.errors import AccessError
from mirrord.registry.ask import CATALOG
from mirrord.registry.credentials import Credentials
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.headers import Challenge
from mirrord.registry.login import Login
from mirrord.registry.realm import accept_realm
from mirrord.registry.tokens import Source, TokenDesk

MAX_TOKENS = 512
"""Repositories whose tokens are remembered."""
_UNAUTHORIZED = 401
_MAYBE_STALE = frozenset({400, 401, 403})
"""What registries answer to an expired token: ECR says 403, ECR Public 400."""


class Grant(Struct, frozen=True):
    """An Authorization header, and the source of its token (None for Basic)."""

    header: str
    source: Source | None = None
    login: Login | None = None
    """The login it comes of."""

    def __repr__(self) -> str:
        return f"Grant({self.source}, {self.login})"


class _Place(Struct):
    """One repository's token."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    grant: Grant | None = None
    expires: float = 0.0
    """By the loop's clock."""


class Authenticator:
    """Access to one endpoint of a registry, for the login that is used there."""

    def __init__(self, endpoint: Endpoint, config: RegistryConfig, credentials: Credentials, desk: TokenDesk) -> None:
        self._endpoint = endpoint
        self._config = config
        self.credentials = credentials
        self._desk = desk
        self._known: Challenge | None = None
        self._places: dict[str, _Place] = {}

    @property
    def login(self) -> Login | None:
        """Who we are there now."""
        return self.credentials.login

    def hide(self, text: str) -> str:
        """``text`` without the login and the tokens, should an upstream repeat them."""
        for place in self._places.values():
            if place.grant:
                text = text.replace(place.grant.header.partition(" ")[2], HIDDEN)
        return self.credentials.hide(text)

    async def visit(self, repository: str) -> "Visit":
        """Begin a request to ``repository`` with what is known already, so that it need not be refused first."""
        visit = Visit(self, repository)
        if self.has_token:
            visit.grant = self.plain()
        elif self._known is not None:
            await visit.answer(self._known)
        return visit

    def choose(self, challenges: Iterable[Challenge]) -> Challenge | None:
        """The challenge to answer, of those offered or else of earlier ones: a token's before Basic."""
        offered = {challenge.scheme: challenge for challenge in reversed(tuple(challenges))}
        bearer, basic = offered.get("bearer"), offered.get("basic")
        if bearer and bearer.parameters.get("realm"):
            kept = {name: value for name, value in bearer.parameters.items() if name != "scope"}
            self._known = Challenge("bearer", kept)  # the scope is one repository's
            return bearer
        if basic and self.login and not self.login.is_identity:
            self._known = basic
            return basic
        return self._known

    @property
    def has_token(self) -> bool:
        """Whether the login is a token of the registry's own, which is good for every repository."""
        return self.login is not None and self.login.is_bearer

    def plain(self) -> Grant | None:
        """The login itself."""
        login = self.login
        if login and login.is_bearer:
            return Grant(f"Bearer {login.password}", login=login)
        return Grant(f"Basic {login.encoded}", login=login) if login and not login.is_identity else None

    async def source(self, challenge: Challenge, repository: str) -> Source:
        """Where the challenge says that a token for ``repository`` comes from. Raises AccessError, UpstreamError."""
        asked = challenge.parameters
        with_login = self.login is not None
        realm = await accept_realm(asked["realm"], self._endpoint, self._config.auth_realms, with_login=with_login)
        scopes = tuple(asked.get("scope", "").split()) or (_scope(repository),)
        return Source(realm, asked.get("service", ""), scopes)

    async def token(self, source: Source, repository: str, refused: Grant | None) -> tuple[Grant, bool]:
        """A token other than ``refused``, and whether it was asked for just now."""
        place = self._place(repository)
        async with place.lock:
            now = asyncio.get_running_loop().time
            if place.grant and place.grant is not refused and now() < place.expires:
                return place.grant, False
            place.grant = None
            about, login = f"{self._endpoint.host}/{repository}: a token", self.login
            try:
                token = await self._desk.ask(source, login, about)
            except AccessError:
                if not await self.credentials.renew(login):
                    raise
                login = self.login
                if self.has_token and (own := self.plain()):
                    return own, False
                token = await self._desk.ask(source, login, about)
            place.grant, place.expires = Grant(f"Bearer {token.value}", source, login), now() + token.lifetime
            return place.grant, True

    def _place(self, repository: str) -> _Place:
        place = self._places.pop(repository, None) or _Place()
        self._places[repository] = place  # the newest last
        if len(self._places) > MAX_TOKENS:
            del self._places[next(iter(self._places))]
        return place


def _scope(repository: str) -> str:
    return "registry:catalog:*" if repository == CATALOG else f"repository:{repository}:pull"


class Visit(Struct):
    """One request's way in: the grant it bears, and what may be tried after a refusal."""

    auth: Authenticator
    repository: str
    grant: Grant | None = None
    is_own: bool = False
    """Whether the grant's token was asked for by this very request."""

    @property
    def headers(self) -> dict[str, str]:
        """What the request bears."""
        return {"Authorization": self.grant.header} if self.grant else {}

    def is_refused(self, status: int) -> bool:
        """Whether an answer means that the grant, or the lack of one, is no good."""
        if self.grant and self.grant.source and not self.is_own:
            return status in _MAYBE_STALE
        return status == _UNAUTHORIZED

    async def renew(self, challenges: Iterable[Challenge]) -> bool:
        """Take another grant after a refusal; False where there is none to try.

        A token that another request fetched may have grown old; one fetched for this very request has not, so it is
        replaced only where the registry now names another source, or the login has changed at its own.
        """
        offered = tuple(challenges)
        challenge = self.auth.choose(offered)
        if challenge is not None and await self.answer(challenge):
            return True
        if self.grant is None or not await self.auth.credentials.renew(self.grant.login):
            return False
        self.is_own = False  # of the login before
        challenge = self.auth.choose(offered)
        return challenge is not None and await self.answer(challenge)

    async def answer(self, challenge: Challenge) -> bool:
        """Take the grant that ``challenge`` asks for; False where that is what was refused."""
        if challenge.scheme == "basic" or self.auth.has_token:
            had, grant = self.grant, self.auth.plain()
            if grant is None or had == grant:
                return False
            self.grant = grant
            return True
        source = await self.auth.source(challenge, self.repository)
        if self.is_own and self.grant and self.grant.source == source:
            return False
        self.grant, self.is_own = await self.auth.token(source, self.repository, self.grant)
        return True

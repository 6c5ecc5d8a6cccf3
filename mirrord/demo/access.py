"""Who may read the demo's upstream: everybody, a Basic user, or the holder of a token that it hands out itself."""

import base64
import itertools
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web
from msgspec import Struct, field


class Access(Protocol):
    """Decides about each request to ``/v2/``."""

    def challenge(self, request: web.Request, repository: str) -> Mapping[str, str] | None:
        """None to let it pass, else the headers of the 401."""

    def token(self, request: web.Request) -> web.Response | None:
        """The answer of the token endpoint; None where there is no such endpoint."""


class Everybody(Struct, frozen=True):
    """No credentials asked."""

    def challenge(self, request: web.Request, repository: str) -> Mapping[str, str] | None:  # noqa: ARG002 - Access
        """Lets all pass."""
        return None

    def token(self, request: web.Request) -> web.Response | None:  # noqa: ARG002 - Access
        """There is no token endpoint."""
        return None


class Basic(Struct, frozen=True):
    """One user with a password (RFC 7617)."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Basic({self.user!r})"

    def challenge(self, request: web.Request, repository: str) -> Mapping[str, str] | None:  # noqa: ARG002 - Access
        """Asks for Basic credentials where they are missing or wrong."""
        if knows(request, self.user, self.password):
            return None
        return {"WWW-Authenticate": 'Basic realm="demo, upstream"'}

    def token(self, request: web.Request) -> web.Response | None:  # noqa: ARG002 - Access
        """There is no token endpoint."""
        return None


class Tokens(Struct):
    """Bearer tokens from ``/token`` (distribution's token specification); anonymous unless ``user`` is set."""

    user: str = ""
    password: str = ""
    service: str = "demo upstream"
    realm: str = ""
    """Where tokens are handed out; empty: this upstream's own ``/token``."""
    expires_in: int | None = 300
    """What the token's answer says; None says nothing."""
    valid: dict[str, str] = field(default_factory=dict)
    """By token: the repository it opens."""
    issued: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __repr__(self) -> str:
        return f"Tokens({self.user!r}, issued={self.issued})"

    def challenge(self, request: web.Request, repository: str) -> Mapping[str, str] | None:
        """Asks for a token with the scope of ``repository`` unless the request bears a valid one."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token in self.valid and self.valid[token] == repository:
            return None
        realm = self.realm or f"{request.scheme}://{request.host}/token"
        scope = f"repository:{repository}:pull"
        return {"WWW-Authenticate": f'Bearer realm="{realm}",service="{self.service}",scope="{scope}"'}

    def token(self, request: web.Request) -> web.Response | None:
        """Hands out a token for the asked scope, or refuses the user."""
        if self.user and not knows(request, self.user, self.password):
            return web.json_response({"details": "incorrect username or password"}, status=401)
        repository = request.query.get("scope", "").removeprefix("repository:").rpartition(":")[0]
        token = f"token-{next(self._numbers)}"
        self.valid[token] = repository
        self.issued += 1
        lifetime = {} if self.expires_in is None else {"expires_in": self.expires_in}
        return web.json_response({"token": token, **lifetime})

    def revoke(self) -> None:
        """Forget all tokens: whoever holds one is challenged anew."""
        self.valid.clear()


def knows(request: web.Request, user: str, password: str) -> bool:
    """Whether a request bears these Basic credentials."""
    expected = base64.b64encode(f"{user}:{password}".encode()).decode()
    return request.headers.get("Authorization") == f"Basic {expected}"

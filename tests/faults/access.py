"""Scenarios of getting in: every odd refusal that registries are known for, and realms that are not to be trusted."""

import json

from support.plays import after_revoking, as_a_registry
from support.scenario import On, Scenario
from support.scripted import answer, page, redirect

from mirrord.demo.access import Basic, Tokens

KEPT = {"1": "old"}
SECRET = "s3cret-canary"  # noqa: S105 - what must not be seen
LOGIN = f"username: me, password: {SECRET}"
MANIFESTS = "/v2/app/manifests"
DENIED = json.dumps({"errors": [{"code": "DENIED", "message": "Your authorization token has expired"}]}).encode()


def bearer(realm: str) -> dict[str, str]:
    """A challenge that sends to ``realm``."""
    return {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}


def stale(status: int, body: bytes = b"") -> Scenario:
    """A token that has expired, and a registry that says so in its own way."""
    return Scenario(
        name=f"access: {status} for a token that has expired",
        plays=(On(f"GET {MANIFESTS}", (after_revoking(answer(status, body)),), then=as_a_registry),),
        access=Tokens,
        asked={"/token": 2},
    )


def refused(name: str, realm: str, *says: str, tls: bool = False) -> Scenario:
    """A realm that must not see the login."""
    return Scenario(
        name=f"access: realm {name}",
        plays=(On(MANIFESTS, then=answer(401, b"", bearer(realm))),),
        registry=LOGIN,
        tls=tls,
        status=1,
        owner="config",
        says=("sends to", "which is refused", *says),
        served=KEPT,
        asked={MANIFESTS: 1},
        never=(SECRET,),
    )


def tokenless(name: str, *says: str, play: On, owner: str = "upstream", asks: int = 1) -> Scenario:
    """A realm that hands out no token."""
    return Scenario(
        name=f"access: {name}",
        plays=(play,),
        access=Tokens,
        registry="",
        status=1,
        owner=owner,
        says=("a token", *says),
        served=KEPT,
        asked={"/token": asks},
    )


SCENARIOS = (
    stale(400, DENIED),
    stale(401),
    stale(403, DENIED),
    Scenario(name="access: Basic", access=lambda: Basic("me", SECRET), registry=LOGIN, never=(SECRET,)),
    Scenario(
        name="access: a token for a user",
        access=lambda: Tokens("me", SECRET),
        registry=LOGIN,
        never=(SECRET, "token-1"),
    ),
    Scenario(name="access: tokens without expires_in", access=lambda: Tokens(expires_in=None), asked={"/token": 1}),
    Scenario(
        name="access: Basic with a wrong password",
        access=lambda: Basic("me", "right"),
        registry=LOGIN,
        held=(),
        status=1,
        owner="config",
        says=("refuses user 'me': 401 Unauthorized", "check the username and password of registries.registry.test"),
        served={},
        never=(SECRET,),
    ),
    Scenario(
        name="access: a token with a wrong password",
        access=lambda: Tokens("me", "right"),
        registry=LOGIN,
        held=(),
        status=1,
        owner="config",
        says=("refuses user 'me'", "check the username and password of registries.registry.test"),
        served={},
        asked={"/token": 1},
        never=(SECRET,),
    ),
    Scenario(
        name="access: Basic without a login",
        access=lambda: Basic("me", "right"),
        held=(),
        status=1,
        owner="config",
        says=("refuses anonymous access: 401 Unauthorized", "registries.registry.test.username"),
        served={},
    ),
    Scenario(
        name="access: a login is demanded all of a sudden",
        plays=(On("/v2/", then=answer(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})),),
        status=1,
        owner="config",
        says=("refuses anonymous access",),
        served=KEPT,
    ),
    Scenario(
        name="access: 401 without a challenge",
        plays=(On(MANIFESTS, then=answer(401)),),
        status=1,
        owner="config",
        says=("refuses anonymous access: 401 Unauthorized", "check that the repository exists"),
        served=KEPT,
        asked={MANIFESTS: 1},
    ),
    Scenario(
        name="access: 403 for a repository",
        plays=(On(MANIFESTS, then=answer(403, json.dumps({"errors": [{"code": "DENIED"}]}).encode())),),
        access=lambda: Tokens("me", SECRET),
        registry=LOGIN,
        status=1,
        owner="config",
        says=("refuses user 'me': 403 Forbidden", "this user may pull it"),
        served=KEPT,
        never=(SECRET,),
    ),
    Scenario(
        name="access: 401 to a token that was just handed out",
        plays=(On(MANIFESTS, then=answer(401, b"", bearer("http://127.0.0.1:1/token"))),),
        status=1,
        owner="network",
        says=("a token", "can't be connected to"),
        served=KEPT,
    ),
    Scenario(
        name="access: a challenge that no one understands",
        plays=(On(MANIFESTS, then=answer(401, b"", {"WWW-Authenticate": "Negotiate, Digest x=y"})),),
        registry=LOGIN,
        status=1,
        owner="config",
        says=("401 Unauthorized",),
        served=KEPT,
        never=(SECRET,),
    ),
    Scenario(
        name="access: 400 that no token mends",
        plays=(On(MANIFESTS, then=answer(400, DENIED)),),
        status=1,
        owner="upstream",
        says=("answered 400 Bad Request", "expected 200"),
        served=KEPT,
        asked={MANIFESTS: 1},
    ),
    Scenario(
        name="access: a refused catalog",
        plays=(On("_catalog", then=answer(401)),),
        image='{{name: "{host}/*", tags: "*"}}',
        status=1,
        owner="config",
        says=("has no catalog for anonymous access", "name each repository"),
        served=KEPT,
    ),
    Scenario(
        name="access: a page to log in",
        plays=(On("/v2/", then=page()),),
        status=1,
        owner="upstream",
        says=("web page", "expected a registry"),
        served=KEPT,
    ),
    refused("on a foreign host", "https://evil.test/token", "it is of another domain", "auth_realms"),
    refused("on a foreign host by plain http", "http://evil.test/token", "it is of another domain"),
    refused("by plain http of a registry with TLS", "http://registry.test/token", "reached without TLS", tls=True),
    refused("on a private address", "https://10.9.8.7/token", "it is of another domain"),
    Scenario(
        name="access: realm on a private address, of a public registry",
        plays=(On(MANIFESTS, then=answer(401, b"", bearer("https://169.254.169.254/token"))),),
        endpoint="http://1.1.1.1",
        status=1,
        owner="config",
        says=("it is in a private network, and the registry is not",),
        served=KEPT,
    ),
    Scenario(
        name="access: realm that is no URL",
        plays=(On(MANIFESTS, then=answer(401, b"", bearer("token please"))),),
        status=1,
        owner="upstream",
        says=("'token please' as the place that hands out tokens",),
        served=KEPT,
    ),
    tokenless("a realm without a token", "without a usable token", play=On("/token", then=answer(200, b"{}"))),
    tokenless("a realm that redirects", "307 Temporary Redirect", play=On("/token", then=redirect("/v2/"))),
    tokenless("a realm that sends too much", "more than 262144", play=On("/token", then=answer(200, b"x" * 300_000))),
    tokenless("a realm that is down", "503 Service Unavailable", "try later", play=On("/token", then=answer(503))),
    tokenless("a realm that refuses", "refuses anonymous access", play=On("/token", then=answer(403)), owner="config"),
)

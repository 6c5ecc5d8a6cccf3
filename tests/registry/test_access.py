"""Getting in: anonymous, Basic and token access; the login goes nowhere it was not meant for."""

import asyncio
import json

import pytest
from support.registries import Connect
from support.scripted import Play, Scripted, answer, redirect

from mirrord.config.model import Limits
from mirrord.demo import images
from mirrord.demo.access import Basic, Tokens
from mirrord.errors import AccessError, Owner, UpstreamError
from mirrord.oci.reference import Repository
from mirrord.registry.client import Registries

SECRET = "s3cret-canary"  # noqa: S105 - what must not be seen
LOGIN = {"username": "me", "password": SECRET}
BUILT = images.image("one")


async def test_basic_access(connect: Connect, app: Repository) -> None:
    """A login opens a registry that asks for Basic; once known, it is sent with the first request."""
    async with Scripted.running(Basic("me", SECRET)) as upstream:
        upstream.push(app.path, BUILT, "1.0")
        registries = connect(upstream, **LOGIN)
        assert (await registries.head_manifest(app, "1.0")).digest == BUILT.digest
        await registries.get_manifest(app, "1.0")
    assert [asked.method for asked in upstream.requests] == ["HEAD", "HEAD", "GET"]


@pytest.mark.parametrize("access", [Basic("me", "right"), Tokens("me", "right")])
async def test_a_wrong_password_is_the_configs_move(connect: Connect, app: Repository, access: Basic | Tokens) -> None:
    """The error names host, user and the place in the config, and shows no secret; it is not tried again."""
    async with Scripted.running(access) as upstream:
        with pytest.raises(AccessError) as raised:
            await connect(upstream, **LOGIN).get_manifest(app, "1.0")
    text = str(raised.value)
    assert raised.value.owner is Owner.CONFIG
    assert all(part in text for part in ("registry.test", "'me'", "registries.registry.test", "password"))
    assert SECRET not in text
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("access", [Basic("me", "right"), Tokens("me", "right")])
async def test_a_missing_login_is_the_configs_move(connect: Connect, app: Repository, access: Basic | Tokens) -> None:
    """Who has no login is told the key to set."""
    async with Scripted.running(access) as upstream:
        with pytest.raises(AccessError, match=r"anonymous access.*registries\.registry\.test\.username"):
            await connect(upstream).get_manifest(app, "1.0")


async def test_a_refused_login_is_not_repeated(connect: Connect, app: Repository) -> None:
    """A realm is not shown a wrong password for each of many images: that locks accounts."""
    async with Scripted.running(Tokens("me", "right")) as upstream:
        registries = connect(upstream, **LOGIN)
        for _ in range(5):
            with pytest.raises(AccessError, match="'me'"):
                await registries.get_manifest(app, "1.0")
    assert upstream.asked("/token") == 1


@pytest.mark.parametrize("login", [{}, LOGIN])
async def test_token_access(connect: Connect, app: Repository, login: dict[str, str]) -> None:
    """One challenge and one token serve all requests to a repository; the next repository needs no challenge."""
    access = Tokens("me", SECRET) if login else Tokens()
    other = Repository(app.host, "team/other")
    async with Scripted.running(access) as upstream:
        upstream.push(app.path, BUILT, "1.0")
        upstream.push(other.path, BUILT, "1.0")
        registries = connect(upstream, **login)
        for repository in (app, app, other):
            await registries.get_manifest(repository, "1.0")
    assert [asked.path for asked in upstream.requests] == [
        "/v2/team/app/manifests/1.0",
        "/token",
        "/v2/team/app/manifests/1.0",
        "/v2/team/app/manifests/1.0",
        "/token",
        "/v2/team/other/manifests/1.0",
    ]
    assert upstream.requests[1].query == {"service": "demo upstream", "scope": "repository:team/app:pull"}
    assert upstream.requests[4].query["scope"] == "repository:team/other:pull"
    assert registries.counters.tokens == 2


async def test_one_token_is_asked_for_by_many(connect: Connect, app: Repository) -> None:
    """Requests that need the same token at the same time wait for one answer."""
    access = Tokens()
    async with Scripted.running(access) as upstream:
        upstream.push(app.path, BUILT, "1.0")
        registries = connect(upstream)
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(registries.get_manifest(app, "1.0"))
    assert access.issued == 1


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_an_expired_token_is_replaced(connect: Connect, app: Repository, status: int) -> None:
    """Registries differ in what they answer to an old token; a new one is asked for once, and it works."""
    access = Tokens(expires_in=None)
    async with Scripted.running(access) as upstream:
        upstream.push(app.path, BUILT, "1.0")
        registries = connect(upstream)
        await registries.get_manifest(app, "1.0")
        upstream.when("GET /v2", answer(status))
        assert await registries.get_manifest(app, "1.0") == BUILT.manifest
    assert access.issued == 2


async def test_a_token_is_replaced_before_it_expires(connect: Connect, app: Repository) -> None:
    """``expires_in`` is heeded with a margin: a token about to expire is not used."""
    access = Tokens(expires_in=1)
    async with Scripted.running(access) as upstream:
        upstream.push(app.path, BUILT, "1.0")
        registries = connect(upstream)
        await registries.get_manifest(app, "1.0")
        await asyncio.sleep(0.6)
        await registries.get_manifest(app, "1.0")
    assert access.issued == 2
    assert upstream.asked("/v2/") == 3


@pytest.mark.parametrize(("login", "issued"), [({}, 1), (LOGIN, 1)])
async def test_a_token_that_opens_nothing_is_the_end(
    connect: Connect, app: Repository, login: dict[str, str], issued: int
) -> None:
    """Bounded: a registry that refuses the token it sent for is an error after one try, not a loop."""
    access = Tokens()
    async with Scripted.running(access) as upstream:
        upstream.when("manifests", then=refuse_always(upstream))
        with pytest.raises(AccessError):
            await connect(upstream, **login).get_manifest(app, "1.0")
    assert access.issued == issued
    assert upstream.asked("/v2/") == 2


def refuse_always(upstream: Scripted) -> Play:
    """401 with a challenge, whatever is sent."""
    realm = f'Bearer realm="{upstream.url}/token",service="s",scope="repository:team/app:pull"'
    return answer(401, b"", {"WWW-Authenticate": realm})


async def test_forbidden_is_not_tried_again(connect: Connect, app: Repository) -> None:
    """403 to a fresh token is about the repository: the error says so, with the upstream's words."""
    access = Tokens("me", SECRET)
    body = json.dumps({"errors": [{"code": "DENIED", "message": f"no pull for {SECRET}"}]}).encode()
    async with Scripted.running(access) as upstream:
        upstream.when("manifests", refuse_always(upstream), then=answer(403, body))
        with pytest.raises(AccessError, match=r"refuses user 'me': 403 Forbidden \(DENIED: no pull for") as raised:
            await connect(upstream, **LOGIN).get_manifest(app, "1.0")
    assert SECRET not in str(raised.value)
    assert access.issued == 1


@pytest.mark.parametrize(
    "header",
    [
        'Bearer realm="https://evil.test/token",service="s"',
        'Bearer realm="http://evil.test/token"',
        'Bearer realm="https://10.0.0.1/token"',
    ],
)
async def test_a_foreign_realm_never_sees_the_login(
    upstream: Scripted, connect: Connect, app: Repository, header: str
) -> None:
    """CVE-2020-15157: the login does not go where a 401 points, unless auth_realms says so."""
    upstream.when("manifests", then=answer(401, b"", {"WWW-Authenticate": header}))
    with pytest.raises(AccessError, match=r"sends to http.*refused.*auth_realms"):
        await connect(upstream, **LOGIN).get_manifest(app, "1.0")
    assert len(upstream.requests) == 1


async def test_a_realm_that_is_no_url_is_told(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """An unusable realm is the upstream's move."""
    upstream.when("manifests", then=answer(401, b"", {"WWW-Authenticate": 'Bearer realm="token please"'}))
    with pytest.raises(UpstreamError, match="'token please' as the place that hands out tokens"):
        await connect(upstream).get_manifest(app, "1.0")


async def test_a_401_without_a_challenge_is_told(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """gcr.io refuses without a challenge: nothing to answer, so an access error at once."""
    upstream.when("manifests", then=answer(401))
    with pytest.raises(AccessError, match="401 Unauthorized"):
        await connect(upstream, **LOGIN).get_manifest(app, "1.0")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("play", "message"),
    [
        (answer(200, b"x" * 300_000), "more than 262144 bytes for a token"),
        (answer(200, b"[]"), "not a JSON object"),
        (answer(200, b'{"token": "two words"}'), "without a usable token"),
        (answer(200, b'{"token": 7}'), "without a usable token"),
        (answer(404), "404 Not Found; expected a token"),
        (redirect("/v2/"), "307 Temporary Redirect; expected a token"),
    ],
)
async def test_a_realm_without_a_token_is_told(
    upstream: Scripted,
    connect: Connect,
    app: Repository,
    play: Play,
    message: str,
) -> None:
    """Bounded and not trusted: what a realm answers is checked, and no redirect of it is followed."""
    upstream.when("manifests", then=refuse_always(upstream))
    upstream.when("/token", then=play)
    with pytest.raises(UpstreamError, match=f"registry.test/team/app: a token: .*{message}"):
        await connect(upstream, **LOGIN).get_manifest(app, "1.0")


async def test_a_realm_that_falters_is_asked_again(connect: Connect, app: Repository) -> None:
    """5xx from the realm is tried again like any other."""
    async with Scripted.running(Tokens()) as upstream:
        upstream.push(app.path, BUILT, "1.0")
        upstream.when("/token", answer(503), answer(500))
        assert await connect(upstream).get_manifest(app, "1.0") == BUILT.manifest


async def test_other_repositories_have_other_tokens(connect: Connect, app: Repository) -> None:
    """A token opens one repository: it is never sent to another."""
    async with Scripted.running(Tokens()) as upstream:
        registries = connect(upstream)
        for path in ("a", "b", "a"):
            upstream.push(path, BUILT, "1.0")
            await registries.get_manifest(Repository(app.host, path), "1.0")
    seen = {(asked.path, asked.headers.get("Authorization")) for asked in upstream.requests if "/v2/" in asked.path}
    assert seen == {
        ("/v2/a/manifests/1.0", None),
        ("/v2/a/manifests/1.0", "Bearer token-1"),
        ("/v2/b/manifests/1.0", "Bearer token-2"),
    }


async def test_nothing_shows_a_secret(connect: Connect, app: Repository) -> None:
    """Secrets are in no repr of what the room is made of."""
    async with Scripted.running(Tokens("me", SECRET)) as upstream:
        upstream.push(app.path, BUILT, "1.0")
        registries: Registries = connect(upstream, Limits(), **LOGIN)
        await registries.get_manifest(app, "1.0")
        transport = registries._transport  # noqa: SLF001 - the whole of it is searched
        doors = transport._peers[app.host].doors._doors  # noqa: SLF001
        shown = " ".join(repr(vars(one)) for door in doors for one in (door.auth, door.auth.credentials))
        shown += repr(doors) + repr(transport._peers) + repr(vars(transport))  # noqa: SLF001
    assert SECRET not in shown
    assert "token-1" not in shown

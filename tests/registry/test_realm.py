"""Which realms are trusted with what."""

import pytest
from yarl import URL

from mirrord.errors import AccessError, UpstreamError
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.realm import accept_realm


def at(host: str, origin: str = "") -> Endpoint:
    """The endpoint of a host."""
    return Endpoint(host, URL(origin or f"https://{host}"))


HUB = at("docker.io", "https://registry-1.docker.io")
GITLAB = at("registry.gitlab.com")
LAB = at("registry.lab", "http://10.0.0.7:5000")


@pytest.mark.parametrize(
    ("endpoint", "realm"),
    [
        (HUB, "https://auth.docker.io/token"),
        (at("docker.io", "http://127.0.0.1:5000"), "https://auth.docker.io/token"),
        (at("ghcr.io"), "https://ghcr.io/token"),
        (at("ghcr.io"), "https://auth.ghcr.io/token"),
        (GITLAB, "https://gitlab.com/jwt/auth"),
        (at("docker.elastic.co"), "https://docker-auth.elastic.co/auth"),
        (at("me.azurecr.io"), "https://me.azurecr.io/oauth2/token?x=1"),
        (LAB, "http://10.0.0.7:5000/token"),
        (LAB, "http://10.0.0.7:9000/token"),
        (LAB, "https://registry.lab/token"),
    ],
)
async def test_realms_of_the_registrys_own_domain_may_see_the_login(endpoint: Endpoint, realm: str) -> None:
    """What real registries name: themselves, Docker Hub's known place, siblings and the parent of their name."""
    assert str(await accept_realm(realm, endpoint, (), with_login=True)) == realm


@pytest.mark.parametrize(
    ("endpoint", "realm", "reason"),
    [
        (HUB, "https://auth.docker.io.evil.test/token", "another domain"),
        (at("quay.io"), "https://auth.docker.io/token", "another domain"),
        (at("quay.io"), "https://evilquay.io/token", "another domain"),
        (GITLAB, "https://com/token", "another domain"),
        (at("lab"), "https://evil.test/token", "another domain"),
        (LAB, "https://10.0.0.8/token", "another domain"),
        (at("1.1.1.1"), "https://2.1.1.1/token", "another domain"),
        (HUB, "http://auth.docker.io/token", "without TLS"),
        (HUB, "https://169.254.169.254/token", "another domain"),
    ],
)
async def test_other_realms_never_see_the_login(endpoint: Endpoint, realm: str, reason: str) -> None:
    """A foreign realm with a login is refused with the reason."""
    with pytest.raises(AccessError, match=f"{endpoint.host}.*sends to .* which is refused: .*{reason}"):
        await accept_realm(realm, endpoint, (), with_login=True)


async def test_without_a_login_any_public_realm_will_do() -> None:
    """lscr.io sends to ghcr.io: there is nothing to lose. A private address stays refused, and so does plain HTTP."""
    assert await accept_realm("https://ghcr.io/token", at("lscr.io"), (), with_login=False)
    for realm, reason in (
        ("https://127.0.0.1/token", "private network"),
        ("https://localhost/token", "private network"),
        ("http://ghcr.io/token", "without TLS"),
    ):
        with pytest.raises(AccessError, match=reason):
            await accept_realm(realm, at("1.1.1.1"), (), with_login=False)


@pytest.mark.parametrize("allowed", ["auth.other.test", "auth.other.test:443", "10.0.0.8"])
async def test_auth_realms_allows_more(allowed: str) -> None:
    """What the config lists is trusted, but not without TLS."""
    host = allowed.partition(":")[0]
    assert await accept_realm(f"https://{host}/token", at("quay.io"), (allowed,), with_login=True)
    with pytest.raises(AccessError, match="without TLS"):
        await accept_realm(f"http://{host}/token", at("quay.io"), (allowed,), with_login=True)


@pytest.mark.parametrize(
    "realm", ["", "token", "/token", "ftp://quay.io/", "https://", "https://u:p@quay.io/", "https://[::"]
)
async def test_what_is_no_realm_is_the_upstreams_move(realm: str) -> None:
    """A realm that is no URL, or holds a login of its own, is unusable."""
    with pytest.raises(UpstreamError, match="as the place that hands out tokens"):
        await accept_realm(realm, at("quay.io"), (), with_login=False)

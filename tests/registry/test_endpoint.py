"""Where a registry is connected to, and which addresses count as inside."""

import pytest
from yarl import URL

from mirrord.config.model import RegistryConfig
from mirrord.registry.endpoint import Endpoint, names_inner_address, same_origin


@pytest.mark.parametrize(
    ("host", "keys", "origin", "shown"),
    [
        ("docker.io", {}, "https://registry-1.docker.io", "docker.io"),
        ("quay.io", {}, "https://quay.io", "quay.io"),
        ("lab:5000", {}, "https://lab:5000", "lab:5000"),
        ("lab:5000", {"plain_http": True}, "http://lab:5000", "lab:5000 (at http://lab:5000)"),
        ("[::1]:5000", {"plain_http": True}, "http://[::1]:5000", "[::1]:5000 (at http://[::1]:5000)"),
        (
            "docker.io",
            {"endpoint": ("http://127.0.0.1:5000",)},
            "http://127.0.0.1:5000",
            "docker.io (at http://127.0.0.1:5000)",
        ),
        ("a.test", {"endpoint": ("https://b.test", "https://c.test")}, "https://b.test", "a.test (at https://b.test)"),
    ],
)
def test_a_host_has_an_origin(host: str, keys: dict[str, object], origin: str, shown: str) -> None:
    """The endpoint decides where it is set, then plain_http, then TLS; Docker Hub's registry has its own name."""
    endpoint = Endpoint.of(host, RegistryConfig.model_validate(keys))
    assert str(endpoint.origin) == origin
    assert str(endpoint.url("team/app/tags/list", "n=1%2F2")) == f"{origin}/v2/team/app/tags/list?n=1%2F2"
    assert str(endpoint) == shown


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.test/x", "https://a.test:443/y", True),
        ("https://a.test", "https://A.test", True),
        ("https://a.test", "http://a.test", False),
        ("https://a.test", "https://a.test:444", False),
        ("https://a.test", "https://a.test.", False),
        ("https://a.test", "https://b.a.test", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, *, same: bool) -> None:
    """A login follows only within one origin."""
    assert same_origin(URL(one), URL(other, encoded=True)) is same


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "a.localhost",
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "169.254.169.254",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:10.0.0.1",
        "::",
    ],
)
def test_inner_addresses_are_known(host: str) -> None:
    """Loopback, private and link-local addresses, in any spelling, are inside."""
    assert names_inner_address(host)


@pytest.mark.parametrize(
    "host", ["quay.io", "1.1.1.1", "2606:4700::1111", "localhost.example.com", "10.example.com", ""]
)
def test_public_names_are_not_inside(host: str) -> None:
    """Names and public addresses are not."""
    assert not names_inner_address(host)


@pytest.mark.parametrize(
    ("origin", "inside"),
    [
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("https://1.1.1.1", False),
        ("https://registry.invalid", False),
    ],
)
async def test_an_endpoint_is_inside_by_its_address(origin: str, *, inside: bool) -> None:
    """A registry on this machine or in a private network may point into it; one without an address may not."""
    assert await Endpoint("any.test", URL(origin)).is_inside() is inside

"""Connections that do not come about: whose move it is, and which key of the config mends it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.certificate import proving
from support.registries import APP, HOST, QUICK, Connect, registries_of
from support.scripted import Scripted, redirect

from mirrord.config.model import Limits, RegistryConfig
from mirrord.demo import images
from mirrord.errors import ConfigError, NetworkError, Owner, UpstreamError
from mirrord.oci.reference import Repository
from mirrord.registry.client import Registries

BUILT = images.image("one")


@pytest.fixture
async def secure(certificate: Path) -> AsyncIterator[Scripted]:
    """A registry that speaks TLS with that certificate."""
    upstream = Scripted()
    upstream.push(APP.path, BUILT, "1.0")
    async with upstream.served(tls=proving(certificate)):
        yield upstream


async def test_a_self_signed_certificate_is_refused(secure: Scripted, connect: Connect, app: Repository) -> None:
    """The error says why, and which key names an authority of one's own; it is not tried again."""
    with pytest.raises(NetworkError, match=r"self.signed certificate.*registries\.registry\.test\.ca_file") as raised:
        await connect(secure).get_manifest(app, "1.0")
    assert raised.value.owner is Owner.NETWORK
    assert secure.requests == ()


async def test_ca_file_makes_it_trusted(secure: Scripted, connect: Connect, app: Repository, certificate: Path) -> None:
    """An authority of one's own is trusted where the config names it."""
    assert await connect(secure, ca_file=str(certificate)).get_manifest(app, "1.0") == BUILT.manifest


async def test_tls_verify_false_trusts_all(secure: Scripted, connect: Connect, app: Repository) -> None:
    """Without verification any certificate will do."""
    assert await connect(secure, tls_verify=False).get_manifest(app, "1.0") == BUILT.manifest


async def test_a_certificate_for_another_name_is_told(
    secure: Scripted, connect: Connect, app: Repository, certificate: Path
) -> None:
    """A trusted certificate for 127.0.0.1 does not prove localhost."""
    secure.url = secure.url.replace("127.0.0.1", "localhost")
    with pytest.raises(NetworkError, match=r"Hostname mismatch.*registries\.registry\.test\.endpoint"):
        await connect(secure, ca_file=str(certificate)).get_manifest(app, "1.0")


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_is_none_is_the_configs_move(
    upstream: Scripted, connect: Connect, app: Repository, tmp_path: Path, content: str | None
) -> None:
    """A missing or useless ca_file is named."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"registries\.registry\.test\.ca_file: .*ca\.pem"):
        await connect(upstream, ca_file=str(path)).get_manifest(app, "1.0")


async def test_plain_http_is_never_a_fallback(upstream: Scripted, connect: Connect, app: Repository) -> None:
    """A registry that speaks no TLS is told with the key that would allow it, and asked nothing."""
    upstream.url = upstream.url.replace("http:", "https:")
    with pytest.raises(NetworkError, match=r"does not speak TLS.*registries\.registry\.test\.plain_http: true"):
        await connect(upstream).get_manifest(app, "1.0")
    assert upstream.requests == ()


async def test_plain_http_where_the_config_says_so(upstream: Scripted) -> None:
    """``plain_http`` alone, for a host with its port in the image's name."""
    repository = Repository.parse(f"{upstream.host}/team/app")
    upstream.push("team/app", BUILT, "1.0")
    config = RegistryConfig.model_validate({"plain_http": True})
    async with Registries({repository.host: config}, Limits(), QUICK) as registries:
        assert await registries.get_manifest(repository, "1.0") == BUILT.manifest


async def test_a_downgrade_is_refused(
    secure: Scripted, connect: Connect, app: Repository, certificate: Path, upstream: Scripted
) -> None:
    """From https no redirect leads to http."""
    secure.when("manifests", then=redirect(f"{upstream.url}/v2/team/app/manifests/1.0"))
    with pytest.raises(UpstreamError, match=r"redirects from https to http://127\.0\.0\.1"):
        await connect(secure, ca_file=str(certificate)).get_manifest(app, "1.0")
    assert upstream.requests == ()


async def test_a_refused_connection_is_told(app: Repository) -> None:
    """Nobody listens: the network's move, with host and address, after the attempts."""
    async with Scripted.running() as upstream:
        pass
    async with registries_of(upstream, Limits(attempts=2)) as registries:
        with pytest.raises(
            NetworkError, match=rf"registry.test/team/app: .*at {upstream.url}.*Connection refused"
        ) as raised:
            await registries.get_manifest(app, "1.0")
        assert registries.counters.requests == 2
    assert raised.value.owner is Owner.NETWORK


async def test_a_name_without_an_address_is_told() -> None:
    """A name that DNS does not know: the network's move (``.invalid`` is reserved for that, RFC 6761)."""
    repository = Repository("registry.invalid", "team/app")
    async with Registries({}, Limits(attempts=1), QUICK) as registries:
        with pytest.raises(NetworkError, match=r"registry\.invalid has no address"):
            await registries.get_manifest(repository, "1.0")


async def test_what_is_not_http_is_told(app: Repository) -> None:
    """A port that speaks another protocol is no registry."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = RegistryConfig.model_validate({"endpoint": (f"http://127.0.0.1:{port}",)})
    async with server, Registries({HOST: config}, Limits(attempts=1), QUICK) as registries:
        with pytest.raises(UpstreamError, match=r"not HTTP.*expected a registry"):
            await registries.get_manifest(app, "1.0")

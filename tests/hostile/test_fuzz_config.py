"""What a person writes or hands over, fuzzed: names, addresses, the config file, passwords."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.spoil import spoiled_bytes, spoiled_text, taken

from mirrord.config.addresses import parse_host, parse_listen, parse_origin, parse_url
from mirrord.config.images import images_of
from mirrord.config.loader import load
from mirrord.config.model import RegistryConfig
from mirrord.config.show import effective
from mirrord.errors import ConfigError, InvalidPlatformError, InvalidReferenceError
from mirrord.oci.platform import Platform
from mirrord.oci.reference import Reference, Repository, is_local_name, is_tag
from mirrord.registry.login import read_login
from mirrord.store.layout import flat_name

fuzz = pytest.mark.fuzz
calm = settings.get_profile("fuzz")

EXAMPLE = Path(__file__).parents[2] / "config" / "mirrord.yaml"
REFERENCES = (
    "nginx",
    "nginx:1.27",
    "quay.io/coreos/flannel:v0.11.0",
    "registry.lan:5000/a/b_c__d-e.f@sha256:" + "ab" * 32,
    "[2001:db8::1]:5000/x:y",
    "localhost/x",
)


@fuzz("references")
@calm
@given(spoiled_text(*REFERENCES))
def test_a_reference_is_of_the_grammar_or_refused(text: str) -> None:
    """What is taken can be asked for, can be a path below the root, and reads back as itself."""
    reference, words = taken(lambda: Reference.parse(text), InvalidReferenceError)
    assert len(words) < 1500
    if reference is None:
        return
    repository = reference.repository
    assert Repository.of(repository.host, repository.path) == repository
    assert Reference.parse(str(reference)) == reference
    assert reference.tag is None or is_tag(reference.tag)
    check_name(repository)


def check_name(repository: Repository) -> None:
    """A repository's names lead nowhere but down."""
    try:
        name = repository.local_name()
    except InvalidReferenceError:
        return
    assert is_local_name(name)
    assert not {"", ".", ".."} & set(name.split("/"))
    assert len(flat_name(name)) < 256
    assert flat_name(name).replace("!", "/") == name


@fuzz("platforms")
@calm
@given(spoiled_text("linux/amd64", "linux/arm64/v8", "windows/amd64"))
def test_a_platform_is_of_plain_words_or_refused(text: str) -> None:
    """What is taken is short, plain, and reads back as itself."""
    platform, words = taken(lambda: Platform.parse(text), InvalidPlatformError)
    assert len(words) < 1500
    if platform is None:
        return
    assert Platform.parse(str(platform)) == platform
    assert platform.normalised().normalised() == platform.normalised()
    assert str(platform).isascii()


@fuzz("addresses")
@calm
@given(
    st.sampled_from([parse_host, parse_listen, parse_origin, parse_url]),
    spoiled_text("registry.lan:5000", "127.0.0.1:5050", "[::1]:5050", "https://10.0.0.7:5000", "https://x.y/z?a=b#c"),
)
def test_an_address_is_read_or_a_value_error(parse: object, text: str) -> None:
    """Hosts, listening addresses, origins and URLs of the config: ValueError is what the config's reader expects."""
    assert callable(parse)
    _, words = taken(lambda: parse(text), ValueError)
    assert len(words) < 1000


@fuzz("config files")
@calm
@given(spoiled_bytes(EXAMPLE.read_bytes()))
def test_a_config_file_is_read_or_told(tmp_path: Path, content: bytes) -> None:
    """The example with bytes put in, cut out and replaced: a config that can be used and shown, or ConfigError."""
    path = tmp_path / "mirrord.yaml"
    path.write_bytes(content)
    config, words = taken(lambda: load(path), ConfigError)
    if config is None:
        assert str(path) in words
        return
    images_of(config)
    effective(config)


@pytest.mark.parametrize("value", [b"\xff\xfe", b"a\nb", b"\x1b[31m"])
def test_a_password_in_the_environment_is_text_or_is_told(monkeypatch: pytest.MonkeyPatch, value: bytes) -> None:
    """Bytes that are no text, or would break a header: the variable is named, and nothing of it shown."""
    monkeypatch.setenv("MIRRORD_TEST_PASSWORD", os.fsdecode(value))
    config = RegistryConfig.model_validate({"username": "me", "password_env": "MIRRORD_TEST_PASSWORD"})
    with pytest.raises(ConfigError, match="MIRRORD_TEST_PASSWORD holds no plain text"):
        read_login("registries.x", config)


@fuzz("password files")
@calm
@given(spoiled_bytes(b"hunter2\n", "pässword:x\r\n".encode()))
def test_a_password_file_holds_a_password_or_is_told(tmp_path: Path, content: bytes) -> None:
    """Whatever is in it: a password fit for a header, or an error that shows nothing of it."""
    path = tmp_path / "password"
    path.write_bytes(content)
    config = RegistryConfig.model_validate({"username": "me", "password_file": str(path)})
    login, words = taken(lambda: read_login("registries.x", config), ConfigError)
    if login is None:
        assert "password_file" in words
        return
    assert login.encoded.isascii()
    assert login.encoded.isprintable()
    assert len(login.password) < 4 or login.password not in f"{login!r} {login}"

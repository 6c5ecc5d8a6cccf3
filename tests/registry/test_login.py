"""Where logins are read from, and that they are not shown."""

import base64
from pathlib import Path

import pytest

from mirrord.config.model import RegistryConfig
from mirrord.errors import ConfigError
from mirrord.registry.login import Login, read_login

SECRET = "pässword:x"  # noqa: S105 - what must not be seen


def config(**keys: object) -> RegistryConfig:
    """A registry's config with a user."""
    return RegistryConfig.model_validate({"username": "me", **keys})


def test_a_login_is_read_from_each_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inline, a file (its last line break is not part of it), the environment, and systemd's credentials."""
    path = tmp_path / "hub"
    path.write_text(f"{SECRET}\n")
    monkeypatch.setenv("HUB_PASSWORD", SECRET)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for keys in (
        {"password": SECRET},
        {"password_file": str(path)},
        {"password_env": "HUB_PASSWORD"},
        {"password_credential": "hub"},
    ):
        assert read_login("registries.docker.io", config(**keys)) == Login("me", SECRET)
    assert read_login("registries.docker.io", RegistryConfig()) is None


def test_a_login_encodes_as_basic_and_hides_itself() -> None:
    """RFC 7617 in UTF-8; neither repr nor str nor a text that repeats it shows the password."""
    login = Login("me", SECRET)
    assert base64.b64decode(login.encoded).decode() == f"me:{SECRET}"
    shown = f"{login!r} {login} {login.hide(f'you sent {SECRET} as {login.encoded}')}"
    assert SECRET not in shown
    assert login.encoded not in shown


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"x" * 100_000])
def test_a_password_file_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    """The key and the file are named; nothing of its content is."""
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"registries\.quay\.io\.password_file: .*password") as raised:
        read_login("registries.quay.io", config(password_file=str(path)))
    assert "xxx" not in str(raised.value)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"password_env": "HUB_PASSWORD"}, r"quay\.io\.password_env: the variable HUB_PASSWORD is not set"),
        ({"password_credential": "hub"}, r"quay\.io\.password_credential: .*LoadCredential=hub"),
    ],
)
def test_missing_variables_and_credentials_are_told(
    monkeypatch: pytest.MonkeyPatch, keys: dict[str, str], message: str
) -> None:
    """The variable, or what is missing for a systemd credential, is named."""
    monkeypatch.delenv("HUB_PASSWORD", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match=message):
        read_login("registries.quay.io", config(**keys))

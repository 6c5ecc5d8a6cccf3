"""A login as a value, and the passwords that the config names: inline, a file, the environment or systemd."""

import base64
import os
from pathlib import Path

from msgspec import Struct

from mirrord.config.model import RegistryConfig
from mirrord.config.problem import HIDDEN
from mirrord.errors import ConfigError

_MAX_PASSWORD = 64 << 10
"""Bytes of a password file: what is longer is another file."""


class Login(Struct, frozen=True):
    """A user and what proves it."""

    user: str
    password: str
    is_identity: bool = False
    """Whether the password is an identity token: it is exchanged for access tokens, and never sent as Basic."""
    is_bearer: bool = False
    """Whether the password is a token of the registry's own: it is sent as it is, and asked for nowhere."""

    def __repr__(self) -> str:
        return f"Login({self.user!r})"

    def __str__(self) -> str:
        if self.is_bearer:
            return "a registry token"
        return "an identity token" if self.is_identity else f"user {self.user!r}"

    def hide(self, text: str) -> str:
        """``text`` without the password, should an upstream repeat it."""
        alone = base64.b64encode(self.password.encode(errors="replace")).decode()
        for shown in (self.encoded, self.password, alone):
            text = text.replace(shown, HIDDEN)
        return text

    @property
    def encoded(self) -> str:
        """What stands after ``Basic`` (RFC 7617, in UTF-8)."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


def read_login(key: str, config: RegistryConfig) -> Login | None:
    """The login of the config at ``key``, or None. Reads files: not for the event loop. Raises ConfigError."""
    if config.username is None:
        return None
    return Login(config.username, _password(key, config))


def _password(key: str, config: RegistryConfig) -> str:
    if config.password is not None:
        return config.password.get_secret_value()
    if config.password_file is not None:
        return _content(f"{key}.password_file", config.password_file)
    if config.password_env is not None:
        found = os.environ.get(config.password_env)
        if not found:
            raise ConfigError(
                f"{key}.password_env: the variable {config.password_env} is not set; set it, or remove it"
            )
        if not found.isprintable():  # bytes that are no UTF-8 are surrogates in it
            raise ConfigError(f"{key}.password_env: {config.password_env} holds no plain text; expected the password")
        return found
    name, directory = config.password_credential or "", os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigError(
            f"{key}.password_credential: there are no credentials of systemd here; "
            f"run as a service with LoadCredential={name}:…, or use password_file"
        )
    return _content(f"{key}.password_credential", Path(directory) / name)


def _content(key: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_PASSWORD + 1)
    except OSError as error:
        raise ConfigError(f"{key}: can't read {path}: {error.strerror}; expected a file with the password") from error
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or len(content) > _MAX_PASSWORD:
        raise ConfigError(f"{key}: {path} is empty or holds no text; expected the password alone")
    return password

"""A Docker ``config.json``: the login it holds for a registry, or the helper program it names for that."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from mirrord.errors import ConfigError
from mirrord.oci.reference import HUB
from mirrord.registry.login import Login

HUB_KEY = "https://index.docker.io/v1/"
"""What Docker calls Docker Hub where it keeps logins."""
MAX_CONFIG = 1 << 20
"""Bytes of a config.json: what is longer is another file."""
_TOKEN = re.compile(r"[\x21-\x7e]+")


class Helper(Struct, frozen=True):
    """A program ``docker-credential-<name>``, and what it is asked for."""

    name: str
    server: str


def keys_of(host: str) -> tuple[str, ...]:
    """The names under which a config.json may hold the login for ``host``, the likeliest first."""
    if host == HUB:
        return HUB_KEY, "index.docker.io", HUB
    return host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/", f"https://{host}/"


def read_docker_config(key: str, path: Path, host: str) -> Login | Helper:
    """What ``path`` says about ``host``. Reads a file: not for the event loop.

    A helper of its own comes first (``credHelpers``), then ``auths``, then the store for all (``credsStore``). Raises
    ConfigError, which shows nothing of the file, where it can't be read or says nothing.
    """
    document = _document(key, path)
    helpers, auths = (_mapping(document.get(name)) for name in ("credHelpers", "auths"))
    keys = keys_of(host)
    if isinstance(name := _first(helpers, keys), str) and name:
        return Helper(name, keys[0])
    if (login := _login(key, path, host, _mapping(_first(auths, keys)))) is not None:
        return login
    if isinstance(store := document.get("credsStore"), str) and store:
        return Helper(store, keys[0])
    raise ConfigError(
        f"{key}: {path} has no login for {host} (looked for {', '.join(keys[:3])}); "
        f"make one with: docker login {'' if host == HUB else host}".rstrip()
    )


def _document(key: str, path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG + 1)
    except OSError as error:
        raise ConfigError(f"{key}: can't read {path}: {error.strerror}; expected a Docker config.json") from error
    try:
        document = json.loads(content) if len(content) <= MAX_CONFIG else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ConfigError(f"{key}: {path} is no JSON object; expected a Docker config.json")
    return document


def _login(key: str, path: Path, host: str, entry: Mapping[str, object]) -> Login | None:
    texts = {name: value for name, value in entry.items() if isinstance(value, str) and value}
    user, password = texts.get("username", ""), texts.get("password", "")
    if "auth" in texts:
        try:
            user, colon, password = base64.b64decode(texts["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            colon = ""
        if not colon:
            raise ConfigError(f"{key}: the auth of {host} in {path} is no user:password in base64; log in again")
        password = password.rstrip("\0")  # Docker's own reader does
    if "registrytoken" in texts:
        if not _TOKEN.fullmatch(texts["registrytoken"]):
            raise ConfigError(f"{key}: the registrytoken of {host} in {path} is no token; expected one without spaces")
        return Login("", texts["registrytoken"], is_bearer=True)
    if "identitytoken" in texts:
        return Login(user, texts["identitytoken"], is_identity=True)
    return Login(user, password) if user and password else None


def _first(entries: Mapping[str, object], keys: Iterable[str]) -> object:
    return next((entries[key] for key in keys if key in entries), None)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}

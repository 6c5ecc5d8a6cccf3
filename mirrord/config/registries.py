"""What the config says about one upstream registry: where it is, who we are there, and how much it bears."""

import re
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from mirrord.config.addresses import HOST, ORIGIN, parse_url
from mirrord.config.scalars import BOOLEAN, FREQUENCY, INTEGER, RATE, Scalar, text_like
from mirrord.config.section import ONE_OR_MANY, FilePath, PlacedSection, problem_at, secret
from mirrord.oci.reference import HUB, is_local_name

HUB_ORIGIN = "https://registry-1.docker.io"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PASSWORDS = ("password", "password_file", "password_env", "password_credential")


def _username(text: str) -> str:
    if not text:
        raise ValueError
    if ":" in text:
        raise ValueError('a username can\'t hold a ":"; the password goes into password_file or the like')
    return str(text)


def _prefix(text: str) -> str:
    if text and not is_local_name(str(text)):
        raise ValueError
    return str(text)


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError
    return str(text)


USERNAME = text_like("a username", "the name alone", _username)
PASSWORD = secret("a password", "it, or better password_file and the like", str)
PREFIX = text_like("a name on the mirror", 'lower-case parts, e.g. lab or team/hub; "" drops the host', _prefix)
VARIABLE = text_like("a variable's name", "the NAME of the environment variable", lambda t: _matching(_VARIABLE, t))
CREDENTIAL = text_like("a credential's name", "the NAME of LoadCredential=NAME:…", lambda t: _matching(_NAME, t))
HELPER = text_like("a helper's name", "what comes after docker-credential-", lambda t: _matching(_NAME, t))
PROXY: Scalar[SecretStr] = secret("a URL", "http://proxy:3128", parse_url)


class RegistryConfig(PlacedSection):
    """One entry of ``registries``."""

    endpoint: Annotated[tuple[Annotated[str, ORIGIN], ...], ONE_OR_MANY] = ()
    """Where to connect instead of https://<host>; a list is tried in order."""
    plain_http: Annotated[bool, BOOLEAN] = False
    """Whether to connect without TLS."""
    tls_verify: Annotated[bool, BOOLEAN] = True
    """Whether the server's certificate is checked."""
    ca_file: FilePath | None = None
    """Certificates of own authorities, PEM."""
    client_cert: FilePath | None = None
    """Certificate to show to the registry, PEM."""
    client_key: FilePath | None = None
    """The key of client_cert, PEM."""
    username: Annotated[str, USERNAME] | None = None
    """Who we are; needs one source of the password."""
    password: Annotated[SecretStr, PASSWORD] | None = None
    """The password itself; the other sources keep it out of this file."""
    password_file: FilePath | None = None
    """File that holds the password."""
    password_env: Annotated[str, VARIABLE] | None = None
    """Environment variable that holds the password."""
    password_credential: Annotated[str, CREDENTIAL] | None = None
    """systemd credential (LoadCredential=) that holds the password."""
    docker_config: FilePath | None = None
    """A Docker config.json with logins."""
    credential_helper: Annotated[str, HELPER] | None = None
    """Program docker-credential-NAME to ask."""
    auth_realms: Annotated[tuple[Annotated[str, HOST], ...], ONE_OR_MANY] = ()
    """Further hosts that may issue tokens."""
    concurrency: Annotated[int, INTEGER.within(1, 256)] = 8
    """Requests under way at once."""
    requests_per_second: Annotated[float | None, FREQUENCY] = None
    """Requests a second."""
    bandwidth: Annotated[int | None, RATE] = None
    """Bytes a second that downloads may take."""
    proxy: Annotated[SecretStr, PROXY] | None = None
    """HTTP proxy; never shown, for it may hold a password."""
    as_: Annotated[str, PREFIX] | None = Field(default=None, alias="as")
    """Prefix on the mirror in place of the host; "" is none."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        given = [name for name in _PASSWORDS if getattr(self, name) is not None]
        others = [name for name in ("docker_config", "credential_helper") if getattr(self, name) is not None]
        if len(given) > 1:
            raise problem_at(given[1], f"one source of the password is enough, and {given[0]} is given too")
        if given and self.username is None:
            raise problem_at(given[0], "a password needs a username; add username:")
        if self.username is not None and not given:
            raise problem_at("username", f"a username needs a password; add one of {', '.join(_PASSWORDS)}")
        if others and (given or len(others) > 1):
            raise problem_at(others[-1], f"one way to log in is enough, and {(given or others)[0]} is given too")
        if (self.client_cert is None) != (self.client_key is None):
            there, missing = ("client_cert", "client_key") if self.client_cert else ("client_key", "client_cert")
            raise problem_at(there, f"a client certificate needs its key, and a key its certificate; add {missing}:")
        if self.plain_http and any(origin.startswith("https:") for origin in self.endpoint):
            raise problem_at("plain_http", "true contradicts the endpoint's https://; remove one of the two")
        return self

    def origins(self, host: str) -> tuple[str, ...]:
        """Where to connect for ``host``, in order: ``https://registry-1.docker.io`` for Docker Hub."""
        if self.endpoint:
            return self.endpoint
        if self.plain_http:
            return (f"http://{host if host != HUB else HUB_ORIGIN.removeprefix('https://')}",)
        return (HUB_ORIGIN,) if host == HUB else (f"https://{host}",)

    def login(self) -> str:
        """How we say who we are, in words and without a secret."""
        if self.docker_config:
            return f"the logins of {self.docker_config}"
        if self.credential_helper:
            return f"the helper docker-credential-{self.credential_helper}"
        source = {
            "password": "the config",
            "password_file": str(self.password_file),
            "password_env": f"the variable {self.password_env}",
            "password_credential": f"the credential {self.password_credential}",
        }
        given = next((name for name in _PASSWORDS if getattr(self, name) is not None), None)
        return f"as {self.username}, password from {source[given]}" if given else "anonymous"

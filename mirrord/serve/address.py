"""The address that the embedded server listens at: a value read from text, and how programs on this host reach it."""

import ipaddress
from typing import Final, Self

from msgspec import Struct

from mirrord.config.addresses import parse_listen
from mirrord.config.sections import Serve
from mirrord.errors import ConfigError

_ANY: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


class Address(Struct, frozen=True):
    """A host (a name or an IP address; "" is every address of this host) and a port (0: any free one)."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``host:port``, ``[::1]:port`` or ``:port``. Raises ConfigError."""
        try:
            return cls(*parse_listen(text))
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this host reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def reachable(self) -> "Address":
        """The same, as a program on this host reaches it."""
        return Address(_ANY.get(self.host, self.host), self.port)


DEFAULT: Final = Address("127.0.0.1", 5050)
"""Where the embedded server listens unless the config or the command says otherwise."""


def require_unguarded(serve: Serve, listen: Address) -> None:
    """Raise ConfigError where the embedded server would let in whom nginx is told to keep out."""
    guards = [name for name in ("htpasswd", "allow") if getattr(serve, name)]
    if guards and not listen.is_loopback:
        said = " and ".join(f"serve.{name}" for name in guards)
        raise ConfigError(
            f"{said} is for nginx (`mirrord nginx`), and this server lets in whoever reaches {listen}; "
            "listen at 127.0.0.1 instead, or take it out of the config"
        )

"""What the contract suite runs against, and nginx with TLS and passwords as one of it."""

from dataclasses import dataclass

from support.nginx import Nginx
from support.readers import Server

SERVERS = ("embedded", "nginx", "guarded")
"""The embedded server; nginx; nginx with TLS, HTTP/2 and passwords. Every case runs against each."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """An nginx that lets in only who has a password."""

    nginx: Nginx
    server: Server
    """It, as a reader with the right password."""

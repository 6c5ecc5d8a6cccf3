"""aiohttp's client, imported without the host's certificates, which it would read into two TLS contexts there and then.

That is 50 ms of each start and 3 MB; `tls` reads them once, and only where something is asked over TLS. aiohttp's own
contexts so trust nobody: who names none of `tls` is refused, never unverified.
"""

import ssl


def _nothing(_context: ssl.SSLContext) -> None:
    """Trust nobody."""


ssl.SSLContext.set_default_verify_paths = _nothing  # type: ignore[assignment] # while the import lasts
try:
    import aiohttp
    from aiohttp import ClientError, ClientPayloadError, ClientResponse
finally:
    del ssl.SSLContext.set_default_verify_paths

__all__ = ["ClientError", "ClientPayloadError", "ClientResponse", "aiohttp"]

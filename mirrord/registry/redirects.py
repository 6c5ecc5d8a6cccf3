"""Where a redirect leads, and whether it may be followed there. Sends nothing."""

import re

from yarl import URL

from mirrord.errors import UpstreamError
from mirrord.registry.ask import Ask
from mirrord.registry.endpoint import Endpoint, has_host, names_inner_address

_IN_URL = re.compile(r"[\x21-\x7e]+")


async def redirect_target(location: str, current: URL, ask: Ask, endpoint: Endpoint) -> URL:
    """The URL of a Location, taken as it is written: a signed one breaks when it is quoted anew.

    Raises UpstreamError for one that must not be followed.
    """
    try:
        url = current.join(URL(location, encoded=True)).with_fragment(None)
        usable = url.scheme in {"http", "https"} and has_host(url) and _IN_URL.fullmatch(location) is not None
    except ValueError:
        usable = False
    if not usable:
        raise UpstreamError(f"{ask}: {endpoint} redirects to what is no http or https URL; expected the content")
    if current.scheme == "https" and url.scheme == "http":
        raise UpstreamError(
            f"{ask}: {endpoint} redirects from https to {url.origin()}, where anybody in between could read it; "
            "its operator corrects that"
        )
    if names_inner_address(url.host or "") and not await endpoint.is_inside():
        raise UpstreamError(
            f"{ask}: {endpoint} redirects to {url.origin()}, which is in a private network and the registry is not; "
            "its operator corrects that"
        )
    return url.with_user(None)

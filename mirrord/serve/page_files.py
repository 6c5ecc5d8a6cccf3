"""The page's files: where each is served, under which headers, and their copies in a root, from where nginx has them.

The embedded server takes them out of the package. nginx may run on a host or in a container that has nothing but the
root, and a package moves with its Python: so whoever writes to a root puts those of its own version there.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from mirrord.errors import HostError
from mirrord.events import get_logger
from mirrord.store import durable
from mirrord.store.layout import Layout
from mirrord.store.public import read_public, write_public
from mirrord.store.store import Store

ROOM: Final = "page"
"""Below ``status/`` of a root."""
TYPES: Final[Mapping[str, str]] = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}
PLACES: Final[Mapping[str, str]] = {"/": "index.html", "/ui/page.css": "page.css", "/ui/page.js": "page.js"}
"""By path, the file that is served there."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_log = get_logger()


@cache
def page_file(name: str) -> bytes:
    """One of the page's files, of this version."""
    return files("mirrord.serve").joinpath("page", name).read_bytes()


def put_page(layout: Layout) -> None:
    """Have this version's page in the root, for nginx; blocks. Raises HostError."""
    for name in TYPES:
        path, content = f"{ROOM}/{name}", page_file(name)
        if _current(layout, path) != content:
            durable.make_directory(layout.status / ROOM)
            write_public(layout, path, content)


async def keep_page(store: Store) -> None:
    """The same for whoever opens a root; a failure is told in the log: the mirror itself needs no page."""
    try:
        await store.run(lambda: put_page(store.layout))
    except HostError as error:
        _log.warning("status.not_saved", owner=str(error.owner), error=str(error))


def _current(layout: Layout, path: str) -> bytes | None:
    """What lies there; None for what can't be read, which is replaced."""
    try:
        return read_public(layout, path)
    except HostError:
        return None

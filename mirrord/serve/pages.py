"""Paging of sorted lists (distribution-spec, "Listing Tags"): pure, from the whole document to the part asked for."""

import json
from bisect import bisect_right
from urllib.parse import quote

from msgspec import Struct

from mirrord.serve.routes import Page


class Paged(Struct, frozen=True):
    """One page, as the body and the ``Link`` to the next one ("" on the last)."""

    document: bytes
    link: str


def cut(whole: bytes, key: str, page: Page, path: str) -> Paged:
    """The page of ``whole``, a JSON document whose sorted list is under ``key`` and which is served at ``path``.

    Only a full page that is not the last has a Link. It is relative to the host: behind a proxy that ends TLS an
    absolute one would name another origin, which clients refuse. ``n=0`` is an empty list without a Link.
    """
    if page == Page():
        return Paged(whole, "")
    document = json.loads(whole)
    listed = document[key]
    begin = bisect_right(listed, page.last) if page.last else 0
    end = len(listed) if page.size is None else min(len(listed), begin + page.size)
    shown = listed[begin:end]
    document[key] = shown
    link = ""
    if shown and end < len(listed):
        link = f'<{path}?n={page.size}&last={quote(shown[-1])}>; rel="next"'
    return Paged(json.dumps(document, separators=(",", ":")).encode(), link)

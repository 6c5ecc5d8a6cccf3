"""From a route to what is to be answered: the one place that looks into the tree. Blocks; called in a worker thread."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.serve.errors import Refusal
from mirrord.serve.files import Opened, open_part, read_document
from mirrord.serve.page_files import HEADERS, TYPES, page_file
from mirrord.serve.pages import cut
from mirrord.serve.ranges import RangeRequest
from mirrord.serve.routes import (
    Blob,
    Catalog,
    DigestManifest,
    PageFile,
    Ping,
    Referrers,
    Route,
    Status,
    TaggedManifest,
    TagList,
)
from mirrord.store.reading import MAX_LIST, MAX_RECORD, file_size, parsing
from mirrord.store.tree import Tree

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
"""JSON documents, one a line."""
INDEX: Final = Kind.OCI_INDEX.media_type
FOREVER: Final = "public, max-age=31536000, immutable"
"""Cache-Control of what a digest names."""
CHECKED: Final = "no-cache"
"""Cache-Control of what a publication can change: to be kept, but asked for each time."""
EMPTY_CATALOG: Final = '{"repositories":[]}'
EMPTY_INDEX: Final = f'{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[]}}'


class Conditions(Struct, frozen=True):
    """What a request says of the copy it has, and of the part it wants."""

    known: str = ""
    """The If-None-Match header."""
    wanted: RangeRequest = field(default_factory=RangeRequest)

    def has(self, digest: Digest) -> bool:
        """Whether the client has that content: its ETag, weak or not, or (old clients) its bare digest, or ``*``."""
        tags = {tag.strip().removeprefix("W/").strip('"') for tag in self.known.split(",")}
        return "*" in tags or str(digest) in tags


class Content(Struct, frozen=True):
    """A file that a digest names is to be sent."""

    headers: Mapping[str, str]
    opened: Opened


class Document(Struct, frozen=True):
    """A small answer, whole."""

    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 200


Answer = Content | Document | Refusal


def look(tree: Tree, route: Route, conditions: Conditions) -> Answer:
    """What ``route`` is answered with. Raises HostError for damage, and OSError where the disk refuses."""
    match route:
        case Ping() | PageFile():
            return _fixed(route)
        case Catalog() | TagList():
            return _list(tree, route)
        case TaggedManifest() | DigestManifest():
            return _manifest(tree, route, conditions)
        case Blob():
            return _blob(tree, route, conditions)
        case Referrers():
            return _referrers(tree, route)
        case Status():
            return _status(tree, route)


def _fixed(route: Ping | PageFile) -> Answer:
    """What is the same on every mirror."""
    if isinstance(route, Ping):
        return Document({"Content-Type": JSON}, b"{}")
    return Document({"Content-Type": TYPES[route.name], **HEADERS}, page_file(route.name))


def _list(tree: Tree, route: Catalog | TagList) -> Answer:
    if isinstance(route, Catalog):
        file, key, path = tree.catalog_file(), "repositories", "/v2/_catalog"
        found = read_document(tree.layout.root, file, MAX_LIST) or EMPTY_CATALOG.encode()
    else:
        file, key, path = tree.tag_list_file(route.repository), "tags", f"/v2/{route.repository}/tags/list"
        listed = read_document(tree.layout.root, file, MAX_LIST)
        if listed is None:
            return Refusal.NAME_UNKNOWN
        found = listed
    with parsing(file):
        paged = cut(found, key, route.page, path)
    headers = {"Content-Type": JSON, "Cache-Control": CHECKED}
    return Document({**headers, "Link": paged.link} if paged.link else headers, paged.document)


def _manifest(tree: Tree, route: TaggedManifest | DigestManifest, conditions: Conditions) -> Answer:
    """The file and its digest come out of one look at the tree, so that header and body can't disagree."""
    if isinstance(route, TaggedManifest):
        held, caching = tree.by_tag(route.repository, route.tag), CHECKED
    else:
        held, caching = tree.by_digest(route.repository, route.digest), FOREVER
    if held is None:
        return Refusal.MANIFEST_UNKNOWN
    headers = _headers(held.kind.media_type, held.digest, caching)
    return _content(tree, held.path, held.digest, headers, conditions) or Refusal.MANIFEST_UNKNOWN


def _blob(tree: Tree, route: Blob, conditions: Conditions) -> Answer:
    path = tree.layout.blob(route.repository, route.digest)
    headers = _headers("application/octet-stream", route.digest, FOREVER)
    return _content(tree, path, route.digest, headers, conditions) or Refusal.BLOB_UNKNOWN


def _referrers(tree: Tree, route: Referrers) -> Answer:
    """A repository answers 200 for every digest or for none: oras remembers the first answer for all of them."""
    found = read_document(tree.layout.root, tree.referrers_file(route.repository, route.digest), MAX_RECORD)
    if found is None:
        if file_size(tree.tag_list_file(route.repository)) is None:
            return Refusal.MANIFEST_UNKNOWN
        found = EMPTY_INDEX.encode()
    return Document({"Content-Type": INDEX, "Cache-Control": CHECKED}, found)


def _status(tree: Tree, route: Status) -> Answer:
    found = read_document(tree.layout.root, tree.layout.status / route.name, MAX_RECORD)
    if found is None:
        return Refusal.NO_PATH
    return Document({"Content-Type": LINES if route.name.endswith("l") else JSON, "Cache-Control": CHECKED}, found)


def _content(
    tree: Tree, path: Path, digest: Digest, headers: Mapping[str, str], conditions: Conditions
) -> Answer | None:
    opened = open_part(tree.layout.root, path, conditions.wanted, headers["ETag"])
    if opened is None:
        return None
    if conditions.has(digest):
        if isinstance(opened, Opened):
            opened.file.close()
        return Document({key: headers[key] for key in headers if key != "Content-Type"}, status=304)
    if isinstance(opened, Opened):
        return Content(headers, opened)
    refusal = Refusal.RANGE
    headers = {"Content-Type": JSON, "Content-Range": f"bytes */{opened.size}"}
    return Document(headers, refusal.document.encode(), refusal.status)


def _headers(media_type: str, digest: Digest, caching: str) -> dict[str, str]:
    return {
        "Content-Type": media_type,
        "Docker-Content-Digest": str(digest),
        "ETag": f'"{digest}"',
        "Cache-Control": caching,
        "Accept-Ranges": "bytes",
    }

"""Lists of tags and of repositories: page after page, from a server that is not trusted to end them."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field
from yarl import URL

from mirrord.errors import InvalidDigestError, UpstreamError
from mirrord.events import get_logger
from mirrord.oci.digest import Digest
from mirrord.oci.reference import Repository, is_path, is_tag
from mirrord.registry.ask import Ask
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.hosts import habits_of

MAX_PAGES = 10_000
MAX_TAGS = 1_000_000
MAX_PAGE_SIZE = 32 << 20
"""Bytes of one page: some registries give all tags at once."""
MAX_PARTS = MAX_TAGS + 1000
"""Values in one page: 32 MiB of ``{},{},…`` would cost a gigabyte of memory when they are read."""
_SHOWN = 3
_SHOWN_LENGTH = 80
_MILLISECONDS = re.compile(r"[0-9]{1,16}")
_IN_URL = re.compile(r"[\x21-\x7e]+")

_log = get_logger()


class Listed(Struct, frozen=True):
    """A repository's tags."""

    tags: tuple[str, ...]
    """Sorted."""
    pushed: Mapping[str, float] = field(default_factory=dict)
    """When each was pushed (seconds since the epoch), where the registry tells."""
    digests: Mapping[str, Digest] = field(default_factory=dict)
    """What each names, where the registry tells; a list that was cut short tells it of some."""


class _Pages:
    """One list as its pages come in."""

    def __init__(self, ask: Callable[[str], Ask], key: str, is_name: Callable[[str], bool], endpoint: Endpoint) -> None:
        self.first = ask(f"n={habits_of(endpoint.host).page}")
        """The question for the first page."""
        self.next: Ask | None = self.first
        """The question for the next page; None once all are read."""
        self.count = 0
        """Pages that were read."""
        self.skips = 0
        """Names outside the grammar: they can't be file names."""
        self.skipped: set[str] = set()
        """A few of them, as they can be shown."""
        self.names: set[str] = set()
        self._ask = ask
        self._key = key
        self._is_name = is_name
        self._here = endpoint.url(self.first.url_path)
        self._tail = f"/{self.first.path or self.first.url_path}"
        self._hosts = {self._here.host, URL(f"https://{endpoint.host}").host}
        self._queries = {self.first.query}

    def take(self, body: bytes) -> None:
        """Take a page. Raises UpstreamError for what is none, or one too many."""
        document = _document(body, self.first, self._key)
        self._add(_names(document, self.first, self._key))
        if len(self.names) > MAX_TAGS:
            raise UpstreamError(f"{self.first}: more than {MAX_TAGS} {self._key}; name those that are wanted")
        self._read_more(document)
        self.count += 1

    def _read_more(self, document: Mapping[str, object]) -> None:
        """What else a page may tell."""

    def following(self, link: str | None) -> Ask | None:
        """The question for the next page, by the link of the last; None at the end.

        Whatever shape a link has (absolute, relative, without ``/v2``), the next page is one of this same list at this
        same registry, so only its query counts. Raises UpstreamError for a link that leads elsewhere or in a circle.
        """
        if link is None:
            return None
        query = self._query(link)
        if query in self._queries:
            raise UpstreamError(f"{self.first}: the pages go in a circle; its operator looks at the Link of {query!r}")
        if len(self._queries) >= MAX_PAGES:
            raise UpstreamError(f"{self.first}: more than {MAX_PAGES} pages; name the {self._key} that are wanted")
        self._queries.add(query)
        return self._ask(query)

    def _add(self, listed: Iterable[object]) -> None:
        for name in listed:
            if isinstance(name, str) and self._is_name(name):
                self.names.add(name)
            else:
                self.skips += 1
                if len(self.skipped) < _SHOWN:
                    self.skipped.add(repr(name[:_SHOWN_LENGTH]) if isinstance(name, str) else type(name).__name__)

    def _query(self, link: str) -> str:
        try:
            url = self._here.join(URL(link, encoded=_IN_URL.fullmatch(link) is not None))
            ours = url.host in self._hosts
        except ValueError:
            raise UpstreamError(f"{self.first}: its next page is at {link[:100]!r}, which is no URL") from None
        if not (ours and url.raw_path.endswith(self._tail)):
            raise UpstreamError(
                f"{self.first}: its next page is at {str(url.with_query(None))[:100]!r}; "
                "expected one of the same list at the same registry"
            )
        return url.raw_query_string


class TagList(_Pages):
    """The tags of one repository."""

    def __init__(self, repository: Repository, endpoint: Endpoint) -> None:
        super().__init__(functools.partial(Ask.tags, repository), "tags", is_tag, endpoint)
        self._pushed: dict[str, float] = {}
        self._digests: dict[str, Digest | None] = {}

    def finished(self) -> Listed:
        """All of them. One line tells of what is no tag."""
        if self.skips:
            name = str(self.first.repository)
            _log.warning("upstream.tags_skipped", repository=name, count=self.skips, examples=sorted(self.skipped))
        digests = {tag: digest for tag, digest in self._digests.items() if digest is not None and tag in self.names}
        return Listed(tuple(sorted(self.names)), self._pushed, digests)

    def _read_more(self, document: Mapping[str, object]) -> None:
        """Google's registries add a map of manifests, with the tags of each and when it was uploaded."""
        manifests = document.get("manifest")
        for text, entry in manifests.items() if isinstance(manifests, dict) else ():
            tags = entry.get("tag") if isinstance(entry, dict) else None
            if not isinstance(tags, list):
                continue
            tags = [tag for tag in tags if isinstance(tag, str)]
            uploaded = str(entry.get("timeUploadedMs"))
            if _MILLISECONDS.fullmatch(uploaded):
                self._pushed |= dict.fromkeys(tags, int(uploaded) / 1000)
            self._note(text, tags)

    def _note(self, text: str, tags: Iterable[str]) -> None:
        """Take what tags name; a tag that is said to name two manifests is one of which nothing was said."""
        try:
            digest = Digest.parse(text)
        except InvalidDigestError:
            return
        for tag in tags:
            if self._digests.setdefault(tag, digest) != digest:
                self._digests[tag] = None


class Catalog(_Pages):
    """The repositories of one registry."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(functools.partial(Ask.catalog, endpoint.host), "repositories", is_path, endpoint)

    def finished(self) -> tuple[str, ...]:
        """Their paths, sorted. One line tells of what can be none."""
        if self.skips:
            host = self.first.repository.host
            _log.warning("upstream.repositories_skipped", host=host, count=self.skips, examples=sorted(self.skipped))
        return tuple(sorted(self.names))


def _document(body: bytes, ask: Ask, key: str) -> Mapping[str, object]:
    if sum(map(body.count, (b"{", b"[", b","))) > MAX_PARTS:
        raise UpstreamError(f"{ask}: one page has more than {MAX_PARTS} values; name the {key} that are wanted")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return document if isinstance(document, dict) else {key: ()}


def _names(document: Mapping[str, object], ask: Ask, key: str) -> list[object]:
    listed = document.get(key)
    if listed is None:  # how some say that there are none
        return []
    if not isinstance(listed, list):
        noun = "tag list" if key == "tags" else "catalog"
        raise UpstreamError(f"{ask}: {ask.repository.host} sent what is no {noun}; expected JSON with {key}")
    return listed

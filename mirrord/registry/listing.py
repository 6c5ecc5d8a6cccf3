"""A repository's tag list: page after page, from a server that is not trusted to end it."""

import json
import re
from collections.abc import Iterable

import structlog
from yarl import URL

from mirrord.errors import UpstreamError
from mirrord.oci.reference import Repository, is_tag
from mirrord.registry.ask import Ask
from mirrord.registry.endpoint import Endpoint

PAGE = 1000
"""Tags asked for at once: ECR refuses more."""
MAX_PAGES = 10_000
MAX_TAGS = 1_000_000
MAX_PAGE_SIZE = 32 << 20
"""Bytes of one page: some registries give all tags at once."""
MAX_PARTS = MAX_TAGS + 1000
"""Values in one page: 32 MiB of ``{},{},…`` would cost a gigabyte of memory when they are read."""
_SHOWN = 3
_SHOWN_LENGTH = 80
_IN_URL = re.compile(r"[\x21-\x7e]+")

_log = structlog.get_logger()


class TagList:
    """The tags of one repository as its pages come in."""

    def __init__(self, repository: Repository, endpoint: Endpoint) -> None:
        self._repository = repository
        self._here = endpoint.url(f"{repository.path}/tags/list")
        self._hosts = {self._here.host, URL(f"https://{endpoint.host}").host}
        self._tags: set[str] = set()
        self._skipped: set[str] = set()
        self._skips = 0
        self._queries = {f"n={PAGE}"}

    @property
    def first(self) -> Ask:
        """The question for the first page."""
        return Ask.tags(self._repository, f"n={PAGE}")

    def take(self, body: bytes) -> None:
        """Take a page. Raises UpstreamError for what is none, or one too many."""
        self._add(_tags(body, self.first))
        if len(self._tags) > MAX_TAGS:
            raise UpstreamError(f"{self.first}: more than {MAX_TAGS} tags; name the tags that are wanted")

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
            raise UpstreamError(f"{self.first}: more than {MAX_PAGES} pages; name the tags that are wanted")
        self._queries.add(query)
        return Ask.tags(self._repository, query)

    def finished(self) -> tuple[str, ...]:
        """The tags, sorted. Those outside the grammar can't be file names: one line tells of all of them."""
        if self._skips:
            examples = sorted(self._skipped)
            _log.warning(
                "upstream.tags_skipped", repository=str(self._repository), count=self._skips, examples=examples
            )
        return tuple(sorted(self._tags))

    def _add(self, listed: Iterable[object]) -> None:
        for tag in listed:
            if isinstance(tag, str) and is_tag(tag):
                self._tags.add(tag)
            else:
                self._skips += 1
                if len(self._skipped) < _SHOWN:
                    self._skipped.add(repr(tag[:_SHOWN_LENGTH]) if isinstance(tag, str) else type(tag).__name__)

    def _query(self, link: str) -> str:
        try:
            url = self._here.join(URL(link, encoded=_IN_URL.fullmatch(link) is not None))
            ours = url.host in self._hosts
        except ValueError:
            raise UpstreamError(f"{self.first}: its next page is at {link[:100]!r}, which is no URL") from None
        if not (ours and url.raw_path.endswith("/tags/list")):
            raise UpstreamError(
                f"{self.first}: its next page is at {str(url.with_query(None))[:100]!r}; "
                "expected one of the same list at the same registry"
            )
        return url.raw_query_string


def _tags(body: bytes, ask: Ask) -> list[object]:
    if sum(map(body.count, (b"{", b"[", b","))) > MAX_PARTS:
        raise UpstreamError(f"{ask}: one page has more than {MAX_PARTS} values; name the tags that are wanted")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    listed = document.get("tags") if isinstance(document, dict) else ()
    if listed is None:  # how some say that there are none
        return []
    if not isinstance(listed, list):
        raise UpstreamError(f"{ask}: {ask.repository.host} sent what is no tag list; expected JSON with tags")
    return listed

"""Tag lists, the catalog and referrers, from both servers."""

import pytest
from support.readers import Answer, Server
from support.world import World

from mirrord.oci.digest import Digest

INDEX = "application/vnd.oci.image.index.v1+json"
MANY = sorted(f"v{number}" for number in range(12))


def walk(server: Server, first: str, key: str) -> list[str]:
    """All entries of a list that is read page by page, as clients read it: by the Link alone."""
    entries: list[str] = []
    target = first
    while target:
        answer = server.ask(target)
        assert answer.status == 200
        entries += answer.json()[key]
        target = next_of(answer)
    return entries


def next_of(answer: Answer) -> str:
    """The target of the Link header, "" on the last page."""
    link = answer.headers.get("link", "")
    assert not link or (link.startswith("</v2/") and link.endswith('>; rel="next"'))
    return link.removeprefix("<").partition(">")[0]


def test_a_tag_list_is_whole_and_sorted(server: Server) -> None:
    """Without a question there is one page: helm needs all versions to choose from."""
    answer = server.ask("/v2/many/tags/list")
    assert answer.status == 200
    assert answer.json() == {"name": "many", "tags": MANY}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache"
    assert not {"link", "etag", "last-modified"} & answer.headers.keys()


def test_a_list_is_not_compared_by_date(server: Server) -> None:
    """Two snapshots' lists may share size and time: there is no validator."""
    answer = server.ask("/v2/many/tags/list", headers={"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})
    assert answer.status == 200


def test_a_list_comes_whole(server: Server, world: World) -> None:
    """No reader sees two snapshots in one document: a list can't be resumed with the rest of another."""
    for path in ("many/tags/list", "_catalog", f"nginx/referrers/{world.image.digest}"):
        answer = server.ask(f"/v2/{path}", headers={"Range": "bytes=3-"})
        assert answer.status == 200
        assert "accept-ranges" not in answer.headers


@pytest.mark.parametrize("size", [1, 5, 11, 12, 13, 1000])
def test_pages_make_up_the_list(server: Server, size: int) -> None:
    """Whatever the size, following the Links gives each tag once, in order."""
    assert walk(server, f"/v2/many/tags/list?n={size}", "tags") == MANY


def test_the_last_page_has_no_link(server: Server) -> None:
    """A Link on the last page would make some clients ask for ever."""
    assert next_of(server.ask("/v2/many/tags/list?n=12")) == ""
    assert next_of(server.ask("/v2/many/tags/list?n=5&last=v3")) != ""
    assert next_of(server.ask("/v2/many/tags/list?n=5&last=v4")) == ""


def test_no_entry_was_asked_for_and_none_comes(server: Server) -> None:
    """``n=0`` is an empty list, and no Link (distribution-spec, "Listing Tags")."""
    answer = server.ask("/v2/many/tags/list?n=0")
    assert (answer.status, answer.json()) == (200, {"name": "many", "tags": []})
    assert "link" not in answer.headers


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        *(("v10", MANY[3:]), ("v100", MANY[3:]), ("v9", []), ("zzz", []), ("", MANY), ("v%31", MANY[2:])),
        *(("%00", MANY), ("..%2F..", MANY), ("v" * 200, []), ("~", [])),
    ],
)
def test_last_begins_after_it(server: Server, last: str, expected: list[str]) -> None:
    """``last`` needs not be a tag that is there."""
    assert server.ask(f"/v2/many/tags/list?last={last}").json()["tags"] == expected


def test_a_page_may_begin_anywhere(server: Server) -> None:
    """``n`` and ``last`` together, and a ``last`` that is no tag: the entries that come after it, so many of them."""
    answer = server.ask("/v2/many/tags/list?n=2&last=v100")
    assert answer.json()["tags"] == MANY[3:5]
    assert next_of(answer) == f"/v2/many/tags/list?n=2&last={MANY[4]}"
    assert server.ask("/v2/many/tags/list?last=zzz&n=0").json()["tags"] == []


@pytest.mark.parametrize("query", ["n=abc", "n=-1", "n=", "foo=bar", "n=1e3"])
def test_an_unreadable_size_is_no_size(server: Server, query: str) -> None:
    """Unknown questions are ignored, not refused."""
    assert server.ask(f"/v2/many/tags/list?{query}").json()["tags"] == MANY


@pytest.mark.parametrize("target", ["absent/tags/list", "absent/tags/list?n=1", "nginx/tags/list?ns=nohost&n=1"])
def test_an_unknown_repository_has_no_tags(server: Server, target: str) -> None:
    """The one place where NAME_UNKNOWN is right."""
    answer = server.ask(f"/v2/{target}")
    assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")


def test_pages_follow_an_alias(server: Server) -> None:
    """The Link holds the name under which the repository is found without ``ns``."""
    assert walk(server, "/v2/x/y/tags/list?ns=quay.io&n=1", "tags") == ["1"]
    found = walk(server, "/v2/library/nginx/tags/list?ns=docker.io&n=2", "tags")
    assert found == server.ask("/v2/nginx/tags/list").json()["tags"]


def test_the_catalog_names_every_repository(server: Server, world: World) -> None:
    """All local names, sorted; in pages as well."""
    answer = server.ask("/v2/_catalog")
    served = sorted(world.tree.tree().repositories())
    assert (answer.status, answer.json()) == (200, {"repositories": served})
    assert {"nginx", "quay.io/x/y", "lab.test_5000/app"} <= set(served)
    assert answer.headers["cache-control"] == "no-cache"
    assert walk(server, "/v2/_catalog?n=1", "repositories") == served
    assert server.ask("/v2/_catalog?n=0").json() == {"repositories": []}


def test_referrers_of_an_image_are_listed(server: Server, world: World) -> None:
    """The type is exact (clients compare it), the list unfiltered and not said to be filtered."""
    answer = server.ask(f"/v2/nginx/referrers/{world.image.digest}?artifactType=application/vnd.test.other")
    assert (answer.status, answer.headers["content-type"]) == (200, INDEX)
    (listed,) = answer.json()["manifests"]
    assert listed["digest"] == str(world.referrer.digest)
    assert listed["artifactType"] == "application/vnd.test.statement"
    assert "oci-filters-applied" not in answer.headers


@pytest.mark.parametrize("query", ["", "?artifactType=a/b&artifactType=c/d", "?ns=docker.io", "?n=1"])
def test_referrers_are_the_same_whatever_is_asked(server: Server, world: World, query: str) -> None:
    """Never filtered, paged or changed: a client that wants some of them takes them out of all."""
    answer = server.ask(f"/v2/nginx/referrers/{world.image.digest}{query}")
    assert [each["digest"] for each in answer.json()["manifests"]] == [str(world.referrer.digest)]
    assert not {"oci-filters-applied", "link"} & answer.headers.keys()
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_nothing_refers_to_a_digest(server: Server, algorithm: str) -> None:
    """A repository that is here answers 200 for every digest: oras believes the first answer for all of them."""
    digest = Digest.of(b"x", "sha256" if algorithm == "sha256" else "sha512")
    answer = server.ask(f"/v2/nginx/referrers/{digest}")
    assert (answer.status, answer.headers["content-type"]) == (200, INDEX)
    assert answer.json() == {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}


def test_referrers_in_an_unknown_repository_are_manifest_unknown(server: Server, world: World) -> None:
    """Never NAME_UNKNOWN: oras stops on it, and on anything else tries the fallback tag."""
    answer = server.ask(f"/v2/absent/referrers/{world.image.digest}")
    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")

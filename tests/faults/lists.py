"""Scenarios of tag lists: links of every shape, lists that end, grow or shrink, and names that mean harm."""

import json

from support.scenario import NEW, OLD, On, Scenario
from support.scripted import answer, chunked, page

LIST = "GET /v2/app/tags/list"
ALL = '{{name: "{host}/app", tags: "v*", referrers: false}}'
KEPT = {"v1": "old"}
JSON = {"Content-Type": "application/json"}
HOSTILE: tuple[object, ...] = (
    "../../../../tmp/x",
    "..",
    ".",
    "",
    "/etc/passwd",
    "v/../b",
    "v\0x",
    "v" * 129,
    "v" * 100_000,
    "-rf",
    ".v",
    "v b",
    "v\nb",
    "v\x1b[31m",
    "v\u202e",
    "v1\u0000",
    "\u212aelvin",
    None,
    7,
    {},
    [["deep"]],
)


def tags(*names: object) -> bytes:
    """A page of a list."""
    return json.dumps({"name": "app", "tags": names}).encode()


def linked(shape: str) -> Scenario:
    """A first page whose link has this shape; the second page has the other tag."""
    return Scenario(
        name=f"Link: {shape}",
        plays=(
            On(LIST, then=answer(200, tags("v1"), {"Link": shape})),
            On(rf"{LIST}\?last=v1$", then=answer(200, tags("v2"))),
        ),
        image=ALL,
        held=("v1",),
        has={"v2": NEW},
        served={"v1": "old", "v2": "new"},
        asked={LIST: 2},
    )


def useless(name: str, body: bytes, *says: str) -> Scenario:
    """What is no list is never taken for an empty one."""
    return Scenario(
        name=f"list: {name}",
        plays=(On(LIST, then=answer(200, body, JSON)),),
        image=ALL,
        held=("v1",),
        has={},
        status=1,
        owner="upstream",
        says=says or ("sent what is no tag list; expected JSON with tags",),
        served=KEPT,
    )


def empty(name: str, body: bytes) -> Scenario:
    """A list that shrinks to nothing while tags are held."""
    return useless(name, body, "its tag list is empty, though 1 of its tags are held; they are kept")


def circle(*queries: str) -> Scenario:
    """Pages whose links lead back."""
    plays = [On(LIST, then=answer(200, tags("v1"), {"Link": f'<?{queries[0]}>; rel="next"'}))]
    for place, query in enumerate(queries):
        following = queries[(place + 1) % len(queries)]
        plays.append(On(rf"{query}$", then=answer(200, tags(f"v{place}"), {"Link": f'<?{following}>; rel="next"'})))
    return Scenario(
        name=f"Link: a loop of {len(queries)}",
        plays=tuple(plays),
        image=ALL,
        held=("v1",),
        has={},
        status=1,
        owner="upstream",
        says=("the pages go in a circle",),
        served=KEPT,
        asked={LIST: len(queries) + 1},
    )


def astray(target: str) -> Scenario:
    """A link that leads to something else."""
    return Scenario(
        name=f"Link: astray to {target}",
        plays=(On(LIST, then=answer(200, tags("v1"), {"Link": f'<{target}>; rel="next"'})),),
        image=ALL,
        held=("v1",),
        has={},
        status=1,
        owner="upstream",
        says=("its next page is at",),
        served=KEPT,
        asked={LIST: 1},
    )


SCENARIOS = (
    linked('<https://registry.test/v2/app/tags/list?last=v1>; rel="next"'),
    linked('<//registry.test:443/v2/app/tags/list?last=v1>; rel="next"'),
    linked('</v2/app/tags/list?last=v1>; rel="next"'),
    linked('</app/tags/list?last=v1>; rel="next"'),
    linked('<tags/list?last=v1>; rel="next"'),
    linked('<list?last=v1>; rel="next"'),
    linked("<?last=v1>; rel=next"),
    linked('<?last=v1>;REL="next"'),
    linked('<?last=v0>; rel="prev", <?last=v1>; title="x"; rel="last next"'),
    circle("last=v1"),
    circle("last=v2", "last=v3", "last=v4"),
    astray("https://evil.test/v2/app/tags/list?last=v1"),
    astray("/v2/other/manifests/1?last=v1"),
    astray("http://[bad?x"),
    Scenario(
        name="Link: a page of none in the middle",
        plays=(
            On(LIST, then=answer(200, tags("v1"), {"Link": '<?last=x>; rel="next"'})),
            On("last=x", then=answer(200, b'{"tags": null}', {"Link": '<?last=y>; rel="next"'})),
            On("last=y", then=answer(200, tags("v2"))),
        ),
        image=ALL,
        held=("v1",),
        has={"v2": NEW},
        served={"v1": "old", "v2": "new"},
    ),
    empty("shrinks to nothing", tags()),
    empty("shrinks to null", b'{"name": "app", "tags": null}'),
    empty("shrinks to a document without tags", b"{}"),
    empty("shrinks to hostile names alone", tags("../x", None)),
    Scenario(
        name="list: empty from the start",
        plays=(On(LIST, then=answer(200, tags())),),
        image=ALL,
        held=(),
        has={},
        status=1,
        owner="config",
        says=("none of its 0 tags fits",),
        served={},
    ),
    Scenario(
        name="list: shrinks to one",
        plays=(On(LIST, then=answer(200, tags("v2"))),),
        image=ALL,
        held=("v1", "v2", "v3"),
        has={},
        says=("kept", "2 kept"),
        served={"v1": "old", "v2": "old", "v3": "old"},
    ),
    Scenario(
        name="list: tags with hostile names",
        plays=(On(LIST, then=answer(200, tags("v1", *HOSTILE, "v2"))),),
        image='{{name: "{host}/app", tags: "*", referrers: false}}',
        held=("v1",),
        has={"v2": NEW},
        says=("upstream.tags_skipped", f'"count": {len(HOSTILE)}'),
        served={"v1": "old", "v2": "new"},
        never=("\x1b", "\u202e", "\0"),
    ),
    Scenario(
        name="list: chunked, without a length",
        plays=(On(LIST, then=chunked(tags("v1", "v2"), size=3)),),
        image=ALL,
        held=("v1",),
        has={"v2": NEW},
        served={"v1": "old", "v2": "new"},
    ),
    Scenario(
        name="list: 10,000 tags",
        image='{{name: "{host}/app", tags: {{semver: ">=1", newest: 2}}, referrers: false}}',
        held=("v9999",),
        has={**{f"v{number}": OLD for number in range(1, 10_000)}, "v10000": NEW},
        served={"v9999": "old", "v10000": "new"},
        asked={LIST: 10, "manifests": 3},
    ),
    useless("a list", b"[1]"),
    useless("tags of another shape", b'{"tags": {}}'),
    useless("a bomb of depth", b'{"tags": ' + b"[" * 90_000),
    useless("a bomb of size", b'{"tags": [' + b"{}," * 2_000_000 + b'"v1"]}', "one page has more than"),
    useless("cut short", tags("v1", "v2")[:-3]),
    Scenario(
        name="list: a page for people",
        plays=(On(LIST, then=page()),),
        image=ALL,
        held=("v1",),
        has={},
        status=1,
        owner="upstream",
        says=("answered with a web page",),
        served=KEPT,
    ),
    Scenario(
        name="list: the repository is gone",
        plays=(On(LIST, then=answer(404)),),
        image=ALL,
        held=("v1",),
        has={},
        status=1,
        owner="upstream",
        says=("has no tag list, or no such repository; check the name",),
        served=KEPT,
    ),
)

"""`mirrord check --online`: what would be selected upstream now, and why each tag is or is not."""

import pytest
from support.mirror import HOST, Mirror
from support.scripted import Scripted, answer

from mirrord.demo.images import image, signature, signature_tag

TAGS = ("v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0-rc1", "v1.2.0-alpine", "v2.0.0", "v1.1.1", "latest")


@pytest.fixture
def pushed(upstream: Scripted) -> Scripted:
    """An upstream with a list that has something of everything."""
    for tag in TAGS:
        upstream.push("app", image("x"), tag)
    upstream.push("app", signature(image("x")), signature_tag(image("x").digest))
    return upstream


OTHERS = (
    "  not selected: 1 not among the newest, 1 excluded, 1 pre-releases, 1 variants, 1 not in the range, "
    "1 signatures and the like, which come with their image"
)
RULE = '{{name: "{host}/app", tags: [{{semver: "^1", newest: 2, exclude: "*.1.1"}}, latest]}}'


async def test_it_says_what_is_selected_and_folds_the_rest(mirror: Mirror, pushed: Scripted) -> None:
    """A line for each selected tag with its rule, and one that counts the others; nothing is fetched or written."""
    mirror.configure(RULE)
    done = await mirror.command("check", "--online")
    assert done.status == 0, done.err
    assert done.out.replace(str(mirror.place), "DIR").splitlines() == [
        f"{HOST}/app, from {HOST}/app (DIR/mirrord.yaml:6)",
        "  latest  selected: named",
        "  v1.1.0  selected: versions ^1, the 2 newest by version, except *.1.1",
        "  v1.2.0  selected: versions ^1, the 2 newest by version, except *.1.1",
        OTHERS,
        "",
        "3 images of 1 repository selected",
    ]
    assert [asked.path for asked in pushed.requests] == ["/v2/app/tags/list"]
    assert not mirror.root.exists()


@pytest.mark.usefixtures("pushed")
async def test_verbose_gives_every_tag_its_reason(mirror: Mirror) -> None:
    """With -v no tag is folded."""
    mirror.configure(RULE)
    lines = (await mirror.command("check", "--online", "-v")).out.splitlines()
    for tag, reason in {
        "v1.0.0": "not among the 2 newest by version",
        "v1.1.1": "excluded by *.1.1",
        "v1.3.0-rc1": "pre-release rc1; prerelease: true would let it in",
        "v1.2.0-alpine": "variant -alpine; suffix: would name it",
        "v2.0.0": "not in ^1",
    }.items():
        assert any(line.split(maxsplit=1) == [tag, reason] for line in lines), tag


@pytest.mark.usefixtures("pushed")
async def test_json_has_it_for_programs(mirror: Mirror) -> None:
    """One document: per repository what is selected, per tag whether and why."""
    mirror.configure(RULE)
    document = (await mirror.command("check", "--online", "--json")).document
    assert document["schema"] == "mirrord.check/1"
    (found,) = document["images"]
    assert found["name"] == f"{HOST}/app"
    assert found["selected"] == ["latest", "v1.1.0", "v1.2.0"]
    assert {tag["tag"] for tag in found["tags"]} == set(TAGS)
    assert [tag["tag"] for tag in found["tags"] if tag["selected"]] == found["selected"]
    assert found["problems"] == []
    assert document["failed"] == []


async def test_many_selected_tags_are_folded_too(mirror: Mirror, upstream: Scripted) -> None:
    """Twenty are shown, and how many more there are; -v shows all."""
    for number in range(50):
        upstream.push("app", image("x"), f"1.{number}")
    mirror.configure('{{name: "{host}/app", tags: "*"}}')
    out = (await mirror.command("check", "--online")).out
    assert "  … and 30 more selected (-v shows all)" in out
    assert out.count("selected: tags like *") == 20
    assert (await mirror.command("check", "--online", "-v")).out.count("selected: tags like *") == 50


async def test_what_can_not_be_had_is_a_problem(mirror: Mirror, pushed: Scripted) -> None:
    """A tag that is not there, a pin that moved, a rule that fits nothing, a list that fails: exit status 1."""
    other = pushed.push("other", image("y"), "1")
    pushed.push("third", image("z"), "1")
    pushed.when("third/tags/list", then=answer(500))
    mirror.configure(
        "{host}/app:gone",
        f'"{{host}}/app:v1.0.0@{other}"',
        '{{name: "{host}/other", tags: {{semver: ">=9"}}}}',
        '{{name: "{host}/third", tags: "*"}}',
        f'"{{host}}/other@{other}"',
        '{{name: "{host}/app/none", tags: {{newest: 1, by: pushed}}}}',
    )
    pushed.push("app/none", image("n"), "1")
    done = await mirror.command("check", "--online")
    assert done.status == 1
    assert f"upstream: {HOST}/app: manifest gone: " in done.out
    assert f"upstream: {HOST}/app:v1.0.0 is pinned to {other}" in done.out
    assert f"config: {mirror.config}:8: none of the 1 tags of {HOST}/other fits" in done.out
    assert f"upstream: {HOST}/third: the tag list: " in done.out
    assert f"  {other}  by digest" in done.out
    assert f"config: {mirror.config}:11: by: pushed: the registry does not tell when 1 was pushed" in done.out
    assert done.out.endswith("1 image of 4 repositories selected, 5 problems\n")


async def test_a_catalogs_repositories_are_explained(mirror: Mirror, pushed: Scripted) -> None:
    """`name: host/prefix/*` is shown as the repositories that it comes to; a catalog that fails is a problem."""
    pushed.push("team/a", image("a"), "1.0")
    mirror.configure('{{name: "{host}/team/*", tags: {{newest: 1}}}}', '"{host}/none/*"')
    done = await mirror.command("check", "--online", "--json")
    assert done.status == 1
    assert [(each["name"], each["selected"]) for each in done.document["images"]] == [(f"{HOST}/team/a", ["1.0"])]
    (failed,) = done.document["failed"]
    assert failed["error"].endswith("none of the registry's 2 repositories is there")


async def test_an_upstreams_names_can_not_move_the_cursor(mirror: Mirror, upstream: Scripted) -> None:
    """A list is untrusted: what is no tag is not shown."""
    upstream.when("tags/list", then=answer(200, b'{"tags": ["\\u001b[2J", "ok"]}'))
    mirror.configure('{{name: "{host}/app", tags: "*"}}')
    done = await mirror.command("check", "--online", "-v")
    assert "\x1b" not in done.out
    assert "ok  selected: tags like *" in done.out

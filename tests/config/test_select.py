"""Which tags rules select, and which rules need the repository's list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.config.rules import TagRule
from mirrord.config.select import needs_list, select
from mirrord.errors import ConfigError
from mirrord.oci.reference import is_follower, is_tag

LIST = ("3.8", "3.9", "3.10", "3.10-rc1", "3.11", "edge", "latest", f"sha256-{'a' * 64}.sig", f"sha512-{'b' * 64}")


def rules(*written: object) -> tuple[TagRule, ...]:
    """Rules as a config would have them."""
    return tuple(TagRule.model_validate(rule) for rule in written)


@pytest.mark.parametrize(
    ("written", "selected"),
    [
        (["3.9"], ["3.9"]),
        (["3.1*"], ["3.10", "3.10-rc1", "3.11"]),
        (["3.1?"], ["3.10", "3.11"]),
        (["3.[89]"], ["3.8", "3.9"]),
        (["3.[!89]*"], ["3.10", "3.10-rc1", "3.11"]),
        (["*"], ["3.10", "3.10-rc1", "3.11", "3.8", "3.9", "edge", "latest"]),
        (["3.9", "e*"], ["3.9", "edge"]),
        (["gone"], ["gone"]),
        (["none*"], []),
        ([{"exclude": ["3*"]}], ["edge", "latest"]),
        ([{"glob": "3.1*", "exclude": "*-rc*"}], ["3.10", "3.11"]),
        ([{"glob": ["3.9", "3.1*"], "exclude": ["3.11", "*-rc*"]}], ["3.10", "3.9"]),
        ([{"glob": "3.9", "exclude": "3.*"}], []),
        ([{"glob": "3.1*", "exclude": "*-rc*"}, "3.10-rc1"], ["3.10", "3.10-rc1", "3.11"]),
        ([], []),
    ],
)
def test_rules_select_the_tags_that_one_of_them_fits(written: list[object], selected: list[str]) -> None:
    """Tags, globs and exclusions; any rule will do; signatures follow their image and are never selected."""
    assert select(rules(*written), LIST).tags == tuple(selected)


def test_a_glob_fits_whole_tags_and_their_case() -> None:
    """A glob is no search: it fits the whole tag, as it is written."""
    assert select(rules("v1*"), ["v1", "xv1", "V1", "v1\n"]).tags == ("v1",)


def test_names_in_the_list_that_are_no_tags_are_given_back() -> None:
    """What could become another file's name is never selected, and can be warned of."""
    found = select(rules("*"), ["ok", "../x", "", "a/b", "-x", "a" * 129])
    assert found.tags == ("ok",)
    assert found.refused == ("../x", "", "a/b", "-x", "a" * 129)


def test_rules_that_select_nothing_are_given_back() -> None:
    """A glob that fits nothing is probably a slip: it can be told."""
    found = select(rules("3.9", "4*"), LIST)
    assert [str(rule) for rule in found.idle] == ["tags like 4*"]


@pytest.mark.parametrize(
    ("written", "needed"),
    [(["3.9", "edge"], False), (["3.*"], True), ([{"exclude": "x"}], True), ([{"glob": "3.9", "exclude": "x"}], True)],
)
def test_only_literal_tags_need_no_list(written: list[object], needed: bool) -> None:  # noqa: FBT001 - a table's column
    """One request a tag is enough where the config names every tag."""
    assert needs_list(rules(*written)) is needed


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ({"semver": ">=2", "newest": 5}, "semver, newest"),
        ({"regex": "x"}, "regex"),
        ({"suffix": "-alpine"}, "suffix"),
        ({"newest": 1, "by": "pushed"}, "newest, by"),
        ({"glob": "1*", "prerelease": "true"}, "prerelease"),
    ],
)
def test_a_rule_that_is_not_built_yet_selects_nothing_in_silence(written: dict[str, str], names: str) -> None:
    """Such a rule is an error of its image, in words, and asks the upstream for no list."""
    assert not needs_list(rules(written))
    with pytest.raises(ConfigError, match=f"^tags: rules by {names} are not built yet; write tags or globs"):
        select(rules(written), LIST)


@given(st.lists(st.text(max_size=12)), st.lists(st.text(alphabet="ab1.*?-", min_size=1, max_size=6), max_size=4))
def test_what_is_selected_is_always_a_tag(tags: list[str], globs: list[str]) -> None:
    """Whatever an upstream lists, a selected name fits the grammar and is no signature's."""
    read = []
    for glob in globs:
        try:
            read.append(TagRule.model_validate(glob))
        except ValueError:
            continue
    found = select(tuple(read), tags)
    assert all(is_tag(tag) and not is_follower(tag) for tag in found.tags)
    assert list(found.tags) == sorted(set(found.tags))


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("3.9", "tag 3.9"),
        ("3.*", "tags like 3.*"),
        ({"glob": ["3.9", "4.*"]}, "tag 3.9 or tags like 4.*"),
        ({"exclude": ["*-rc*", "edge"]}, "all tags, except *-rc*, edge"),
        ({"semver": ">=2 <4", "newest": "5"}, "versions >=2 <4, the 5 newest by version"),
        ({"regex": "3.+", "newest": 2, "by": "pushed"}, "tags matching /3.+/, the 2 newest by time of push"),
        (
            {"semver": ">=20", "suffix": "-alpine", "prerelease": "true"},
            "versions >=20 with suffix -alpine, pre-releases too",
        ),
    ],
)
def test_a_rule_says_itself_in_words(written: object, words: str) -> None:
    """What `mirrord check` and an error print of a rule."""
    assert str(TagRule.model_validate(written)) == words


@pytest.mark.parametrize("written", ["", ".x", "a b", "a/b", "x" * 129, "[a", "[]", "a:b", ">=1", "*" * 300])
def test_what_is_neither_tag_nor_glob_is_refused(written: str) -> None:
    """Globs are made of what tags are made of."""
    with pytest.raises(ValueError, match="not a tag"):
        TagRule.model_validate(written)


@pytest.mark.parametrize(
    "text", [">=2.50 <4", ">= 2.50, < 4", "^1.2", "~1.2.3", "1.2 || 2", "!=3.1", "v1.2.3.4", "=1-rc1"]
)
def test_ranges_of_versions_are_read(text: str) -> None:
    """Every way of writing a range that is documented."""
    assert TagRule.model_validate({"semver": text}).semver == text


@pytest.mark.parametrize("text", ["", "latest", ">=", "1.2 ||", "1..2", ">>1", "1.2.3.4.5", "1 - 2"])
def test_what_is_no_range_of_versions_is_refused(text: str) -> None:
    """A range that means nothing is told before a run."""
    with pytest.raises(ValueError, match="range of versions"):
        TagRule.model_validate({"semver": text})

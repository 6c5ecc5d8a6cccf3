"""Which tags rules select, and which rules need the repository's list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.versions import SELECTIONS

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
    ("tags", "rule", "selected"), SELECTIONS, ids=[f"{tags[-2]}-{rule}" for tags, rule, _ in SELECTIONS]
)
def test_a_rule_selects_what_a_person_would_of_a_real_list(
    tags: tuple[str, ...], rule: dict[str, object], selected: str
) -> None:
    """Ranges, variants, pre-releases, newest and exclude, on lists as upstreams have them, whatever their order."""
    wanted = tuple(sorted(selected.split()))
    assert select(rules(rule), tags).tags == wanted
    assert select(rules(rule), tags[::-1]).tags == wanted


def test_equal_versions_have_an_order() -> None:
    """Of 1.2, v1.2, 1.2.0 and v1.2.0 the newest are always the same ones: more numbers, then without v."""
    tags = ["v1.2", "1.2.0", "1.2", "v1.2.0"]
    assert select(rules({"newest": "2"}), tags).tags == ("1.2.0", "v1.2.0")
    assert select(rules({"newest": "1"}), tags).tags == ("1.2.0",)
    assert select(rules({"newest": "2"}), tags).outranked == ("1.2", "v1.2")


def test_several_rules_are_each_applied_by_itself() -> None:
    """What one rule outranks or refuses may be another's; what all outrank is given back, newest first."""
    found = select(rules({"regex": r"3\.\d+", "newest": "1"}, "edge", {"semver": "3.8"}), LIST)
    assert found.tags == ("3.11", "3.8", "edge")
    assert found.outranked == ("3.10", "3.9")


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ("v1.2.3", "versions >=1.1 <3, the 2 newest by version, except *-bad*, v1.2.2"),
        ("v1.2.0", "not among the 2 newest by version"),
        ("v1.2.2", "excluded by v1.2.2"),
        ("v1.2.4-rc1", "pre-release rc1; prerelease: true would let it in"),
        ("v1.2.3-alpine", "variant -alpine; suffix: would name it"),
        ("v3.0.0", "not in >=1.1 <3"),
        ("latest", "no version"),
        ("nightly", "named"),
    ],
)
def test_each_tag_has_its_reason(tag: str, reason: str) -> None:
    """Why a tag is or is not selected, in words, by the rule that it comes nearest to."""
    offered = ("v1.2.3", "v1.2.1", "v1.2.0", "v1.2.2", "v1.2.4-rc1", "v1.2.3-alpine", "v3.0.0", "latest", "nightly")
    rule = {"semver": ">=1.1 <3", "newest": "2", "exclude": ["*-bad*", "v1.2.2"]}
    verdict = select(rules(rule, "nightly"), offered).verdicts[tag]
    assert verdict.reason == reason
    assert verdict.is_selected is (tag in {"v1.2.3", "nightly"})


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"glob": "2*"}, "not 2*"),
        ({"regex": "2.+"}, "does not match /2.+/"),
        ({"suffix": "-slim"}, "variant -alpine, not -slim"),
        ({"glob": "1*", "exclude": "*-alp*"}, "excluded by *-alp*"),
    ],
)
def test_a_reason_names_what_stands_in_the_way(rule: dict[str, object], reason: str) -> None:
    """The glob, the expression, the suffix that was wanted, the exclusion."""
    assert select(rules(rule), ["1.2-alpine"]).verdicts["1.2-alpine"].reason == reason


def test_rules_that_each_name_a_tag_say_of_others_what_the_first_does() -> None:
    """However many entries name one tag each: what none of them names is told once, and by the first of them."""
    rules = [TagRule.model_validate(name) for name in ("1", "2", "3")]
    found = select(rules, ["1", "3", "other"])
    assert found.tags == ("1", "2", "3")
    assert found.idle == ()
    assert {tag: verdict.reason for tag, verdict in found.verdicts.items()} == {
        **dict.fromkeys("123", "named"),
        "other": "not 1",
    }


def test_newest_by_time_of_push() -> None:
    """Where the registry tells when a tag was pushed, that may rank tags, versions or not."""
    pushed = {"b": 3.0, "a": 1.0, "1.0": 2.0}
    assert select(rules({"glob": "*", "newest": "2", "by": "pushed"}), pushed, pushed).tags == ("1.0", "b")
    assert select(rules({"semver": "*", "newest": "2", "by": "pushed"}), pushed, pushed).tags == ("1.0",)


def test_a_time_of_push_that_nobody_knows_is_an_error() -> None:
    """A guess would be wrong in silence: the error names a tag, why, and what to write instead."""
    with pytest.raises(ConfigError, match=r"^by: pushed: the registry does not tell when 2 was pushed .*by: version"):
        select(rules({"glob": "*", "newest": "1", "by": "pushed"}), ["1", "2"], {"1": 1.0})


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


@pytest.mark.parametrize("text", ["", "latest", ">=", "1.2 ||", "1..2", ">>1", "1.2.3.4.5", "1 -"])
def test_what_is_no_range_of_versions_is_refused(text: str) -> None:
    """A range that means nothing is told before a run."""
    with pytest.raises(ValueError, match="range of versions"):
        TagRule.model_validate({"semver": text})

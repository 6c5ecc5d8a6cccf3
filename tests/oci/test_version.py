"""Versions in tags: what a tag is taken for, and in which order tags stand."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.versions import TAGS, Case

from mirrord.oci.reference import is_tag
from mirrord.oci.version import Version, begins_as_prerelease, parse_version

TEXTS = st.one_of(
    st.sampled_from([case.tag for case in TAGS]),
    st.text(alphabet="v01239.-_abrcdevM", min_size=1, max_size=128),
    st.from_regex(r"v?[0-9]{1,3}(\.[0-9]{1,3}){0,4}([-_.]?(rc|beta|alpha|dev|alpine)[0-9.]{0,4}){0,3}", fullmatch=True),
)


def version(tag: str) -> Version:
    """A tag that is one."""
    found = parse_version(tag)
    assert found is not None, tag
    return found


@pytest.mark.parametrize("case", TAGS, ids=[case.tag for case in TAGS])
def test_a_real_tag_is_taken_for_what_it_is(case: Case) -> None:
    """Numbers, pre-release, build and variant of a tag as it stands in a real list; or that it is no version."""
    found = parse_version(case.tag)
    if not case.numbers:
        assert found is None
        return
    assert found is not None
    numbers = tuple(map(int, case.numbers.split(".")))
    assert (found.numbers, found.prerelease, found.variant, found.build) == (
        numbers,
        case.prerelease,
        case.variant,
        case.build,
    )


def test_the_table_of_the_reference_is_right() -> None:
    """What the page about tag rules says of tags is what they are taken for."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "tag-rules.md").read_text()
    table = page.partition("| tag | numbers |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(table) > 5
    for row in table:
        tag, numbers, *rest = (cell.strip().strip("`") for cell in row.strip("|").split("|"))
        found = parse_version(tag)
        if numbers == "no version":
            assert found is None
        else:
            assert found is not None
            assert ".".join(map(str, found.numbers)) == numbers
            assert [found.prerelease, found.build, found.variant] == rest


def test_there_are_many_cases() -> None:
    """The table is of real lists, and long enough to mean something."""
    assert len({case.tag for case in TAGS}) >= 150


@pytest.mark.parametrize(
    "ordered",
    [
        "1.9 1.10 1.10.1 2",
        "3.8 3.9 3.10 3.20",
        "1.2.3-dev 1.2.3-alpha.1 1.2.3-alpha.2 1.2.3-alpha.10 1.2.3-beta.1 1.2.3-pre.1 1.2.3-rc.1 1.2.3-rc.2 1.2.3",
        "3.13.0a6 3.13.0b3 3.13.0rc1 3.13.0rc2 3.13.0 3.13.1",
        "1.2-nightly-20240101 1.2-nightly-20240102 1.2",
        "v1 1 v1.0 1.0 v1.0.0 1.0.0 v1.0.0.0 1.0.0.0 1.0.0.1",  # equal ones: more numbers, then without v
        "1.2.0-RC1 1.2.0-rc1 1.2.0-rc2",
        "21.0.3_9 21.0.3_10 21.0.4_1",
        "20-alpine3.9 20-alpine3.10 20.1-alpine3.9",
        "20240329 20240330",
        "2023.12.31 2024.01.01 2024.1.2",
        "3.5.12 3.5.12-0 3.5.12-1 3.5.12-10",
        "01.02 1.2",
    ],
)
def test_tags_stand_in_order(ordered: str) -> None:
    """Each is newer than the one before it."""
    tags = ordered.split()
    assert sorted(sorted(tags), key=lambda tag: version(tag).key) == tags
    assert all(version(one) < version(other) for one, other in itertools.pairwise(tags))


@given(TEXTS, TEXTS, TEXTS)
def test_the_order_is_total(one: str, other: str, third: str) -> None:
    """Of two tags that are versions one is newer, unless they are one; and what is newer than newer is newer."""
    found = [each for each in map(parse_version, (one, other, third)) if each is not None]
    for first in found:
        for second in found:
            assert (first < second) + (second < first) + (first == second) == 1
    mirrored = list(reversed(found))
    assert sorted(found, key=lambda each: each.key) == sorted(mirrored, key=lambda each: each.key)
    if len(found) == 3 and found[0] < found[1] < found[2]:
        assert found[0] < found[2]


@given(st.one_of(TEXTS, st.text(max_size=300)))
def test_reading_never_fails(text: str) -> None:
    """Whatever an upstream lists is a version or is none: of a version, its parts are all there is of it."""
    found = parse_version(text)
    if found is None:
        return
    assert is_tag(text)
    assert 1 <= len(found.numbers) <= 4
    assert text.endswith(found.suffix)
    assert len(found.prerelease) + len(found.build) + len(found.variant) <= len(found.suffix)


@pytest.mark.parametrize("length", [40, 128])
@pytest.mark.parametrize("piece", ["1", "1.", "-1", "rc", "rc1", "-rc1.", "_1", "-rc-1", "a1", ".-_", "0-rc.1."])
def test_no_tag_takes_long(piece: str, length: int) -> None:
    """Tags that repeat what expressions look for are read as others are; the test's own end would not come."""
    for start in ("", "1", "1-", "1.2.3-rc"):
        parse_version((start + piece * length)[:127] + "!")
        parse_version((start + piece * length)[:128])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rc*", True),
        ("-rc*", True),
        ("-dev", True),
        ("-RC1", True),
        ("-alpine", False),
        ("*", False),
        ("-devel", False),
    ],
)
def test_a_suffix_may_name_pre_releases_itself(text: str, named: bool) -> None:  # noqa: FBT001 - a table's column
    """Who writes ``suffix: -rc*`` means pre-releases."""
    assert begins_as_prerelease(text) is named

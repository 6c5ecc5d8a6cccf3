"""Ranges of versions: what is within, at the edges above all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.oci.ranges import MAX_LENGTH, Range
from mirrord.oci.version import parse_version


def within(text: str, tag: str) -> bool:
    """Whether a range includes a tag."""
    version = parse_version(tag)
    assert version is not None
    return Range.parse(text).includes(version)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("1.2.3", "1.2.3 v1.2.3 1.2.3.0 1.2.3-alpine", "1.2.3.1 1.2.4 1.2.2 1.2.3-rc1"),
        ("1.2", "1.2 1.2.0 1.2.9 1.2.9.9 1.2.0-rc1", "1.3 1.1.9 1 1.3.0-rc1"),
        ("1", "1 1.0.0 1.99", "2 0.9 2.0.0-rc1"),
        ("1.x", "1 1.99", "2 0.9"),
        ("1.2.*", "1.2 1.2.9", "1.3"),
        ("x", "0 1 99.9", ""),
        ("*", "0 1 1-rc1", ""),
        (">=3.20", "3.20 3.20.0 3.21 4 3.20.0-rc1", "3.19.9 3"),
        (">=3.20.0", "3.20 3.20.1", "3.20.0-rc1"),
        (">3.20", "3.21 4", "3.20 3.20.9"),
        (">3.20.0", "3.20.1 3.20.0.1", "3.20 3.20.0"),
        ("<4", "3.99", "4 4.0.0-rc1 5"),
        ("<4.0.0", "3.99", "4 4.0.0-rc1"),
        ("<4.0.0-rc.2", "4.0.0-rc.1 3", "4.0.0-rc.2 4"),
        ("<=4", "4 4.9.9", "5 5.0.0-rc1"),
        ("<=4.0.0", "4 4.0.0", "4.0.0.1 4.0.1"),
        ("!=3.1", "3.0 3.2", "3.1 3.1.4"),
        ("!=3.1.4", "3.1.5 3.1", "3.1.4"),
        ("^1.2.3", "1.2.3 1.9", "1.2.2 2 2.0.0-alpha"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2 1"),
        ("^0.0.3", "0.0.3 0.0.3.1", "0.0.4 0.0.2"),
        ("^0.2", "0.2 0.2.9", "0.3"),
        ("^0.0", "0.0.9", "0.1"),
        ("^0", "0.9", "1"),
        ("^1", "1 1.9", "2"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3 1.2.2"),
        ("~1.2", "1.2.0 1.2.9", "1.3"),
        ("~1", "1.9", "2"),
        ("~>1.2.3", "1.2.9", "1.3"),
        ("1.2 - 1.4", "1.2 1.3 1.4 1.4.9", "1.1.9 1.5"),
        ("1.2.3 - 1.4.5", "1.2.3 1.4.5", "1.2.2 1.4.6"),
        ("1.2 || 2", "1.2.1 2.9", "1.3 3"),
        (">=1.2 <1.4 || >=2 !=2.1", "1.3 2.2 2", "1.4 2.1.5"),
        (">=1.2, <1.4", "1.3", "1.4"),
        (">= 1.2  < 1.4", "1.3", "1.4"),
        ("=1-rc1", "1-rc1 1.0.0-rc1", "1 1-rc2 1-rc1.1"),
        (">=1.0-beta.2", "1.0-beta.2 1.0-rc1 1.0", "1.0-beta.1 1.0-alpha"),
        ("==1.2.3", "1.2.3", "1.2.4"),
        ("v1.2.3.4", "1.2.3.4", "1.2.3.5"),
        (">=20240101", "20240329", "20231219"),
        ("2024", "2024.6.2", "2025.1"),
        ("21.0.3", "21.0.3_9-jre 21.0.3_10", "21.0.4_1"),
        ("<*", "", "0 1"),
        (">*", "", "0 1"),
    ],
)
def test_a_range_holds_what_it_says(text: str, inside: str, outside: str) -> None:
    """Edges, partial versions, pre-releases at the edges; builds and variants don't count."""
    assert [tag for tag in inside.split() if not within(text, tag)] == []
    assert [tag for tag in outside.split() if within(text, tag)] == []


@pytest.mark.parametrize(
    "text",
    ["", " ", "latest", ">=", "1.2 ||", "|| 1", "1..2", ">>1", "1.2.3.4.5", "1.x.3", "1 -", "^", "1.2-x", "=>1"],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    """A range that means nothing is told when the config is read."""
    with pytest.raises(ValueError):  # noqa: PT011 - the config has the words
        Range.parse(text)


def test_a_variant_in_a_range_says_where_it_belongs() -> None:
    """A range compares numbers: ``-alpine`` in it would be ignored in silence."""
    with pytest.raises(ValueError, match=r"'1\.2-alpine' belongs into suffix:"):
        Range.parse(">=1.2-alpine")
    with pytest.raises(ValueError, match=f"at most {MAX_LENGTH}"):
        Range.parse("1" * (MAX_LENGTH + 1))


@given(st.text(alphabet="0123456789.xv*^~<>=!|- ,rc", max_size=600))
def test_reading_a_range_gives_one_or_a_value_error(text: str) -> None:
    """Whatever is written ends in a range or in the one error that the config turns into a line."""
    try:
        found = Range.parse(text)
    except ValueError:
        return
    version = parse_version("1.2.3-rc1")
    assert version is not None
    assert found.includes(version) in {True, False}


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
)
def test_comparisons_agree_with_each_other(one: list[int], other: list[int]) -> None:
    """Of below, within and above a version exactly one holds; ``!=`` is what ``=`` is not."""
    bound, tag = ".".join(map(str, one)), ".".join(map(str, other))
    assert within(f"<{bound}", tag) + within(f"={bound}", tag) + within(f">{bound}", tag) == 1
    assert within(f"!={bound}", tag) is not within(bound, tag)
    assert within(f">={bound}", tag) is not within(f"<{bound}", tag)
    assert within(f"<={bound}", tag) is not within(f">{bound}", tag)
    if within(f"~{bound}", tag):
        assert within(f">={bound}", tag)

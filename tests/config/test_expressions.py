"""Expressions in tag rules: they fit whole tags, and none is taken that a tag could keep busy for ever."""

import re

import pytest

from mirrord.config.expressions import MAX_LENGTH, check_expression
from mirrord.config.rules import TagRule
from mirrord.config.select import select


@pytest.mark.parametrize(
    "text",
    [
        r"3\.\d+",
        r"v?\d+(\.\d+)*",
        r"v?\d+(\.\d+){0,3}(-alpine\d*(\.\d+)?)?",
        r"(?!.*-rc).*",
        r"[0-9]{8}",
        r"(stable|mainline)(-alpine)?",
        r".*-.*-.*",
        r"(?i)release-\d+",
        r"\w+(-\w+)*",
        r"(?P<major>\d+)\.(?P=major)",
    ],
)
def test_what_people_write_is_taken(text: str) -> None:
    """Ordinary expressions, repeats of a group with something between included."""
    check_expression(text)


@pytest.mark.parametrize(
    "text",
    [r"(a+)+b", r"(\d+\.?)*", r"(\w+-?)*!", r".*.*.*.*.*=", r"(x+x+)+y", r"([a-z0-9]+[-.]?)*z", r"(.|\w\w|\d)*="],
)
def test_what_could_take_for_ever_is_refused(text: str) -> None:
    """The time of these doubles with each character of a tag, and nothing could interrupt it."""
    with pytest.raises(ValueError, match="can take very long on some tags; write it without a repeat in a repeat"):
        check_expression(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not an expression of 1 to 500 characters"),
        ("a" * (MAX_LENGTH + 1), "is not an expression of 1 to 500 characters"),
        ("(", "is not a regular expression: missing"),
        ("a{2,1}", "is not a regular expression: min repeat"),
        ("(" * 499, "is not a regular expression"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, words: str) -> None:
    """Length and grammar are told in words."""
    with pytest.raises(ValueError, match=re.escape(words)):
        check_expression(text)


def test_an_expression_fits_the_whole_tag() -> None:
    """It is no search."""
    rule = TagRule.model_validate({"regex": r"3\.\d"})
    assert select([rule], ["3.1", "3.10", "13.1", "3.1\n"]).tags == ("3.1",)

"""Reading the response headers that decide something."""

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.registry.headers import (
    MAX_RETRY_AFTER,
    Challenge,
    ContentRange,
    next_link,
    parse_challenges,
    parse_content_range,
    parse_retry_after,
)

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
NOISE = st.text(st.sampled_from('",;=<>\\ \tbytesBearerlnx/-0123456789*%'), max_size=200)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull",
                    },
                )
            ],
        ),
        ('Basic realm="a, b"', [Challenge("basic", {"realm": "a, b"})]),
        ("Basic", [Challenge("basic")]),
        (
            'BEARER Realm = "x" , Scope=repository:a:pull',
            [Challenge("bearer", {"realm": "x", "scope": "repository:a:pull"})],
        ),
        ('Bearer realm="a\\"b\\\\"', [Challenge("bearer", {"realm": 'a"b\\'})]),
        ('Negotiate YWJj==, Basic realm="x"', [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
        ('Bearer realm="first",realm="second"', [Challenge("bearer", {"realm": "first"})]),
        (
            'Bearer scope="repository:a:pull,push",realm=x',
            [Challenge("bearer", {"scope": "repository:a:pull,push", "realm": "x"})],
        ),
        ("", []),
        ('"', []),
    ],
)
def test_challenges_are_read_as_the_grammar_says(header: str, expected: list[Challenge]) -> None:
    """Quoted strings, several challenges in one header, and any case of names."""
    assert list(parse_challenges([header])) == expected


@given(NAMES, st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))
def test_a_challenge_comes_back_as_it_was_written(scheme: str, parameters: dict[str, str]) -> None:
    """Any parameter survives quoting, commas and quotes included."""
    quoted = (
        f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
        for name, value in parameters.items()
    )
    assert parse_challenges([f"{scheme} {', '.join(quoted)}"]) == (Challenge(scheme, parameters),)


@given(st.one_of(st.text(max_size=200), NOISE))
def test_no_header_makes_a_parser_fail(text: str) -> None:
    """What an upstream sends is untrusted: it is read or it is not, but nothing is raised."""
    parse_challenges([text, text])
    next_link([text])
    parse_content_range(text)
    wait = parse_retry_after(text, 0.0)
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        (['</v2/a/tags/list?n=2&last=b>; rel="next"'], "/v2/a/tags/list?n=2&last=b"),
        (["<https://r.test/v2/a/tags/list?last=b>;rel=next"], "https://r.test/v2/a/tags/list?last=b"),
        (['<x?a=1,2>; rel="prev", <y?b=1;2>; title="a, b"; rel="last next"'], "y?b=1;2"),
        (["<x>; rel=prev", '<y>; REL="Next"'], "y"),
        (['<x>; rel="nextly"'], None),
        (["<x>"], None),
        ([], None),
        (["x; rel=next"], None),
    ],
)
def test_the_next_link_is_found_among_others(headers: list[str], target: str | None) -> None:
    """Only the relation ``next`` counts, wherever it stands."""
    assert next_link(headers) == target


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes 5-9/10", ContentRange(5, 9, 10)),
        (" Bytes 0-0/* ", ContentRange(0, 0, None)),
        ("bytes 9-5/10", None),
        ("bytes 5-10/10", None),
        ("bytes */10", None),
        ("bytes=5-9/10", None),
        ("bytes ٥-٩/10", None),  # noqa: RUF001 - digits of another script are the point
        (f"bytes 0-{'9' * 40}/*", None),
        ("", None),
    ],
)
def test_a_content_range_is_read_or_refused(header: str, expected: ContentRange | None) -> None:
    """A range that contradicts itself is none."""
    assert parse_content_range(header) == expected


@given(st.integers(0, 10**17), st.integers(0, 10**17), st.integers(1, 10**9))
def test_a_content_range_comes_back_as_it_was_written(first: int, length: int, rest: int) -> None:
    """Both ends and the total."""
    last = first + length
    assert parse_content_range(f"bytes {first}-{last}/{last + rest}") == ContentRange(first, last, last + rest)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("1.5", 1.0),
        (email.utils.formatdate(1_000_030, usegmt=True), 30.0),
        (email.utils.formatdate(999_000, usegmt=True), 0.0),
        ("99999999999", MAX_RETRY_AFTER),
        ("9" * 400, None),
        ("-5", None),
        ("soon", None),
        ("Fri, 99 Foo 2024 00:00:00 GMT", None),
        ("", None),
    ],
)
def test_a_wait_is_read_as_seconds_or_date(header: str, seconds: float | None) -> None:
    """Absurd waits are cut to a day; a past date is no wait; what is neither says nothing."""
    assert parse_retry_after(header, 1_000_000.0) == seconds

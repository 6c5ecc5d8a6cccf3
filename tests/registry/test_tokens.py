"""Reading what a realm answers."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from mirrord.errors import UpstreamError
from mirrord.registry.tokens import Source, parse_token


@pytest.mark.parametrize(
    ("document", "value", "lifetime"),
    [
        ({"token": "a.b-c"}, "a.b-c", math.inf),
        ({"access_token": "x", "expires_in": 300}, "x", 290),
        ({"token": "x", "access_token": "y", "expires_in": 60.5}, "x", 50.5),
        ({"token": "x", "expires_in": 4}, "x", 2),
        ({"token": "x", "expires_in": 0}, "x", math.inf),
        ({"token": "x", "expires_in": "60"}, "x", math.inf),
        ({"token": "x", "expires_in": True}, "x", math.inf),
        ({"token": "x", "expires_in": -1}, "x", math.inf),
    ],
)
def test_a_token_has_a_value_and_a_lifetime(document: dict[str, object], value: str, lifetime: float) -> None:
    """Either key holds it; it is used until shortly before its end, or until refused where that is not said."""
    token = parse_token(json.dumps(document).encode(), "realm")
    assert (token.value, token.lifetime) == (value, lifetime)
    assert value not in repr(token).replace("value", "")


@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(
            st.sampled_from(["token", "expires_in"]),
            st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.lists(st.text())),
        ).map(lambda d: json.dumps(d).encode()),
    )
)
def test_no_answer_makes_the_reader_fail(body: bytes) -> None:
    """A realm's answer is untrusted: a token fit for a header comes of it, or UpstreamError."""
    try:
        token = parse_token(body, "realm")
    except UpstreamError:
        return
    assert token.value.isascii()
    assert token.value.isprintable()
    assert token.lifetime > 0


def test_a_source_is_asked_with_its_parameters() -> None:
    """Service and every scope are added to what the realm's URL has already."""
    source = Source(URL("https://r.test/t?a=1%2F2"), "a b", ("repository:x/y:pull", "other"))
    assert dict(source.url.query) == {"a": "1/2", "service": "a b", "scope": "repository:x/y:pull"}
    assert source.url.query.getall("scope") == ["repository:x/y:pull", "other"]

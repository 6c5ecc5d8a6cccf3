"""Durations, sizes, rates, shares and the reserve: what their text means, and that it is written back the same."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.config.reserve import SHARE_CAP, Reserve
from mirrord.config.scalars import (
    format_duration,
    format_percent,
    format_size,
    parse_duration,
    parse_percent,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("2d", 172_800),
        ("0s", 0),
        ("0", 0),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("1w", 604_800),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    """Every unit means what it says, alone and together."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "m", "5 m", "-5m", "5M", "1e3s", "5m ", "\u0665m", "5min", "1:30", "inf", "nan"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """No unit is guessed, and nothing but digits counts."""
    with pytest.raises(ValueError, match=r"^$|no unit"):
        parse_duration(text)


@given(st.integers(0, 3_153_600_000_000))
def test_a_duration_survives_writing_and_reading(milliseconds: int) -> None:
    """What `config show` prints means the same when it is read again, to the millisecond."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    """No text makes the reader fail otherwise."""
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= 0


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8MiB", 8 << 20),
        ("50MB", 50_000_000),
        ("1.5KiB", 1536),
        ("0", 0),
        ("12 B", 12),
        ("1kB", 1000),
        ("2TiB", 2 << 40),
    ],
)
def test_a_size_is_read_in_bytes(text: str, size: int) -> None:
    """MB is a power of 1000, MiB one of 1024."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "8", "8M", "8mb", "8Mbit", "MiB", "-1B", "8 MiB/s", "\u0668MiB", "1e3B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A unit in the wrong case is not guessed."""
    with pytest.raises(ValueError, match=r"^$|no unit|did you mean"):
        parse_size(text)


@given(st.integers(0, 1 << 60))
def test_a_size_survives_writing_and_reading(size: int) -> None:
    """What `config show` prints is the same number of bytes when it is read again."""
    assert parse_size(format_size(size)) == size


@given(st.text())
def test_any_text_is_a_size_a_rate_and_a_share_or_a_value_error(text: str) -> None:
    """No text makes the readers fail otherwise."""
    for read in (parse_size, parse_rate, parse_percent, Reserve.parse):
        with contextlib.suppress(ValueError):
            read(text)


def test_a_rate_is_a_size_a_second_or_none() -> None:
    """None is no limit; 0 is not a rate, for nothing would ever come."""
    assert parse_rate("50MB/s") == 50_000_000
    assert parse_rate("none") is None
    for text in ("0/s", "0B/s", "50MB", "50MB/m", "/s"):
        with pytest.raises(ValueError, match=r"^$|did you mean"):
            parse_rate(text)


@given(st.integers(0, 100_000))
def test_a_share_survives_writing_and_reading(thousandths: int) -> None:
    """A percentage is a share between 0 and 1 and comes back as it was."""
    share = thousandths / 100_000
    assert parse_percent(format_percent(share)) == pytest.approx(share)
    assert 0 <= share <= 1


def test_the_reserve_is_a_capped_share_or_a_size() -> None:
    """A share of a large filesystem never keeps more than 5 GiB free; a size is what it says."""
    assert Reserve.parse("5%").bytes_of(10 << 30) == (10 << 30) // 20
    assert Reserve.parse("5%").bytes_of(1 << 50) == SHARE_CAP == 5 << 30
    assert Reserve.parse("20GiB").bytes_of(1 << 50) == 20 << 30
    assert str(Reserve.parse("5%")) == "5%"
    assert str(Reserve.parse("20GiB")) == "20GiB"

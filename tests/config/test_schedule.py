"""Schedules: which texts are right, in one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.config.schedule import NAMED, parse_schedule


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("23 */6 * * *", "23 */6 * * *"),
        ("0 3 * * 0", "0 3 * * 0"),
        ("0 3 * * 7", "0 3 * * 7"),
        ("0 3 * * SUN", "0 3 * * sun"),
        ("0  3 1,15 jan-mar mon-fri", "0 3 1,15 jan-mar mon-fri"),
        ("0 3 * * sat-sun", "0 3 * * sat-sun"),
        ("5/15 * * * *", "5/15 * * * *"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 30 2 1", "0 0 30 2 1"),
        ("@Daily", "@daily"),
        ("every 30m", "every 30m"),
        ("every 90m", "every 1h30m"),
        ("every 1h 30m", "every 1h30m"),
        *((name, name) for name in NAMED),
    ],
)
def test_a_right_schedule_is_kept_in_one_spelling(text: str, spelled: str) -> None:
    """Cron, names and intervals; Sunday is 0 and 7."""
    assert parse_schedule(text) == spelled


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "^$"),
        ("* * * *", "^$"),
        ("* * * * * *", "^$"),
        ("60 * * * *", "60.* is no minute from 0 to 59"),
        ("* 24 * * *", "24.* is no hour from 0 to 23"),
        ("* * 0 * *", "is no day of the month from 1 to 31"),
        ("* * * 13 *", "is no month from 1 to 12"),
        ("* * * foo *", "is no month"),
        ("* * * * 8", "is no weekday from 0 to 7"),
        ("5-1 * * * *", "is no minute"),
        ("*/0 * * * *", "is no minute"),
        ("1,,2 * * * *", "is no minute"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 4,6,9,11 *", "never comes"),
        ("@noon", "the names are @hourly"),
        ("every", "is not a schedule"),
        ("every 5", "is not a schedule"),
        ("every 0s", "too often"),
        ("every 500ms", "too often"),
        ("every day", "is not a schedule"),
    ],
)
def test_a_wrong_schedule_is_refused_with_the_part_that_is_wrong(text: str, said: str) -> None:
    """The part that is wrong is named, with its bounds."""
    with pytest.raises(ValueError, match=said):
        parse_schedule(text)


@given(st.text(alphabet="0123456789*/,-@ everydaymonfri", max_size=40))
def test_any_text_is_a_schedule_or_a_value_error(text: str) -> None:
    """What is read as a schedule is read again as the same one; nothing fails otherwise."""
    try:
        spelled = parse_schedule(text)
    except ValueError:
        return
    assert parse_schedule(spelled) == spelled

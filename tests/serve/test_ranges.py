"""Which part of a file a range asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.serve.ranges import Part, RangeRequest

SIZE = 1000


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=10-", (10, SIZE)),
        ("bytes= 10-19 ", (10, 20)),
        ("bytes=-10", (990, SIZE)),
        ("bytes=-5000", (0, SIZE)),
        ("bytes=999-5000", (999, SIZE)),
    ],
)
def test_one_range_is_one_part(wanted: str, expected: tuple[int, int]) -> None:
    """First and last byte, from one on, or the last so many; what is beyond the end is left out."""
    assert RangeRequest(wanted).part_of(SIZE, "") == (206, Part(*expected, SIZE))


@pytest.mark.parametrize("wanted", ["", "bytes=", "bytes=-", "bytes=9-1", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4"])
def test_what_is_no_single_range_gives_the_whole(wanted: str) -> None:
    """RFC 9110 lets a server ignore a Range; a client that sends one takes a 200."""
    assert RangeRequest(wanted).part_of(SIZE, "") == (200, Part(0, SIZE, SIZE))


@pytest.mark.parametrize(
    ("wanted", "size"), [("bytes=1000-", 1000), ("bytes=-0", 1000), ("bytes=0-", 0), ("bytes=-1", 0)]
)
def test_a_range_outside_the_file_is_unsatisfiable(wanted: str, size: int) -> None:
    """There is no empty part."""
    assert RangeRequest(wanted).part_of(size, "") is None


@given(wanted=st.from_regex(r"bytes=\d{0,20}-\d{0,20}", fullmatch=True), size=st.integers(0, 1 << 40))
def test_a_part_lies_within_the_file(wanted: str, size: int) -> None:
    """Whatever is asked for, nothing outside the file is read, and its Content-Range is in order."""
    found = RangeRequest(wanted).part_of(size, "")
    if found is not None:
        status, part = found
        assert 0 <= part.start <= part.stop <= size
        assert status == 200 or part.start < part.stop

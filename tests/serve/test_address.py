"""Addresses to listen at."""

import pytest

from mirrord.errors import ConfigError
from mirrord.serve.address import Address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:5050", Address("127.0.0.1", 5050)),
        ("localhost:0", Address("localhost", 0)),
        (":5050", Address("", 5050)),
        ("[::1]:5050", Address("::1", 5050)),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, expected: Address) -> None:
    """Host and port, and back to the text."""
    assert Address.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "5050", "127.0.0.1", "::1:5050", "127.0.0.1:99999", "http://x:1", "300.1.1.1:1"])
def test_what_is_no_address_is_a_mistake_of_the_command_line(text: str) -> None:
    """ConfigError, with the form that would be right."""
    with pytest.raises(ConfigError):
        Address.parse(text)

"""Addresses to listen at."""

from pathlib import Path

import pytest

from mirrord.config.sections import Serve
from mirrord.errors import ConfigError
from mirrord.serve.address import Address, require_unguarded


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


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        *(("127.0.0.1:5050", False), ("[::1]:5050", False), ("localhost:5050", False), ("127.8.9.1:1", False)),
        *((":5050", True), ("0.0.0.0:5050", True), ("[::]:5050", True), ("mirror.lan:5050", True)),
    ],
)
@pytest.mark.parametrize("serve", [Serve(htpasswd=Path("users")), Serve(allow=("10.0.0.0/8",))])
def test_what_nginx_guards_is_not_let_out_beside_it(serve: Serve, address: str, *, is_refused: bool) -> None:
    """The embedded server knows no passwords: with them in the config it listens for this host alone."""
    if is_refused:
        with pytest.raises(ConfigError, match="is for nginx"):
            require_unguarded(serve, Address.parse(address))
    else:
        require_unguarded(serve, Address.parse(address))
    require_unguarded(Serve(connections=1), Address.parse(address))


@pytest.mark.parametrize("text", ["", "5050", "127.0.0.1", "::1:5050", "127.0.0.1:99999", "http://x:1", "300.1.1.1:1"])
def test_what_is_no_address_is_a_mistake_of_the_command_line(text: str) -> None:
    """ConfigError, with the form that would be right."""
    with pytest.raises(ConfigError):
        Address.parse(text)

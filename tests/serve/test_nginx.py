"""The rendered configuration, as text."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrord.config.sections import Serve
from mirrord.errors import ConfigError, InvalidDigestError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import is_path, is_tag
from mirrord.serve.address import Address
from mirrord.serve.nginx import DIGEST, NAME, TAG, NginxSite, default_listen, render

SHIPPED = Path(__file__).parents[2] / "nginx" / "mirrord.conf"
words = st.text(alphabet="aZ09._-/:", max_size=12)


def test_the_shipped_file_is_the_default() -> None:
    """nginx/mirrord.conf is what `mirrord nginx --root /var/lib/mirrord` prints; make it again after a change."""
    assert SHIPPED.read_text() == render(NginxSite(Path("/var/lib/mirrord")))


@given(words)
def test_names_and_tags_are_those_of_the_grammar(text: str) -> None:
    """Nginx takes for a name or a tag exactly what mirrord takes for one."""
    assert bool(re.fullmatch(NAME, text)) == is_path(text)
    assert bool(re.fullmatch(TAG, text)) == is_tag(text)


@given(st.from_regex(r"sha(256|512):[0-9a-fA-F]{63,65}([0-9a-f]{64})?", fullmatch=True))
def test_digests_are_those_of_the_grammar(text: str) -> None:
    """Nginx takes for a digest exactly what mirrord takes for one."""
    try:
        known = str(Digest.parse(text)) == text
    except InvalidDigestError:
        known = False
    assert bool(re.fullmatch(DIGEST, text)) == known


def test_it_says_how_it_was_made() -> None:
    """Who finds the file on a host knows how to make the next one."""
    site = NginxSite(Path("/srv/mirror"), "127.0.0.1:8080", standalone=True)
    assert "# Made by: mirrord nginx --root /srv/mirror --listen 127.0.0.1:8080 --standalone\n" in render(site)


def test_a_whole_configuration_leaves_the_rest_to_the_command_line() -> None:
    """No `daemon` and no main error_log (nginx refuses the first twice), and no path outside -p but the root."""
    rendered = render(NginxSite(Path("/srv/mirror"), standalone=True))
    directives = [line.split() for line in rendered.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert not [words for words in directives if words[0] in {"daemon", "user"}]
    assert not [line for line in rendered.splitlines() if line.startswith("error_log")]
    paths = set(re.findall(r'(?<=")/[a-z][^"$]*', rendered))
    assert {path for path in paths if not path.startswith("/srv/mirror")} == set()


def test_every_placeholder_is_filled() -> None:
    """No @NAME@ is left for nginx to stumble over."""
    for standalone in (True, False):
        site = NginxSite(Path("/srv/mirror"), public_url="https://mirror.example", standalone=standalone)
        assert not re.search(r"@[A-Z0-9_]+@", render(site))


@pytest.mark.parametrize(
    ("daemon", "expected"),
    [("127.0.0.1:5050", "127.0.0.1:5050"), (":5050", "127.0.0.1:5050"), ("[::1]:1", "[::1]:1"), ("[::]:1", "[::1]:1")],
)
def test_paging_asks_the_daemon_where_it_can_be_reached(daemon: str, expected: str) -> None:
    """An address that means "all of this host" is not one to connect to."""
    rendered = render(NginxSite(Path("/srv/mirror"), daemon=Address.parse(daemon)))
    assert set(re.findall(r"proxy_pass http://([^;]+);", rendered)) == {expected}


@pytest.mark.parametrize(
    ("public_url", "tls", "expected"),
    [
        (None, False, "5000"),
        (None, True, "5000"),
        ("https://mirror.example", False, "5000"),
        ("https://mirror.example", True, "443"),
        ("https://mirror.example:8443", True, "8443"),
        ("http://mirror.example", False, "80"),
        ("http://mirror.example:8080", False, "8080"),
    ],
)
def test_nginx_listens_where_clients_ask(public_url: str | None, *, tls: bool, expected: str) -> None:
    """For https without a certificate something before nginx ends TLS, and a port of its own is free."""
    assert default_listen(public_url, tls=tls) == expected


@pytest.mark.parametrize(("rate", "expected"), [(20, "20r/s"), (0.5, "30r/m"), (2.5, "150r/m"), (0.001, "1r/m")])
def test_a_rate_is_told_in_whole_numbers(rate: float, expected: str) -> None:
    """Nginx knows requests a second or a minute, and no fraction of one."""
    site = NginxSite(Path("/srv"), serve=Serve(requests_per_second=rate))
    assert f"zone=mirrord_requests:10m rate={expected};" in render(site)


def test_who_may_read_has_no_trace_where_all_may() -> None:
    """Nothing is looked at that nobody asked for."""
    words = ("auth_basic_user_file", "ssl", "limit_req", "limit_conn", "geo ", "mirrord_spoken")
    assert not [word for word in words if word in render(NginxSite(Path("/srv")))]


@pytest.mark.parametrize("path", ["users", "/a$b", '/a"b', "/a;\nb"])
def test_a_file_that_nginx_can_not_be_told_is_refused(path: str) -> None:
    """As a root: nginx would read more than a path."""
    with pytest.raises(ConfigError, match="can't stand in nginx's configuration"):
        render(NginxSite(Path("/srv"), serve=Serve(htpasswd=Path(path))))


def test_the_command_can_not_bring_directives_along() -> None:
    """Where a config's path has a line break, the comment has none."""
    rendered = render(NginxSite(Path("/srv"), made_by="mirrord nginx --config 'a\nload_module x;'"))
    assert "# Made by: mirrord nginx --config 'a?load_module x;'\n" in rendered


@pytest.mark.parametrize("root", ["relative", "/a$b", '/a"b', "/a\nb", "/a\\b"])
def test_a_root_that_nginx_can_not_be_told_is_refused(root: str) -> None:
    """Nginx would read a $ as a variable; the message names the path."""
    with pytest.raises(ConfigError, match="can't stand in nginx's configuration"):
        render(NginxSite(Path(root)))


@pytest.mark.parametrize("listen", ["80; evil", "", "80 ssl"])
def test_an_address_can_not_bring_directives_along(listen: str) -> None:
    """What is rendered is one address."""
    with pytest.raises(ConfigError, match="nothing nginx can listen at"):
        render(NginxSite(Path("/srv"), listen))


def test_documents_are_sent_by_sendfile_only_where_connections_are_counted() -> None:
    """Their end then leaves after they stopped counting; elsewhere two system calls fewer pay. Layers always are."""
    plain, counted = render(NginxSite(Path("/srv"))), render(NginxSite(Path("/srv"), serve=Serve(connections=2)))
    assert (plain.count("sendfile off;"), plain.count("sendfile on; tcp_nopush on;")) == (1, 1)
    assert (counted.count("sendfile off;"), counted.count("sendfile on; tcp_nopush on;")) == (0, 2)

"""The local name that a request means."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mirrord.errors import InvalidReferenceError
from mirrord.oci.reference import Repository
from mirrord.serve.names import Asked, local_name, own_names

HOSTS = ["docker.io", "quay.io", "registry.lan:5000", "localhost:5000", "localhost", "a-b.c"]
COMPONENTS = ["library", "nginx", "prom", "x", "a.b", "localhost", "docker.io", "quay.io"]
paths = st.lists(st.sampled_from(COMPONENTS), min_size=1, max_size=4).map("/".join)


@given(host=st.sampled_from(HOSTS), path=paths)
def test_an_upstream_image_is_found_as_it_is_mirrored(host: str, path: str) -> None:
    """Containerd's ``ns`` and path lead to the local name under which a sync keeps that repository."""
    assume(not path.startswith(f"{host}/"))  # such a path names its host itself, and is not prefixed twice
    try:
        expected = Repository(host, path).local_name()
    except InvalidReferenceError:
        return
    upstream = Asked("mirror.test", host.replace(":", "%3A")).upstream(frozenset())
    assert local_name(path, upstream) == expected


@given(asked=paths, upstream=st.sampled_from(["", "docker.io", "quay.io", "registry.lan_5000"]))
def test_asking_for_the_answer_gives_the_answer(asked: str, upstream: str) -> None:
    """Nginx hands the resolved name on to the daemon, which resolves it again, without an ``ns``."""
    found = local_name(asked, upstream)
    assume(found is not None)
    assert local_name(found or "", "") == found


@pytest.mark.parametrize(
    ("ns", "expected"),
    [
        ("", ""),
        ("mirror.test:80", ""),
        ("mirror.test%3A80", ""),
        ("own.example", ""),
        ("own.example:443", ""),
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("quay.io", "quay.io"),
        ("localhost", "localhost"),
        ("registry:5000", "registry_5000"),
        ("registry%3a5000", "registry_5000"),
        ("registry", None),
        ("Quay.io", None),
        ("quay.io:123456", None),
        ("quay.io/x", None),
        ("quay%2Eio", None),
    ],
)
def test_ns_names_an_upstream_the_mirror_itself_or_nothing(ns: str, expected: str | None) -> None:
    """A host needs a dot or a port, as in an image reference; what is no host names no repository."""
    assert Asked("mirror.test:80", ns).upstream(frozenset({"own.example"})) == expected


def test_own_names_are_the_public_host() -> None:
    """The port is left out: TLS may end elsewhere."""
    assert own_names("https://mirror.example:8443") == {"mirror.example"}
    assert own_names(None) == frozenset()


def test_a_name_that_grows_too_long_names_nothing() -> None:
    """A host in front may push a name over the limit of 255 characters."""
    assert local_name("a" * 247, "quay.io") == f"quay.io/{'a' * 247}"
    assert local_name("a" * 248, "quay.io") is None

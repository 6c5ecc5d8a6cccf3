"""References: Docker's normalisation, the limits of the grammar, and the mirror's local names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrord.errors import InvalidReferenceError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import (
    MAX_DEPTH,
    MAX_NAME,
    Reference,
    Repository,
    followed_digest,
    is_follower,
    is_local_name,
    is_tag,
)

quick = settings(deadline=None, max_examples=100)
DIGEST = "sha256:" + "0123456789abcdef" * 4

components = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
paths = st.lists(components, min_size=1, max_size=4).map("/".join)
hosts = st.sampled_from(
    [
        "docker.io",
        "quay.io",
        "registry.k8s.io",
        "localhost",
        "localhost:5000",
        "10.0.0.7:5000",
        "[::1]:5000",
        "a-b.c:65535",
    ]
)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)
digests = st.binary(max_size=8).map(Digest.of) | st.binary(max_size=8).map(lambda c: Digest.of(c, "sha512"))


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("library/nginx", "docker.io/library/nginx"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("docker.io/library/nginx", "docker.io/library/nginx"),
        ("index.docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx"),
        ("registry-1.docker.io/nginx", "docker.io/library/nginx"),
        ("DOCKER.IO/nginx", "docker.io/library/nginx"),
        ("prom/prometheus", "docker.io/prom/prometheus"),
        ("docker.io/prom/prometheus", "docker.io/prom/prometheus"),
        ("a/b/c", "docker.io/a/b/c"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("nginx:3.10", "docker.io/library/nginx:3.10"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1.27@{DIGEST}", f"docker.io/library/nginx:1.27@{DIGEST}"),
        ("quay.io/coreos/flannel:v0.11.0", "quay.io/coreos/flannel:v0.11.0"),
        ("registry.k8s.io/pause", "registry.k8s.io/pause"),
        ("localhost/app", "localhost/app"),
        ("localhost", "docker.io/library/localhost"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("quay.io", "docker.io/library/quay.io"),
        ("localhost:5000/app", "localhost:5000/app"),
        ("localhost:5000/app:5000", "localhost:5000/app:5000"),
        ("10.0.0.7:5000/team/app:1", "10.0.0.7:5000/team/app:1"),
        ("[::1]:5000/app", "[::1]:5000/app"),
        ("[2001:db8::1]/app:1", "[2001:db8::1]/app:1"),
        ("[2001:DB8::1]/app", "[2001:db8::1]/app"),
        ("Quay.IO/app", "quay.io/app"),
        ("myhost/app", "docker.io/myhost/app"),
        ("xn--n3h.example/app", "xn--n3h.example/app"),
        ("a__b/c_d/e.f/g---h", "docker.io/a__b/c_d/e.f/g---h"),
    ],
)
def test_names_mean_what_they_mean_to_docker(text: str, whole: str) -> None:
    """Docker's normalisation: the Hub is the default host, `library` its default place, hosts ignore case."""
    assert str(Reference.parse(text)) == whole


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":",
            "@",
            ":1",
            "/",
            "/nginx",
            "nginx/",
            "a//b",
            "a/./b",
            "a/../b",
            "../b",
            " nginx",
            "nginx ",
            "nginx\n",
        ),
        *("Nginx", "a/B", "quay.io/A", "quay.io/", "quay.io:443/", "-a", "a-", "_a", "a_", "a..b", "a___b"),
        *("a._b", "a/_blobs", "a/.b", "ä", "a\u0131", "nginx:", "nginx:-1", "nginx:.1", "nginx:a b", "nginx:1:2"),
        *(
            "nginx:ä",
            "nginx@",
            "nginx@latest",
            f"nginx@{DIGEST[:-1]}",
            f"nginx@{DIGEST.upper()}",
            f"a@{DIGEST}@{DIGEST}",
        ),
        *("https://quay.io/a", "user@quay.io/a", "quay.io:x/a", "quay.io:/a", "-quay.io/a", "quay-.io/a", "quay..io/a"),
        *("quay.io:0/a", "quay.io:65536/a", "quay.io:99999/a", "quay.io:123456/a", "[::1/a", "::1/a", "[::1]x/a"),
        *("[g::1]/a", "[]/a", "my_host.lan/a", "\u212auay.io/a", "quay.io./a", "a\x00b", "a%2fb", "a\\b", "a!b"),
    ],
)
def test_what_the_grammar_does_not_allow_is_refused(text: str) -> None:
    """A name becomes a path: whatever could leave its place, or be read as another host, is refused with the reason."""
    with pytest.raises(InvalidReferenceError):
        Reference.parse(text)


def test_names_end_at_255_characters_with_their_host() -> None:
    """A name may have 255 characters, its host included; one more is refused."""
    longest = "quay.io/" + "a" * (MAX_NAME - len("quay.io/"))
    assert str(Repository.parse(longest)) == longest
    with pytest.raises(InvalidReferenceError, match="longer than the 255"):
        Repository.parse(longest + "a")
    with pytest.raises(InvalidReferenceError, match="longer than the 255"):
        Repository.parse("a" * (MAX_NAME - len("docker.io/library/") + 1))


def test_tags_end_at_128_characters() -> None:
    """A tag may have 128 characters; one more is refused."""
    assert Reference.parse("a:" + "t" * 128).tag == "t" * 128
    with pytest.raises(InvalidReferenceError, match="is not a tag; expected at most 128"):
        Reference.parse("a:" + "t" * 129)


def test_ports_are_from_1_to_65535() -> None:
    """A port is one that can be connected to."""
    assert Repository.parse("quay.io:1/a").host == "quay.io:1"
    assert Repository.parse("quay.io:65535/a").host == "quay.io:65535"


@quick
@given(hosts, paths, st.none() | tags, st.none() | digests)
def test_references_read_back_as_themselves(host: str, path: str, tag: str | None, digest: Digest | None) -> None:
    """What is written of a reference is read as the same reference."""
    text = f"{host}/{path}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference
    assert (reference.tag, reference.digest) == (tag, digest)
    assert reference.repository.host == host


@quick
@given(st.text(alphabet=st.characters() | st.sampled_from("aAz09./:@_-[]"), max_size=60))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    """Whatever the text: a reference that reads back as itself, or InvalidReferenceError."""
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError:
        return
    assert Reference.parse(str(reference)) == reference
    assert str(reference).isascii()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nginx", "nginx"),
        ("docker.io/library/nginx", "nginx"),
        ("prom/prometheus", "prom/prometheus"),
        ("docker.io/library/a/b", "library/a/b"),
        ("docker.io/library", "library"),
        ("quay.io/coreos/flannel", "quay.io/coreos/flannel"),
        ("quay.io/library/x", "quay.io/library/x"),
        ("registry.lan:5000/app", "registry.lan_5000/app"),
        ("localhost:5000/app", "localhost_5000/app"),
        ("localhost/app", "localhost/app"),
    ],
)
def test_local_names_follow_dockers_habit(text: str, name: str) -> None:
    """The Hub's host is elided, every other stays, a port's colon becomes `_`."""
    assert Repository.parse(text).local_name() == name


@pytest.mark.parametrize(
    "text",
    [
        "[::1]:5000/app",
        "docker.io/localhost/app",
        "docker.io/quay.io/app",
        "quay.io/" + "/".join("abcdefghij"),
        "docker.io/" + "/".join("abcdefghijk"),
    ],
)
def test_a_name_that_would_mean_something_else_asks_for_another(text: str) -> None:
    """No local name is ambiguous or deeper than nginx's maps: the message offers `as:`."""
    with pytest.raises(InvalidReferenceError, match="choose one with `as:`"):
        Repository.parse(text).local_name()


@quick
@given(hosts, paths)
def test_local_names_are_names_and_pull_what_they_say(host: str, path: str) -> None:
    """A local name is one the mirror can serve, and for a Hub or portless host Docker reads it as the upstream's."""
    repository = Repository.parse(f"{host}/{path}")
    try:
        name = repository.local_name()
    except InvalidReferenceError:
        return
    assert is_local_name(name)
    assert name.count("/") < MAX_DEPTH
    if ":" not in host:
        assert Repository.parse(name) == repository


def test_cosigns_tags_are_followers_of_their_digest() -> None:
    """`sha256-<hex>` with .sig, .att, .sbom or nothing belongs to the image of that digest; other tags are images."""
    digest = Digest.parse(DIGEST)
    for suffix in ("", ".sig", ".att", ".sbom"):
        tag = DIGEST.replace(":", "-") + suffix
        assert is_follower(tag)
        assert is_tag(tag)
        assert followed_digest(tag) == digest
    for tag in ("latest", "sha256-abc", DIGEST.replace(":", "-") + ".other", DIGEST.replace(":", "-").upper()):
        assert not is_follower(tag)
        assert followed_digest(tag) is None


def test_a_sha512_cut_to_fit_a_tag_follows_no_one_digest() -> None:
    """A fallback tag of a truncated sha512 is a follower, though of no digest that could be known."""
    cut = "sha512-" + "a" * 64
    assert is_follower(cut)
    assert followed_digest(cut) is None

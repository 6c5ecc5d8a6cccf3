"""What an upstream sends, fuzzed: each parser gives a value that is safe to use, or one of our errors."""

import asyncio
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.spoil import spoiled_json, spoiled_text, taken

from mirrord.config.model import RegistryConfig
from mirrord.demo.images import artifact, encode, image, index, signature
from mirrord.errors import AccessError, InvalidDigestError, InvalidManifestError, UpstreamError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Manifest, parse_manifest, read_platform
from mirrord.oci.platform import PlatformChoice
from mirrord.oci.reference import Repository, followed_digest, is_tag
from mirrord.registry.ask import Ask
from mirrord.registry.endpoint import Endpoint, names_inner_address, same_origin
from mirrord.registry.failures import Reply
from mirrord.registry.headers import (
    MAX_RETRY_AFTER,
    next_link,
    parse_challenges,
    parse_content_range,
    parse_retry_after,
)
from mirrord.registry.listing import TagList
from mirrord.registry.realm import accept_realm
from mirrord.registry.redirects import redirect_target
from mirrord.registry.referrers import ReferrersList
from mirrord.registry.tokens import parse_token
from mirrord.sync.artifacts import entry_of

fuzz = pytest.mark.fuzz
calm = settings.get_profile("fuzz")

HOST = "registry.example"
REPOSITORY = Repository(HOST, "team/app")
ENDPOINT = Endpoint.of(HOST, RegistryConfig(endpoint=("https://9.9.9.9",)))
"""A public address, so that no name is looked up; nothing connects to it."""
ASK = Ask.manifest(REPOSITORY, "1", "GET")
DIGEST = f"sha256:{'ab' * 32}"
APP = image("a")
DOCUMENTS = [json.loads(built.manifest.raw) for built in (APP, index(APP, image("b")), artifact("c", "x/y", APP))]
HEADERS = (
    'Bearer realm="https://auth.example/token",service="a b",scope="repository:a/b:pull"',
    'Negotiate YWJj==, Basic realm="x", Digest a=b, c="d\\"e"',
    '</v2/team/app/tags/list?n=1000&last=v1%2E0>; rel="next", <x>; title="a, b"; rel=prev',
    "bytes 5-9/10",
    "bytes 0-0/*",
    "120",
    "Fri, 31 Dec 1999 23:59:59 GMT",
    "Mon, 01 Jan 0001 00:00:00 -2359",
    "31 Dec 9999 23:59:59 +2359",
)


def is_safe(name: str) -> bool:
    """Whether a name can be a file's name, and no more than that."""
    return bool(name) and name not in {".", ".."} and "/" not in name and "\0" not in name and len(name.encode()) < 256


@fuzz("digests")
@calm
@given(spoiled_text(DIGEST, f"sha512:{'0f' * 64}"))
def test_a_digest_is_a_file_name_or_refused(text: str) -> None:
    """Whatever a descriptor or header calls a digest: what is taken is one, and names one file."""
    digest, words = taken(lambda: Digest.parse(text), InvalidDigestError)
    assert len(words.encode()) < 400
    if digest is None:
        return
    assert str(digest) == text
    assert is_safe(f"{digest}.docker-manifest")


@fuzz("followers' tags")
@calm
@given(spoiled_text(f"sha256-{'ab' * 32}.sig", f"sha256-{'ab' * 32}", f"sha512-{'ab' * 64}.att"))
def test_a_follower_tag_names_a_digest_or_none(tag: str) -> None:
    """Names in an upstream's list that look like signatures: their subject is a digest, or there is none."""
    subject = followed_digest(tag)
    assert subject is None or (is_safe(tag) and is_safe(str(subject)))


@fuzz("manifests")
@calm
@example(b'{"schemaVersion": 2, "config": {"size": "\\ud800"}}', "")
@given(spoiled_json(*DOCUMENTS), st.sampled_from(["", "application/vnd.oci.image.index.v1+json", "x/\0"]))
def test_a_manifest_is_read_or_refused(raw: bytes, content_type: str) -> None:
    """Good documents with absurd values: whatever is taken refers to files by digest alone, and can be shown."""
    manifest, words = taken(lambda: parse_manifest(raw, content_type), InvalidManifestError)
    assert len(words.encode()) < 2000
    if manifest is None:
        return
    check_usable(manifest)


def check_usable(manifest: Manifest) -> None:
    """All that is made of a manifest's fields can be made of them."""
    choice = PlatformChoice.parse(["linux/amd64"])
    listed = (*manifest.children, *manifest.blobs, *manifest.chosen(choice))
    assert all(is_safe(str(each.digest)) and each.size >= 0 for each in listed)
    assert all(str(each.platform).isprintable() for each in listed)
    assert isinstance(manifest.offers(choice), bool)
    json.dumps([[entry_of(child) for child in manifest.children], manifest.referrer_type]).encode()


@fuzz("referrers lists")
@calm
@given(spoiled_json(json.loads(index(APP, image("b")).manifest.raw)))
def test_a_page_of_referrers_is_one_or_none(page: bytes) -> None:
    """Descriptors of safe digests, or the word that there is no such API."""
    referrers = ReferrersList(REPOSITORY, Digest.parse(DIGEST))
    if referrers.take(200, "application/vnd.oci.image.index.v1+json", page):
        assert all(is_safe(str(each.digest)) and each.size >= 0 for each in referrers.finished())
    else:
        assert referrers.finished() == ()


@fuzz("image configs")
@calm
@given(spoiled_json({"os": "linux", "architecture": "arm64", "variant": "v8", "rootfs": {"diff_ids": []}}))
def test_an_image_config_has_a_platform_or_none(config: bytes) -> None:
    """Configs are an image author's: a platform of plain words comes of one, or none."""
    platform = read_platform(config)
    assert platform is None or (str(platform).isascii() and len(str(platform)) < 400)


@fuzz("headers")
@calm
@given(spoiled_text(*HEADERS))
def test_a_header_is_read_or_is_none(value: str) -> None:
    """No header makes its parser fail, and what is read is within bounds."""
    for challenge in parse_challenges([value, value]):
        assert challenge.scheme == challenge.scheme.lower()
    next_link([value])
    found = parse_content_range(value)
    assert found is None or 0 <= found.first <= found.last < 10**18
    wait = parse_retry_after(value, 1_000_000_000.0)
    assert wait is None or 0 <= wait <= MAX_RETRY_AFTER


@fuzz("realms")
@calm
@given(
    spoiled_text("https://auth.example/token?a=b", f"https://{HOST}/t", "http://127.0.0.1:5000/t", "https://u:p@x/"),
    st.booleans(),
)
def test_a_realm_is_trusted_or_refused(realm: str, with_login: bool) -> None:  # noqa: FBT001 - hypothesis gives it
    """A login goes to the registry's own domain by TLS, whatever a challenge says; a refusal is of bounded length."""
    url, words = taken(
        lambda: asyncio.run(accept_realm(realm, ENDPOINT, (), with_login=with_login)), UpstreamError, AccessError
    )
    assert len(words) < 2000
    if url is None:
        return
    assert url.scheme == "https"
    assert url.user is None
    host = url.host or ""
    related = same_origin(url, ENDPOINT.origin) or host in {HOST, "example"} or host.endswith(".example")
    assert related or not (with_login or names_inner_address(host))


@fuzz("redirects")
@calm
@given(
    spoiled_text("https://cdn.example/blob?sig=a%2Fb", "/v2/x", "//cdn.example/x", "http://127.0.0.1/x", "file:///x")
)
def test_a_redirect_leads_to_a_safe_place_or_is_refused(location: str) -> None:
    """Never from TLS to none, never into a private network, never with a login in the URL."""
    url, words = taken(lambda: asyncio.run(redirect_target(location, ENDPOINT.url("x"), ASK, ENDPOINT)), UpstreamError)
    assert len(words) < 2000
    if url is None:
        return
    assert url.scheme == "https"
    assert url.user is None
    assert not names_inner_address(url.host or "")


@fuzz("tag lists")
@calm
@given(spoiled_json({"name": "team/app", "tags": ["1", "v2", "latest"]}, {"tags": None}))
def test_a_tag_list_holds_tags_or_is_refused(body: bytes) -> None:
    """Whatever a page holds: names that can be files come of it, or an error of the upstream."""
    tags = TagList(REPOSITORY, ENDPOINT)
    try:
        tags.take(body)
    except UpstreamError:
        return
    assert all(is_tag(tag) and is_safe(tag) for tag in tags.finished().tags)


@fuzz("links of pages")
@calm
@given(spoiled_text("/v2/team/app/tags/list?last=v1&n=1000", f"https://{HOST}/v2/team/app/tags/list?next_page=x%3D"))
def test_a_next_page_is_of_the_same_list_or_refused(link: str) -> None:
    """Whatever a Link says, the next request goes to the same list of the same registry."""
    ask, words = taken(lambda: TagList(REPOSITORY, ENDPOINT).following(link), UpstreamError)
    assert len(words.encode()) < 1000
    if ask is None:
        return
    url = ENDPOINT.url(f"{REPOSITORY.path}/{ask.path}", ask.query)
    assert same_origin(url, ENDPOINT.origin)
    assert url.raw_path == "/v2/team/app/tags/list"


@fuzz("answers of realms")
@calm
@example(b'{"token": "a", "expires_in": 1' + b"0" * 400 + b"}")
@given(spoiled_json({"token": "a.b-c", "access_token": "x", "expires_in": 300, "issued_at": "2024-01-01T00:00:00Z"}))
def test_a_token_is_usable_or_refused(body: bytes) -> None:
    """A token fit for a header, with a lifetime; or an error that does not show what was sent."""
    token, words = taken(lambda: parse_token(body, "realm"), UpstreamError)
    assert len(words.encode()) < 200
    if token is None:
        return
    assert token.value.isascii()
    assert token.value.isprintable()
    assert token.lifetime > 0


@fuzz("error documents")
@calm
@given(
    st.integers(100, 599),
    spoiled_json({"errors": [{"code": "DENIED", "message": "no\x1b[31m access", "detail": {}}]}, {"details": "x"}),
    spoiled_text("text/html; charset=utf-8", "application/json"),
    spoiled_text("120", "Fri, 31 Dec 1999 23:59:59 GMT"),
)
def test_an_error_document_is_shown_in_one_short_line(status: int, body: bytes, kind: str, wait: str) -> None:
    """Whatever an upstream says of a failure, a person sees one bounded line without control characters."""
    reply = Reply.read(status, {"Content-Type": kind, "Retry-After": wait}, body, str)
    assert len(str(reply)) < 600
    assert str(reply).isprintable()


def test_the_seeds_are_good() -> None:
    """What is spoiled here is taken as it is."""
    assert all(parse_manifest(encode(document)) for document in DOCUMENTS)
    assert parse_manifest(signature(APP).manifest.raw)

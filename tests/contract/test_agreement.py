"""Every server gives the same answer to any request."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.guarded import Guarded
from support.nginx import Nginx
from support.readers import HOST, Answer, Server, Serving
from support.world import DEEP, OWN_NAME

from mirrord.oci.digest import Digest

DIGESTS = ["sha256:0", f"sha256:{'0' * 64}", str(Digest.of(b"long", "sha512")), "sha256%3A0"]
PARTS = ["nginx", "library", "docker.io", "quay.io", "x", "y", "localhost", "app", "_blobs", "A", "1.27", "1", DEEP]
PARTS += ["manifests", "blobs", "tags", "list", "referrers", "uploads", "_catalog", "a" * 250]
HELD = ["nginx", "prom/prometheus", "x/y", "app", "quay.io/x/y", DEEP, f"k/{DEEP}"]
HELD += ["web", "httpd", "team/app", "team/one", "lab/tools/app", "tools/app", "rootless/app"]
ODD = ["", ".", "..", "%2F", "%", "\\", "~", "@", "+", "!", "nginx!x", ";", "|", "*", "a..b", "a__b", "a--b", "-"]
NAMESPACES = ["", "docker.io", "index.docker.io", "quay.io", "lab.test%3A5000", "lab.test:5000", "localhost", OWN_NAME]
NAMESPACES += [
    "reg.lab.test",
    "bare.test%3A5000",
    HOST,
    "nohost",
    "QUAY.io",
    "a_b.c",
    "x%20y",
    "..",
    f"{OWN_NAME}:1",
    "a.b:123456",
    "[::1]:5000",
    "a..b",
]
MINE = {"date", "server", "connection", "vary", "accept-ranges"}
"""Headers in which servers may differ."""

FORMS = [
    "",
    "",
    "",
    "/quay.io",
    "/docker.io",
    "/index.docker.io",
    "/lab.test:5000",
    "/lab.test%3A5000",
    "/reg.lab.test",
]
FORMS += ["/lab", "/bare.test:5000", "/_x", "/v2", "/a/b", "/quay.io:123456", "/Quay.io", "/x_y", "/status", "/-"]
prefixes = st.lists(st.sampled_from(["library", "docker.io", "quay.io", "localhost", "lab.test_5000"]), max_size=2)
held = st.builds(lambda prefix, name: "/".join([*prefix, name]), prefixes, st.sampled_from(HELD))
names = st.one_of(held, st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join))
ends = st.sampled_from(["manifests/1", "manifests/1.27", "tags/list", *(f"blobs/{digest}" for digest in DIGESTS)])
more_ends = st.sampled_from([f"{kind}/{digest}" for kind in ("manifests", "referrers") for digest in DIGESTS])
queries = st.one_of(st.just(""), st.sampled_from(NAMESPACES).map("?ns={}".format), st.just("?x=1&ns=quay.io&n=1"))
routes = st.builds("{}/v2/{}/{}{}".format, st.sampled_from(FORMS), names, st.one_of(ends, more_ends), queries)
wild = st.lists(st.sampled_from(["v2", "status", *PARTS, *ODD, *DIGESTS]), max_size=6).map(
    lambda parts: "/".join(["", *parts])
)
METHODS = st.sampled_from(["GET", "HEAD", "POST"])
conditions = st.fixed_dictionaries(
    {},
    optional={
        "Range": st.sampled_from(["bytes=0-3", "bytes=2-", "bytes=-2", "bytes=9999-", "lines=1-2"]),
        "If-None-Match": st.sampled_from([f'"{DIGESTS[1]}"', f'"{DIGESTS[2]}"', f'W/"{DIGESTS[2]}"', '"x"']),
        "If-Match": st.sampled_from([f'"{DIGESTS[2]}"', "*"]),
        "If-Range": st.sampled_from([f'"{DIGESTS[2]}"', '"x"']),
    },
)


def seen(answer: Answer) -> tuple[int, bytes, dict[str, str]]:
    """What a client can tell of an answer; a 304's length and a 416's further headers say nothing."""
    named = {name: value for name, value in answer.headers.items() if name not in MINE}
    if answer.status == 304:
        named.pop("content-length", None)
    if answer.status == 416:
        named = {name: named[name] for name in ("content-type", "content-range")}
    return answer.status, answer.body, named


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.one_of(st.tuples(METHODS, routes), st.tuples(st.just("GET"), wild)), headers=conditions)
def test_every_server_answers_the_same(
    daemon: Serving, stock_nginx: Nginx, guarded: Guarded, asked: tuple[str, str], headers: dict[str, str]
) -> None:
    """Whatever the name, the query and the conditions: the rules are written twice, and must not drift apart."""
    method, target = asked
    if method == "HEAD":
        headers.pop("Range", None)  # on HEAD it has no meaning (RFC 9110, section 14.2), and nginx gives it one
    answer = seen(daemon.server.ask(target, method, headers))
    assert seen(Server(stock_nginx.port).ask(target, method, headers)) == answer
    assert seen(guarded.server.ask(target, method, headers)) == answer

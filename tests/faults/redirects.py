"""Scenarios of a blob that is to be had elsewhere: without the login, never inside, and never without an end."""

from support.plays import round_and_round, to_another_origin
from support.scenario import LAYER, LAYER_PATH, On, Scenario
from support.scripted import answer, redirect

from mirrord.demo.access import Basic

KEPT = {"1": "old"}
LOGIN = "username: me, password: s3cret-canary"

SCENARIOS = (
    Scenario(
        name="blob: redirect loop",
        plays=(On("GET /v2/app/blobs|GET /a|GET /b", then=round_and_round(("/a", "/b"))),),
        status=1,
        owner="upstream",
        says=("redirects more than 5 times (limits.redirects)",),
        served=KEPT,
        asked={"GET /(a|b)": 10},
    ),
    Scenario(
        name="blob: redirect to nowhere",
        plays=(On("GET /v2/app/blobs", then=redirect("ftp://cdn.test/x")),),
        status=1,
        owner="upstream",
        says=("redirects to what is no http or https URL",),
        served=KEPT,
    ),
    Scenario(
        name="blob: redirect to another origin",
        plays=(On(LAYER_PATH, then=to_another_origin("/signed")), On("GET /signed", then=answer(200, LAYER))),
        access=lambda: Basic("me", "s3cret-canary"),
        registry=LOGIN,
        bare="GET /signed",
        never=("s3cret-canary",),
    ),
    Scenario(
        name="blob: another origin that refuses",
        plays=(
            On(LAYER_PATH, then=to_another_origin("/signed?Signature=canary")),
            On("GET /signed", then=answer(401, b"", {"WWW-Authenticate": "Basic"})),
        ),
        access=lambda: Basic("me", "s3cret-canary"),
        registry=LOGIN,
        bare="GET /signed",
        asked={"GET /signed": 1},
        status=1,
        owner="upstream",
        says=("redirects to http://localhost", "which answered 401 Unauthorized; expected the content"),
        served=KEPT,
        never=("canary",),
    ),
    Scenario(
        name="blob: redirect of a public registry to a private address",
        plays=(On(LAYER_PATH, then=redirect("http://169.254.169.254/latest/meta-data")),),
        endpoint="http://1.1.1.1",
        status=1,
        owner="upstream",
        says=("redirects to http://169.254.169.254, which is in a private network and the registry is not",),
        served=KEPT,
        asked={"blobs/": 2},
    ),
    Scenario(
        name="blob: redirect of a public registry to this host",
        plays=(On(LAYER_PATH, then=redirect("http://[::1]:22/")),),
        endpoint="http://1.1.1.1",
        status=1,
        owner="upstream",
        says=("in a private network and the registry is not",),
        served=KEPT,
    ),
    Scenario(
        name="blob: redirect from https to http",
        plays=(On(LAYER_PATH, then=redirect("http://127.0.0.1:9/x")),),
        tls=True,
        status=1,
        owner="upstream",
        says=("redirects from https to http://127.0.0.1:9",),
        served=KEPT,
    ),
)

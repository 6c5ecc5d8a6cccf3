"""Scenarios of waiting: hosts that throttle, falter or are down, and say well or badly when to come back."""

from support.plays import later
from support.scenario import On, Scenario
from support.scripted import answer, page

KEPT = {"1": "old"}
MANIFESTS = "/v2/app/manifests"


def throttled(name: str, *plays: On, **more: object) -> Scenario:
    """A host that throttles for a while that a run can wait: nothing fails."""
    return Scenario(name=f"429: {name}", plays=plays, waits=True, limits="{attempts: 3}", **more)  # type: ignore[arg-type] # a Scenario's own fields


def deferred(name: str, play: On, *says: str, asked: int = 1) -> Scenario:
    """A host that wants to be left alone for longer: the image is for the next run, and has not failed."""
    return Scenario(
        name=f"429: {name}",
        plays=(play,),
        waits=True,
        limits="{attempts: 3}",
        owner="upstream",
        says=("deferred", *says),
        served=KEPT,
        asked={MANIFESTS: asked},
    )


def wait(text: str) -> dict[str, str]:
    """A Retry-After."""
    return {"Retry-After": text}


SCENARIOS = (
    throttled("seconds", On(MANIFESTS, (answer(429, b"", wait("300")),)), says=("upstream.throttled",)),
    throttled("a date", On(MANIFESTS, (later(300),)), says=("upstream.throttled",)),
    throttled("a date that is over", On(MANIFESTS, (later(-300),))),
    throttled("a fraction", On(MANIFESTS, (answer(429, b"", wait("1.5")),))),
    throttled("words", On(MANIFESTS, (answer(429, b"", wait("soon, \u00fc")),))),
    throttled("less than nothing", On(MANIFESTS, (answer(429, b"", wait("-5")),))),
    throttled("nothing said", On(MANIFESTS, (answer(429), answer(429)))),
    throttled("of a blob", On("blobs", (answer(429, b"", wait("20")),))),
    throttled("a 503 with seconds", On(MANIFESTS, (answer(503, b"", wait("300")),))),
    deferred(
        "longer than a run waits",
        On(MANIFESTS, then=answer(429, b"", wait("3600"))),
        "registry.test is to be asked again in 3600 s, longer than a run waits (limits.max_wait, 600 s)",
    ),
    deferred("absurd", On(MANIFESTS, then=answer(429, b"", wait("9" * 18))), "asked again in 86400 s"),
    deferred("an absurd date", On(MANIFESTS, then=later(10**9)), "asked again in 86400 s"),
    deferred(
        "more digits than are read", On(MANIFESTS, then=answer(429, b"", wait("9" * 400))), "429 Too Many", asked=3
    ),
    deferred("to the last", On(MANIFESTS, then=answer(429)), "429 Too Many Requests", asked=3),
    *(
        Scenario(
            name=f"a burst of {status}",
            plays=(On(MANIFESTS, tuple([answer(status)] * 4)), On("blobs", tuple([answer(status)] * 4))),
            limits="{attempts: 5}",
            waits=True,
        )
        for status in (408, 425, 500, 502, 503, 504)
    ),
    *(
        Scenario(
            name=f"{status} without an end",
            plays=(On(MANIFESTS, then=answer(status)),),
            limits="{attempts: 3}",
            waits=True,
            status=1,
            owner="upstream",
            says=(f"answered {status}", "nothing here can mend it: try later"),
            served=KEPT,
            asked={MANIFESTS: 3},
        )
        for status in (500, 503, 599)
    ),
    Scenario(
        name="a burst of pages about maintenance",
        plays=(On("/v2/", (page(503), page(502))),),
        limits="{attempts: 5}",
        waits=True,
    ),
    Scenario(
        name="pages about maintenance without an end",
        plays=(On("/v2/", then=page(503)),),
        limits="{attempts: 2}",
        waits=True,
        status=1,
        owner="upstream",
        says=("503 Service Unavailable (with a web page)",),
        served=KEPT,
    ),
)

"""Scenarios of a blob's transfer: wrong, short, slow, broken, or resumed wrongly."""

import gzip

from support.plays import (
    after_revoking,
    as_a_registry,
    drip,
    halt,
    part,
    raw,
    reset,
)
from support.scenario import LAYER, LAYER_PATH, NEW, On, Scenario
from support.scripted import Stall, answer, chunked, cut

from mirrord.demo.access import Tokens
from mirrord.oci.digest import Digest

KEPT = {"1": "old"}
SIZE = len(LAYER)
FLIPPED = bytes([LAYER[0] ^ 1]) + LAYER[1:]
HALF = SIZE // 2
CONFIG_PATH = f"GET /v2/app/blobs/{Digest.of(NEW.blobs[0])}"
CONFIG = NEW.blobs[0]
TWICE = "{attempts: 2}"
"""Limits for what is mended by the next attempt."""

SCENARIOS = (
    Scenario(
        name="blob: a flipped byte, always",
        plays=(On(LAYER_PATH, then=answer(200, FLIPPED)),),
        status=1,
        owner="upstream",
        says=("sends wrong bytes", str(Digest.of(LAYER)), str(Digest.of(FLIPPED)), "tried again from the start"),
        served=KEPT,
        asked={"blobs": 3},
    ),
    Scenario(name="blob: a flipped byte, once", plays=(On(LAYER_PATH, (answer(200, FLIPPED),)),)),
    Scenario(
        name="blob: wrong digest of a small one",
        plays=(On(CONFIG_PATH, then=answer(200, b"x" * len(CONFIG))),),
        status=1,
        owner="upstream",
        says=("twice; expected", str(Digest.of(CONFIG)), "its content is damaged"),
        served=KEPT,
    ),
    Scenario(
        name="blob: wrong size, longer",
        plays=(On(LAYER_PATH, then=answer(200, LAYER + b"x")),),
        status=1,
        owner="upstream",
        says=(f"its manifest says {SIZE} bytes", f"has {SIZE + 1}"),
        served=KEPT,
    ),
    Scenario(
        name="blob: wrong size, shorter",
        plays=(On(LAYER_PATH, then=answer(200, LAYER[:-1])),),
        status=1,
        owner="upstream",
        says=(f"its manifest says {SIZE} bytes", f"has {SIZE - 1}"),
        served=KEPT,
    ),
    Scenario(
        name="blob: wrong size, more than it said in chunks",
        plays=(On(LAYER_PATH, then=chunked(LAYER + b"x" * 100_000, size=100_000)),),
        status=1,
        owner="upstream",
        says=("sends more",),
        served=KEPT,
    ),
    Scenario(
        name="blob: short body, always",
        plays=(On(LAYER_PATH, then=chunked(LAYER[:1000])),),
        status=1,
        owner="upstream",
        says=("ended it early", f"1000 of {SIZE} bytes held"),
        served=KEPT,
    ),
    Scenario(
        name="blob: short body, once",
        plays=(On(LAYER_PATH, (chunked(LAYER[:HALF], size=100_000),)),),
        limits=TWICE,
        says=("blob.resumed",),
        waits=True,
    ),
    Scenario(
        name="blob: stall before the answer",
        plays=(On(LAYER_PATH, then=Stall()),),
        limits=TWICE,
        status=1,
        owner="network",
        says=("sent nothing for 60 s (limits.read_timeout)",),
        served=KEPT,
        waits=True,
        asked={"blobs/": 3},
    ),
    Scenario(
        name="blob: stall in the middle",
        plays=(On(LAYER_PATH, then=halt(LAYER, 1000)),),
        status=1,
        owner="network",
        says=("sent nothing for 60 s (limits.read_timeout)", f"1000 of {SIZE} bytes held"),
        served=KEPT,
        waits=True,
    ),
    Scenario(
        name="blob: stall in the middle, once",
        plays=(On(LAYER_PATH, (halt(LAYER, HALF),)),),
        limits=TWICE,
        says=("blob.resumed",),
        waits=True,
    ),
    Scenario(
        name="blob: reset in the middle, always",
        plays=(On(LAYER_PATH, then=reset(LAYER, 1000)),),
        status=1,
        owner="network",
        says=("ended the connection in the middle of its answer", f"of {SIZE} bytes held"),
        served=KEPT,
    ),
    Scenario(
        name="blob: reset in the middle, once", plays=(On(LAYER_PATH, (reset(LAYER, HALF),)),), limits=TWICE, waits=True
    ),
    Scenario(
        name="blob: cut again and again while it gets on",
        plays=(On(LAYER_PATH, then=cut(LAYER, (1 << 20) + 10)),),
        limits=TWICE,
        says=("blob.resumed",),
        waits=True,
    ),
    Scenario(
        name="blob: 200 to a Range",
        plays=(On(LAYER_PATH, (cut(LAYER, HALF),), then=answer(200, LAYER)),),
        limits=TWICE,
        waits=True,
        asked={"blobs/": 3},
    ),
    Scenario(
        name="blob: wrong Content-Range, once",
        plays=(On(LAYER_PATH, (cut(LAYER, HALF), part(LAYER, "bytes 7-{size}/*"))),),
        limits="{attempts: 3}",
        waits=True,
    ),
    Scenario(
        name="blob: wrong Content-Range, always",
        plays=(On(LAYER_PATH, (cut(LAYER, HALF),), then=part(LAYER, "bytes 7-9/*")),),
        limits=TWICE,
        status=1,
        owner="upstream",
        says=("sent another part ('bytes 7-9/*')",),
        served=KEPT,
        waits=True,
    ),
    Scenario(
        name="blob: Content-Range of another size",
        plays=(On(LAYER_PATH, (cut(LAYER, HALF),), then=part(LAYER, "bytes {start}-{start}/99999999")),),
        limits=TWICE,
        status=1,
        owner="upstream",
        says=(f"its manifest says {SIZE} bytes", "has 99999999"),
        served=KEPT,
        waits=True,
    ),
    Scenario(
        name="blob: the right Content-Range with other bytes",
        plays=(On(LAYER_PATH, (cut(LAYER, HALF), part(b"x" * SIZE, "bytes {start}-%d/{size}" % (SIZE - 1)))),),  # noqa: UP031 - a template of the play's
        limits=TWICE,
        waits=True,
    ),
    Scenario(
        name="blob: 416, once",
        plays=(On(LAYER_PATH, (cut(LAYER, HALF), answer(416))),),
        limits="{attempts: 3}",
        waits=True,
    ),
    Scenario(
        name="blob: 416, always",
        plays=(On(LAYER_PATH, (cut(LAYER, HALF),), then=answer(416)),),
        limits=TWICE,
        status=1,
        owner="upstream",
        says=("416",),
        served=KEPT,
        waits=True,
    ),
    Scenario(
        name="blob: missing",
        plays=(On(LAYER_PATH, then=answer(404)),),
        says=(f"lists blob {Digest.of(LAYER)} in a manifest of registry.test/app, but does not have it",),
        status=1,
        owner="upstream",
        served=KEPT,
    ),
    Scenario(
        name="blob: chunked, without a length",
        plays=(On(LAYER_PATH, then=chunked(LAYER, size=100_000)), On(CONFIG_PATH, then=chunked(CONFIG, size=7))),
    ),
    Scenario(
        name="blob: gzip although identity was asked",
        plays=(On(LAYER_PATH, then=answer(200, gzip.compress(LAYER, 1), {"Content-Encoding": "gzip"})),),
        status=1,
        owner="upstream",
        says=(f"its manifest says {SIZE} bytes",),
        served=KEPT,
    ),
    Scenario(
        name="blob: gzip of a small one although identity was asked",
        plays=(On(CONFIG_PATH, then=answer(200, gzip.compress(CONFIG), {"Content-Encoding": "gzip"})),),
        status=1,
        owner="upstream",
        says=("Content-Encoding 'gzip'",),
        served=KEPT,
    ),
    Scenario(
        name="blob: HTTP/1.0",
        plays=(On(LAYER_PATH, then=raw(200, LAYER, {})), On(CONFIG_PATH, then=raw(200, CONFIG, {}))),
    ),
    Scenario(
        name="blob: HTTP/1.0 without a length",
        plays=(
            On(LAYER_PATH, then=raw(200, LAYER, {}, says_length=False)),
            On(CONFIG_PATH, then=raw(200, CONFIG, {}, says_length=False)),
        ),
    ),
    Scenario(
        name="blob: HTTP/1.0 without a length, cut short",
        plays=(On(LAYER_PATH, then=raw(200, LAYER[:HALF], {}, says_length=False)),),
        status=1,
        owner="upstream",
        says=("ended it early",),
        served=KEPT,
    ),
    Scenario(
        name="blob: slow drip",
        plays=(On(LAYER_PATH, then=drip(LAYER, seconds=30)),),
        status=1,
        owner="network",
        says=("sends what was asked for slower than 1024 B/s for 60 s (limits.min_rate)",),
        served=KEPT,
        waits=True,
    ),
    Scenario(
        name="blob: slow drip of a small one",
        plays=(On(CONFIG_PATH, then=drip(CONFIG, seconds=30)),),
        status=1,
        owner="network",
        says=("sends its answer slower than 1024 B/s for 60 s (limits.min_rate)",),
        served=KEPT,
        waits=True,
    ),
    Scenario(
        name="blob: its token expires in the middle",
        plays=(On(LAYER_PATH, (after_revoking(cut(LAYER, HALF)),), then=as_a_registry),),
        access=Tokens,
        limits=TWICE,
        says=("blob.resumed",),
        waits=True,
        asked={"/token": 2},
    ),
    Scenario(name="an upstream at ::1", address="::1"),
)

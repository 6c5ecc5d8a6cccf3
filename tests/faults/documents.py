"""Scenarios of manifests: not what they were asked for as, not to be had, or made to harm who reads them."""

import gzip
import json

from support.plays import drip, raw, round_and_round
from support.scenario import NEW, OLD, On, Scenario
from support.scripted import Play, answer, chunked, cut, page

from mirrord.demo.images import ARM64, BuiltImage, describe, encode, image, index
from mirrord.oci.manifest import Kind, parse_manifest

KEPT = {"1": "old"}
MANIFEST = "GET /v2/app/manifests/"
TYPE = {"Content-Type": Kind.OCI_MANIFEST.media_type}
INDEX = {"Content-Type": Kind.OCI_INDEX.media_type}
RAW = NEW.manifest.raw
BOTH = index(NEW, image("arm", platform=ARM64))
ARM = BOTH.children[1].digest
LIMIT = 8 << 20
NOWHERE = "sha256:" + "0" * 64
LIE = answer(200, b"", {"Docker-Content-Digest": NOWHERE})
WRONG_SIZE = encode(
    {
        "schemaVersion": 2,
        "mediaType": Kind.OCI_INDEX.media_type,
        "manifests": [{**describe(Kind.OCI_MANIFEST.media_type, RAW), "size": len(RAW) + 1}],
    }
)


def refused(name: str, play: Play, *says: str) -> Scenario:
    """A tag whose manifest is no use: what is served stays."""
    return Scenario(
        name=f"manifest: {name}",
        plays=(On("HEAD", then=answer(200)), On(MANIFEST, then=play)),
        status=1,
        owner="upstream",
        says=("registry.test/app:", *says),
        served=KEPT,
    )


SCENARIOS = (
    refused("schema 1 alone", answer(200, b'{"schemaVersion": 1, "fsLayers": []}'), "the retired schema 1"),
    refused("8 MiB + 1", answer(200, b" " * (LIMIT + 1), TYPE), f"more than {LIMIT} bytes (limits.manifest_size)"),
    refused(
        "8 MiB + 1 in chunks",
        chunked(b" " * (LIMIT + 1), TYPE, size=1 << 20),
        f"more than {LIMIT} bytes (limits.manifest_size)",
    ),
    refused("a bomb of depth", answer(200, b'{"layers": ' + b"[" * 200_000, INDEX)),
    refused("a bomb of size", answer(200, b'{"manifests": [' + b"{}," * 2_000_000 + b"{}]}", INDEX), "more than"),
    refused(
        "manifests and layers at once",
        answer(200, json.dumps({"schemaVersion": 2, "manifests": [], "layers": []}).encode(), INDEX),
        "CVE-2021-41190",
    ),
    refused("a page for people", page(), "web page"),
    refused("nothing", answer(200, b"", TYPE)),
    Scenario(
        name="manifest: cut short, always",
        plays=(On(MANIFEST, then=cut(RAW, 20)),),
        status=1,
        owner="network",
        says=("ended the connection in the middle of its answer",),
        served=KEPT,
    ),
    refused(
        "gzip although identity was asked",
        answer(200, gzip.compress(RAW), {**TYPE, "Content-Encoding": "gzip"}),
        "Content-Encoding 'gzip'",
    ),
    Scenario(
        name="manifest: wrong digest",
        plays=(On(MANIFEST, then=answer(200, OLD.manifest.raw, TYPE)),),
        has={"1": BOTH},
        status=1,
        owner="upstream",
        says=("twice; expected", str(OLD.digest)),
        served=KEPT,
    ),
    Scenario(
        name="manifest: wrong digest, once",
        plays=(On(f"{MANIFEST}sha256", (answer(200, b"{damaged"),)),),
        has={"1": BOTH},
        served={"1": BOTH.digest},
    ),
    Scenario(
        name="manifest: wrong size of a child",
        has={"1": BuiltImage(parse_manifest(WRONG_SIZE), children=(NEW,))},
        status=1,
        owner="upstream",
        says=(f"says {len(RAW) + 1} bytes for {NEW.digest}", f"which has {len(RAW)}"),
        served=KEPT,
    ),
    Scenario(
        name="manifest: 404 for a child of an index",
        plays=(On(f"{MANIFEST}{ARM}", then=answer(404)),),
        has={"1": BOTH},
        status=1,
        owner="upstream",
        says=(f"lists {ARM} (linux/arm64/v8) in", "but does not have it", "missing_children: keep"),
        served=KEPT,
    ),
    Scenario(
        name="manifest: 404 for a child of an index that is taken without",
        plays=(On(f"{MANIFEST}{ARM}", then=answer(404)),),
        image='{{name: "{host}/app:1", missing_children: keep}}',
        has={"1": BOTH},
        served={"1": BOTH.digest},
    ),
    Scenario(
        name="manifest: gone",
        plays=(On("/app/manifests/", then=answer(404)),),
        has={},
        says=("kept",),
        served=KEPT,
    ),
    Scenario(
        name="manifest: redirect loop",
        plays=(On("manifests|/a$|/b$", then=round_and_round(("/a", "/b"))),),
        status=1,
        owner="upstream",
        says=("redirects more than 5 times (limits.redirects)",),
        served=KEPT,
        asked={"/": 6},
    ),
    Scenario(name="manifest: chunked, without a length", plays=(On(MANIFEST, then=chunked(RAW, TYPE, size=7)),)),
    Scenario(name="manifest: HTTP/1.0", plays=(On("manifests", then=raw(200, RAW, TYPE, says_length=False)),)),
    Scenario(
        name="manifest: slow drip",
        plays=(On(MANIFEST, then=drip(RAW, seconds=30, headers=TYPE)),),
        status=1,
        owner="network",
        says=("slower than 1024 B/s for 60 s (limits.min_rate)",),
        served=KEPT,
        waits=True,
    ),
    Scenario(
        name="manifest: a digest header that lies",
        plays=(On("HEAD", then=LIE),),
        says=("updated    ",),
        asked={f"GET .*/manifests/{NOWHERE}": 1, "GET .*/manifests/1$": 1},
    ),
    Scenario(
        name="manifest: a digest header that lies of what is held",
        plays=(On("HEAD", then=LIE),),
        has={},
        says=("unchanged",),
        served=KEPT,
    ),
    Scenario(
        name="manifest: a digest header that lies of a pinned tag",
        plays=(On("HEAD", then=LIE),),
        has={},
        image="{host}/app:1@" + str(OLD.digest),
        says=("unchanged",),
        served=KEPT,
    ),
    Scenario(
        name="manifest: a pinned tag that has moved, without a digest header",
        plays=(On("HEAD", then=answer(200)), On(f"{MANIFEST}1", then=answer(200, NEW.manifest.raw, TYPE))),
        image="{host}/app:1@" + str(OLD.digest),
        status=1,
        owner="upstream",
        says=(f"is pinned to {OLD.digest}", f"moved it to {NEW.digest}"),
        served=KEPT,
    ),
    Scenario(
        name="manifest: a digest header that lies of a tag that is gone",
        plays=(On("HEAD", then=LIE), On(f"{MANIFEST}1", then=answer(404))),
        says=("has no manifest 1", "the copy that is served stays"),
        served=KEPT,
    ),
)

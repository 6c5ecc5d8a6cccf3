"""Records: read quickly where they are as they are written, and otherwise with the same verdict in the same words."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from mirrord.errors import MirrordError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.oci.reference import Repository
from mirrord.store.record import Held, Record, Source

A, B = Digest.of(b"a"), Digest.of(b"b", "sha512")
HELD = Held(A, Kind.OCI_INDEX, 7, ("linux/amd64",), (B,), "2026-01-01T00:00:00+00:00", Source.COMMAND)
RECORD = Record(
    "app",
    Repository("registry.test", "app"),
    {"1": HELD, "2": Held(B, Kind.DOCKER_MANIFEST, 1)},
    {B: Held(B, Kind.DOCKER_MANIFEST, 1)},
    {A: ({"digest": str(B), "size": 2**70, "annotations": {"é": "ü"}, "more": 1.10},)},
)
"""Of every part something, and descriptors of what only an upstream would write."""


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The record with something else in it."""
    document = json.loads(RECORD.encode())
    change(document)
    return json.dumps(document).encode()


def verdict(content: bytes) -> Record | str:
    """What is read, or why nothing is."""
    try:
        return Record.parse(content)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MirrordError) as error:
        return f"{type(error).__name__}: {error}"


def slowly(content: bytes) -> bytes:
    """The same words with one more, that only the usual parser passes over."""
    return content.replace(b"{", b'{"one more": 1, ', 1)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "nothing": lambda _: None,
    "another schema": lambda record: record.update(schema="mirrord.record/2"),
    "no name": lambda record: record.pop("name"),
    "a name that leads out": lambda record: record.update(name="../app"),
    "an upstream that is none": lambda record: record.update(upstream={"host": "a b", "path": "app"}),
    "an upstream with more": lambda record: record["upstream"].update(port=1),
    "a tag that is none": lambda record: record["tags"].update({"../1": record["tags"]["1"]}),
    "a kind that is none": lambda record: record["tags"]["1"].update(kind="oci"),
    "a digest that is none": lambda record: record["tags"]["1"].update(digest="sha256:12"),
    "a digest that is a number": lambda record: record["tags"]["1"].update(digest=1),
    "a size in words": lambda record: record["tags"]["1"].update(size="seven"),
    "a size as a text": lambda record: record["tags"]["1"].update(size="7"),
    "a size of 7.5": lambda record: record["tags"]["1"].update(size=7.5),
    "a size that is true": lambda record: record["tags"]["1"].update(size=True),
    "a size of nothing": lambda record: record["tags"]["1"].update(size=None),
    "a size beyond all": lambda record: record["tags"]["1"].update(size=2**70),
    "a platform with markup": lambda record: record["tags"]["1"].update(platforms=["<b>"]),
    "a platform of a list": lambda record: record["tags"]["1"].update(platforms=[["linux"]]),
    "a child that is none": lambda record: record["tags"]["1"].update(children=["x"]),
    "a time with markup": lambda record: record["tags"]["1"].update(first_seen="<b>"),
    "no time": lambda record: record["tags"]["1"].pop("first_seen"),
    "a source that is none": lambda record: record["tags"]["1"].update(source="?"),
    "an unknown key": lambda record: record["tags"]["1"].update(more=1),
    "tags in a list": lambda record: record.update(tags=[]),
    "half a pair in a referrer": lambda record: record["referrers"][str(A)][0].update(more="\ud800"),
    "a number beyond all in a referrer": lambda record: record["referrers"][str(A)][0].update(more=float("inf")),
    "a referrer of nothing": lambda record: record["referrers"].update(x=[]),
    "a referrer without a digest": lambda record: record["referrers"].update({str(A): [{}]}),
    "referrers that are none": lambda record: record.update(referrers=None),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_both_ways_of_reading_have_one_verdict(change: Callable[[dict[str, Any]], object]) -> None:
    """A record that is as it is written, and one that is not: the same value, or the same refusal."""
    assert verdict(changed(change)) == verdict(slowly(changed(change)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"size":7', b'"size":9,"size":7'),
        (b'"tags":{', b'"tags":{},"tags":{'),
        (b'"more":1.1', b'"more":1e400'),
        (b'"more":1.1', b'"more":1,"more":-0.0'),
        (b'"size":7', b'"size":' + b"7" * 5000),
        (b'"size":7', b'"size":7e400'),
        (b'"size":7', b'"size":NaN'),
        (b'"size":7', b'"size":07'),
        (b'"oci-index"', b'"oci-\\u0069ndex"'),
        (b'"name":"app"', b'"name":"\xff"'),
        (b'"name":"app"', '"name":"é"'.encode()),
        (b'"referrers":', b'"referrers":{},"referrers":' + b"[" * 30_000),
    ],
)
def test_other_bytes_have_one_verdict_too(old: bytes, new: bytes) -> None:
    """Keys twice (the last is meant), numbers that are none, escapes, what is no UTF-8: as ever."""
    content = RECORD.encode().replace(old, new, 1)
    assert content != RECORD.encode()
    quick, slow = (_told(each) for each in (content, slowly(content)))
    assert quick == slow


def _told(content: bytes) -> str:
    try:
        return re.sub(r" in position \d+|: line .*", "", str(verdict(content)))  # one more word is one more place
    except RecursionError:
        return "nested too deeply"


def test_a_record_reads_back_as_it_was() -> None:
    """Descriptors keep an upstream's very numbers and texts: documents that are served are made of them."""
    read = Record.parse(RECORD.encode())
    assert read == RECORD
    assert read.encode() == RECORD.encode()

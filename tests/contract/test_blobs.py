"""Blobs, whole and in parts, from both servers."""

import re

import pytest
from support.readers import Answer, Server
from support.world import World

from mirrord.oci.digest import Digest

SIZE = 2 << 20


@pytest.fixture
def layer(world: World) -> tuple[str, bytes]:
    """The path and the bytes of a layer that is sent in several pieces."""
    digest, content = world.layer
    assert len(content) > SIZE
    return f"/v2/nginx/blobs/{digest}", content


def test_a_blob_comes_whole(server: Server, layer: tuple[str, bytes]) -> None:
    """True: the bytes, their length and digest, as what they are: octets, for ever."""
    path, content = layer
    answer = server.ask(path)
    assert answer.status == 200
    assert answer.body == content
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["docker-content-digest"] == str(Digest.of(content))
    assert answer.headers["etag"] == f'"{Digest.of(content)}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("coding", ["gzip", "gzip, zstd, deflate, br", "identity;q=0, *"])
def test_a_blob_is_never_compressed(server: Server, layer: tuple[str, bytes], coding: str) -> None:
    """It is compressed already, and what is sent has to have its digest and its length."""
    path, content = layer
    answer = server.ask(path, headers={"Accept-Encoding": coding})
    assert (answer.status, answer.body) == (200, content)
    assert "content-encoding" not in answer.headers


def test_head_tells_the_length_and_sends_nothing(server: Server, layer: tuple[str, bytes]) -> None:
    """HEAD is GET without the body."""
    path, content = layer
    answer = server.ask(path, "HEAD", {"Accept-Encoding": "gzip, zstd, deflate"})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(content))


def test_empty_and_sha512_blobs_are_blobs(server: Server, world: World) -> None:
    """No byte and another algorithm are no special case."""
    empty, long = server.ask(f"/v2/nginx/blobs/{world.empty}"), server.ask(f"/v2/nginx/blobs/{world.long}")
    assert (empty.status, empty.body, empty.headers["content-length"]) == (200, b"", "0")
    assert (long.status, long.body, long.headers["docker-content-digest"]) == (200, b"long", str(world.long))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=1500000-", 1_500_000, None),
        ("bytes=-7", -7, None),
        ("bytes=-1500000", -1_500_000, None),
        ("bytes=5-99999999999", 5, None),
        ("bytes=-99999999999", 0, None),
    ],
)
def test_a_part_comes_as_206(
    server: Server, layer: tuple[str, bytes], asked: str, start: int, stop: int | None
) -> None:
    """A resumed download gets exactly the bytes it lacks, from the first or from the end."""
    path, content = layer
    expected = content[start:stop]
    begin = start if start >= 0 else len(content) + start
    answer = server.ask(path, headers={"Range": asked})
    assert answer.status == 206
    assert answer.body == expected
    assert answer.headers["content-range"] == f"bytes {begin}-{begin + len(expected) - 1}/{len(content)}"
    assert answer.headers["docker-content-digest"] == str(Digest.of(content))


@pytest.mark.parametrize("asked", ["bytes=a-b", "lines=1-2", "bytes=", "bytes=9-1"])
def test_a_range_that_can_not_be_read_is_none(server: Server, layer: tuple[str, bytes], asked: str) -> None:
    """The whole blob, or 416: never bytes that were not asked for."""
    path, content = layer
    answer = server.ask(path, headers={"Range": asked})
    assert answer.status == 416 or (answer.status, answer.body) == (200, content)


def test_several_suffixes_are_never_416(server: Server, layer: tuple[str, bytes]) -> None:
    """Parts from the end, some larger than the blob, and some that overlap: multipart or the whole."""
    path, content = layer
    answer = server.ask(path, headers={"Range": "bytes=0-99, -7, 5-9"})
    assert answer.status in {200, 206}
    found = [content] if answer.status == 200 else parts_of(answer)
    assert found in ([content], [content[:100], content[-7:], content[5:10]])


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_part_that_is_not_there_is_416(server: Server, layer: tuple[str, bytes], asked: str) -> None:
    """The answer tells how long the blob is, so that a client can begin anew."""
    path, content = layer
    answer = server.ask(path, headers={"Range": asked})
    assert (answer.status, answer.code) == (416, "UNSUPPORTED")
    assert answer.headers["content-range"] == f"bytes */{len(content)}"
    assert answer.headers["content-type"] == "application/json"


def test_several_parts_come_in_one_answer_or_as_the_whole(server: Server, layer: tuple[str, bytes]) -> None:
    """c/image asks for several ranges: it takes multipart (nginx) or everything (embedded)."""
    path, content = layer
    answer = server.ask(path, headers={"Range": "bytes=0-9,20-29"})
    if answer.status == 200:
        assert answer.body == content
    else:
        assert answer.status == 206
        assert parts_of(answer) == [content[0:10], content[20:30]]


def parts_of(answer: Answer) -> list[bytes]:
    """The bodies of a multipart/byteranges answer."""
    boundary = re.fullmatch("multipart/byteranges; boundary=(.+)", answer.headers["content-type"])
    assert boundary
    pieces = answer.body.split(b"--" + boundary[1].encode())[1:-1]
    return [piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces]


@pytest.mark.parametrize(("condition", "status"), [("the digest", 206), ('"another"', 200)])
def test_a_range_counts_only_while_its_condition_holds(
    server: Server, layer: tuple[str, bytes], condition: str, status: int
) -> None:
    """If-Range with the ETag, which is the digest: the same from every server of the blob."""
    path, content = layer
    etag = f'"{Digest.of(content)}"' if condition == "the digest" else condition
    answer = server.ask(path, headers={"Range": "bytes=1-3", "If-Range": etag})
    assert (answer.status, answer.body) == (status, content[1:4] if status == 206 else content)


def test_a_client_that_has_the_blob_gets_304(server: Server, layer: tuple[str, bytes]) -> None:
    """A cache need not fetch what it holds."""
    path, content = layer
    answer = server.ask(path, headers={"If-None-Match": f'"{Digest.of(content)}"'})
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.parametrize("repository", ["nginx", "absent", "quay.io/x/y"])
def test_a_missing_blob_is_blob_unknown(server: Server, world: World, repository: str) -> None:
    """Also where another repository has it: a repository holds what it names, and no more."""
    digest = Digest.of(b"absent") if repository == "nginx" else world.layer[0]
    answer = server.ask(f"/v2/{repository}/blobs/{digest}")
    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")

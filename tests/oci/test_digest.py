"""Digests: the grammar, and hashing."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrord.errors import InvalidDigestError
from mirrord.oci.digest import Algorithm, Digest

quick = settings(deadline=None, max_examples=100)
algorithms: st.SearchStrategy[Algorithm] = st.sampled_from(["sha256", "sha512"])


@quick
@given(st.binary(max_size=200), algorithms)
def test_a_digest_reads_back_as_itself(content: bytes, algorithm: Algorithm) -> None:
    """True: what is written as a digest is read as the same digest, and hashlib agrees with its hex."""
    digest = Digest.of(content, algorithm)
    assert Digest.parse(str(digest)) == digest
    assert str(digest) == f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


@quick
@given(st.lists(st.binary(max_size=50), max_size=6), algorithms)
def test_bytes_hash_alike_in_pieces_and_whole(pieces: list[bytes], algorithm: Algorithm) -> None:
    """True: a stream hashed chunk by chunk, memoryviews too, gives the digest of the whole."""
    whole = b"".join(pieces)
    hasher = Digest.of(whole, algorithm).hasher()
    for piece in pieces:
        hasher.update(memoryview(piece))
    assert hasher.hexdigest() == Digest.of(whole, algorithm).hex
    assert Digest.of(whole, algorithm).matches(whole)


@quick
@given(st.binary(min_size=1, max_size=100), algorithms, st.data())
def test_a_flipped_bit_does_not_match(content: bytes, algorithm: Algorithm, data: st.DataObject) -> None:
    """True: content with any one bit flipped is told from the content of the digest."""
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not Digest.of(content, algorithm).matches(bytes(flipped))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha512:" + "a" * 64,
        "sha256:" + "a" * 128,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "SHA256:" + "a" * 64,
        "sha1:" + "a" * 40,
        "sha384:" + "a" * 96,
        "sha256+b64u:" + "a" * 43,
        " sha256:" + "a" * 64,
        "sha256:" + "a" * 64 + "\n",
        "sha256:" + "a" * 63 + "\u0661",
        "sha256-" + "a" * 64,
        "sha256:../../../../etc/passwd",
        "x" * 100_000,
    ],
)
def test_what_is_no_whole_known_lower_case_digest_is_refused(text: str) -> None:
    """A digest becomes a file name: nothing but the exact grammar passes, and the message stays short."""
    with pytest.raises(InvalidDigestError, match="is not a digest; expected sha256") as refused:
        Digest.parse(text)
    assert len(str(refused.value)) < 400


@quick
@given(st.text(max_size=80) | st.from_regex(r"sha(256|512):[0-9a-fA-F]{0,130}\n?", fullmatch=True))
def test_any_text_is_a_digest_or_refused(text: str) -> None:
    """Whatever the text: a digest that is written exactly so, or InvalidDigestError."""
    try:
        digest = Digest.parse(text)
    except InvalidDigestError:
        return
    assert str(digest) == text

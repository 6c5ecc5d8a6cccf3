"""What another tool or another mirror hands over, fuzzed: configs to import, and the list of a bundle."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from support.spoil import spoiled_json, spoiled_text, taken

from mirrord.config.importers.recognise import import_config
from mirrord.config.loader import load
from mirrord.demo.images import image
from mirrord.errors import ConfigError
from mirrord.oci.digest import Digest
from mirrord.oci.reference import is_local_name
from mirrord.store.bundle import Bundle, BundleError, Member, Role, length_of, tar_header
from mirrord.store.layout import snapshot_sequence

fuzz = pytest.mark.fuzz
calm = settings.get_profile("fuzz")

SAMPLES = Path(__file__).parents[1] / "config" / "imports"
APP = image("a")
BUNDLE = Bundle(
    "00000007-20240101T000000Z",
    "2024-01-01T00:00:00+00:00",
    "a-host.example",
    "00000006-20240101T000000Z",
    (
        Member(Role.RECORD, Digest.of(b"1"), 1, "team/app"),
        Member(Role.MANIFEST, APP.digest, len(APP.manifest.raw), kind=APP.manifest.kind),
        Member(Role.BLOB, Digest.of(b"2"), 513),
    ),
)


@fuzz("imports")
@calm
@given(spoiled_text(*(path.read_text() for path in sorted(SAMPLES.iterdir())), "nginx:1.27\nquay.io/x/y:1\n"))
def test_an_import_gives_a_config_that_loads(tmp_path: Path, text: str) -> None:
    """Whatever the file: a config that loads, each leftover with a line of the file, or an error of the config."""
    done, words = taken(lambda: import_config(text, "its.yml", "/srv"), ConfigError)
    if done is None:
        assert "its.yml" in words
        return
    config = tmp_path / "mirrord.yaml"
    config.write_text(done.text)
    load(config)
    assert all(0 < left.line <= len(text.splitlines()) for left in done.leftovers)
    assert all(left.what and left.reason for left in done.leftovers)


@fuzz("lists of bundles")
@calm
@given(spoiled_json(json.loads(BUNDLE.encode())))
def test_the_list_of_a_bundle_is_read_or_refused(raw: bytes) -> None:
    """What is taken has names and sizes of their grammar alone: they become paths, and places in a file."""
    bundle, words = taken(lambda: Bundle.parse(raw), BundleError)
    assert len(words) < 2000
    if bundle is None:
        return
    assert snapshot_sequence(bundle.snapshot) is not None
    assert bundle.origin.isprintable()
    assert length_of(len(raw), bundle.members) > 0
    for member in bundle.members:
        assert len(tar_header(member.name, member.size)) == 512
        assert (member.role is Role.RECORD) == is_local_name(member.repository)

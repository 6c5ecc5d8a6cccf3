"""Publications: what they build, what they leave alone, and what a failure leaves behind."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mirrord.demo.images import image
from mirrord.errors import HostError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.oci.reference import Repository
from mirrord.store.change import Change
from mirrord.store.layout import Layout
from mirrord.store.publish import Publication, publish
from mirrord.store.record import Held
from mirrord.store.root import create
from mirrord.store.snapshot import Reason, Turn
from mirrord.store.tree import Tree

UPSTREAM = Repository("registry.test", "app")
WHY = Reason("run", "test")
WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def held(seed: str) -> Held:
    """What a record says of an image made from ``seed``."""
    return Held(image(seed).digest, Kind.OCI_MANIFEST, 100, first_seen=f"seen {seed}")


def tagged(name: str, tags: Mapping[str, str], dropped: frozenset[str] = frozenset()) -> Change:
    """A change that lets tags name images by their seeds."""
    return Change(name, UPSTREAM, {tag: held(seed) for tag, seed in tags.items()}, dropped)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A fresh root."""
    return create(tmp_path / "root")


def published(layout: Layout, sequence: int, *changes: Change) -> Publication:
    """Publish, and expect that something changed."""
    found = publish(layout, changes, Turn(sequence, WHEN), WHY)
    assert found is not None
    return found


def test_a_publication_serves_all_repositories_together(layout: Layout) -> None:
    """Atomic: one symlink names the snapshot; catalog, lists and tags of all repositories are in it."""
    found = published(layout, 1, tagged("app", {"1": "a", "2": "b"}), tagged("team/other", {"x": "c"}))
    tree = Tree(layout)
    assert tree.snapshot() == found.snapshot
    assert tree.repositories() == ("app", "team/other")
    assert json.loads(tree.tag_list_file("app").read_bytes()) == {"name": "app", "tags": ["1", "2"]}
    by_tag = tree.by_tag("team/other", "x")
    assert by_tag is not None
    assert by_tag.digest == held("c").digest
    assert (found.repositories, found.tags) == (2, 3)


def test_nothing_changed_is_no_publication(layout: Layout) -> None:
    """A change to what is served already makes no snapshot and no generation."""
    published(layout, 1, tagged("app", {"1": "a"}))
    assert publish(layout, [tagged("app", {"1": "a"})], Turn(2, WHEN), WHY) is None
    assert len(os.listdir(layout.snapshots)) == 1
    assert os.listdir(layout.staging) == ["trash"]


def test_a_change_is_rebased_on_what_is_served_now(layout: Layout) -> None:
    """Hole 8: tags a change does not name stay as the newest snapshot has them."""
    published(layout, 1, tagged("app", {"1": "a", "2": "b"}))
    published(layout, 2, tagged("app", {"2": "b2"}))
    published(layout, 3, tagged("app", {"3": "c"}, frozenset({"1"})))
    record = Tree(layout).record("app")
    assert record is not None
    assert {tag: each.digest for tag, each in record.tags.items()} == {"2": held("b2").digest, "3": held("c").digest}


def test_an_unchanged_tag_keeps_its_first_sight(layout: Layout) -> None:
    """When a tag first had its digest survives later publications and is renewed when it moves."""
    published(layout, 1, tagged("app", {"1": "a"}))
    again = Held(held("a").digest, Kind.OCI_MANIFEST, 200, first_seen="later")
    published(layout, 2, Change("app", UPSTREAM, {"1": again}))
    record = Tree(layout).record("app")
    assert record is not None
    assert record.tags["1"].first_seen == "seen a"


def test_unchanged_repositories_and_tags_are_links_of_what_was(layout: Layout) -> None:
    """A publication costs one directory entry an unchanged repository, and one an unchanged tag of a changed one."""
    published(layout, 1, tagged("app", {"1": "a", "2": "b"}), tagged("other", {"x": "c"}))
    before = os.lstat(layout.current / "other").st_ino
    tag = os.lstat(layout.current / "app" / "tags" / "1").st_ino
    published(layout, 2, tagged("app", {"2": "b2"}))
    assert os.lstat(layout.current / "other").st_ino == before
    assert os.lstat(layout.current / "app" / "tags" / "1").st_ino == tag
    assert (layout.current / "app" / "tags" / "1").is_symlink()  # Hole 18: the link itself, not its target


def test_a_repository_without_tags_leaves_the_snapshot(layout: Layout) -> None:
    """Dropping the last tag takes the repository out of the catalog; the older snapshot still names it."""
    first = published(layout, 1, tagged("app", {"1": "a"}), tagged("other", {"x": "c"}))
    found = published(layout, 2, tagged("app", {}, frozenset({"1"})))
    assert found.removed == ("app",)
    assert Tree(layout).repositories() == ("other",)
    assert (layout.snapshots / first.snapshot / "app").is_symlink()


def test_referrers_go_with_their_subject(layout: Layout) -> None:
    """A referrers document is served while its subject is, and not after."""
    subject = held("a").digest
    entry = {"mediaType": Kind.OCI_MANIFEST.media_type, "digest": str(held("s").digest), "size": 5}
    published(layout, 1, Change("app", UPSTREAM, {"1": held("a")}, referrers={subject: (entry,)}))
    document = json.loads(Tree(layout).referrers_file("app", subject).read_bytes())
    assert document["manifests"] == [entry]
    published(layout, 2, tagged("app", {"1": "b"}))
    assert not Tree(layout).referrers_file("app", subject).exists()


def test_a_failed_publication_changes_nothing_and_leaves_nothing(layout: Layout) -> None:
    """Last good stays: an error while building leaves what is served, and no half-built directory."""
    first = published(layout, 1, tagged("app", {"1": "a"}))
    (layout.generations / "blocked").write_text("in the way")
    with pytest.raises(HostError, match="blocked"):
        publish(layout, [tagged("app", {"1": "b"}), tagged("blocked", {"1": "c"})], Turn(2, WHEN), WHY)
    assert Tree(layout).snapshot() == first.snapshot
    assert os.listdir(layout.staging) == ["trash"]
    assert len(os.listdir(layout.generations / "app")) == 1
    assert os.listdir(layout.snapshots) == [first.snapshot]


@pytest.mark.parametrize("serving", [0, 1])
def test_what_a_failed_publication_could_not_discard_is_never_history(layout: Layout, serving: int) -> None:
    """A snapshot that was built and never served goes before the next is built: nobody can go back to it."""
    for sequence in range(1, serving + 1):
        published(layout, sequence, tagged("app", {"1": "a"}))
    (layout.snapshots / "00000002-20260101T000000Z").mkdir()
    found = published(layout, 3, tagged("app", {"1": "b"}))
    assert len(os.listdir(layout.snapshots)) == serving + 1
    assert Tree(layout).snapshot() == found.snapshot


def test_a_dangling_current_is_the_hosts_to_mend(layout: Layout) -> None:
    """A served snapshot that is gone is never taken for an empty mirror."""
    published(layout, 1, tagged("app", {"1": "a"}))
    layout.current.unlink()
    layout.current.symlink_to("snapshots/00000009-20260101T000000Z")
    with pytest.raises(HostError, match="gone"):
        publish(layout, [tagged("app", {"1": "b"})], Turn(2, WHEN), WHY)


def test_a_damaged_record_is_the_hosts_to_mend(layout: Layout) -> None:
    """A record that does not parse fails the publication rather than dropping its tags."""
    published(layout, 1, tagged("app", {"1": "a"}))
    path = (layout.current / "app").resolve() / "record.json"
    path.unlink()
    path.write_text("{}")
    with pytest.raises(HostError, match="does not parse"):
        publish(layout, [tagged("app", {"1": "b"})], Turn(2, WHEN), WHY)
    assert Digest.of(b"") != held("a").digest

"""Every kind of damage to every kind of file: found, named, and mended where anything has what is lost."""

import re

import pytest
from support.closed import check_tree
from support.damage import ON_DIRECTORIES, ON_FILES, ON_LINKS, Model, damages_for, seen, targets
from support.mirror import Mirror
from support.scripted import Scripted
from support.verifying import about, repaired, verified

from mirrord.errors import HostError
from mirrord.store.tree import Tree

FILES = (
    "a layer in the pool",
    "a large layer in the pool",
    "a config in the pool",
    "an index in the pool",
    "a file of the pool that nothing links to",
    "a layer",
    "a config",
    "a manifest",
    "an index",
    "a manifest that is pinned",
    "a referrer",
    "a Docker list that an older snapshot names",
    "a tag list",
    "a record",
    "a record of before",
    "a referrers document",
    "a catalog",
    "a snapshot's note",
    "the root's mark",
)
LINKS = ("a tag", "a snapshot's link", "an older snapshot's link", "the served snapshot's name")
DIRECTORIES = (
    "a directory of the pool",
    "a directory of blobs",
    "a directory of manifests",
    "a directory above repositories",
    "a generation",
    "a directory of tags",
    "a directory of referrers",
    "a directory of generations",
    "the served snapshot",
)
ALL = [
    (what, damage)
    for kind, damages in ((FILES, ON_FILES), (LINKS, ON_LINKS), (DIRECTORIES, ON_DIRECTORIES))
    for what in kind
    for damage in damages
]


def test_every_kind_of_path_is_damaged(copy: tuple[Mirror, Scripted]) -> None:
    """The list below has every kind of path that the tree has, and the tree has some 200 files."""
    root = copy[0].root
    assert {what for what, _ in ALL} == set(targets(root))
    for what, path in targets(root).items():
        assert list(damages_for(path)) == [damage for each, damage in ALL if each == what]
    assert sum(1 for path in seen(root).values() if path.says) >= 200


async def test_a_whole_tree_has_no_finding(copy: tuple[Mirror, Scripted]) -> None:
    """Nothing is wrong with what syncs made; what no repository links to is counted."""
    found = await verified(copy[0].root)
    assert found.findings == ()
    assert found.unlinked == 1
    assert found.files > 100


MODES = ("a mode too open", "a mode too closed")
REFUSED = (
    *[("the root's mark", damage) for damage in ON_FILES if damage not in {*MODES, "a byte too many"}],
    ("a directory of the pool", "a link in its place"),
)
"""Whoever writes refuses such a root, and says what to do."""
GIVEN_UP = (
    *[("a record", damage) for damage in ON_FILES if damage not in MODES],
    *[("a generation", damage) for damage in ON_DIRECTORIES if damage not in MODES],
    *[("a directory of generations", damage) for damage in ON_DIRECTORIES if damage not in MODES],
    *[("the served snapshot", damage) for damage in ON_DIRECTORIES if damage not in MODES],
)
"""Nothing else has the record of the served generation: what is served instead is sound, and a sync does the rest."""
NOTHING_LOST = ("a file of the pool that nothing links to", "deletion")


def mended(what: str, damage: str) -> bool:
    """Whether a repair makes the tree what it was."""
    return (what, damage) not in {*REFUSED, *GIVEN_UP, NOTHING_LOST}


@pytest.mark.parametrize(("what", "damage"), [each for each in ALL if mended(*each)])
async def test_damage_is_found_and_mended(model: Model, copy: tuple[Mirror, Scripted], what: str, damage: str) -> None:
    """None missed: each kind of damage to each kind of path is found and named; a repair makes the tree what it was."""
    mirror, _ = copy
    root, before = mirror.root, dict(model.seen)
    path = targets(root)[what]
    damages_for(path)[damage](path)
    assert about((await verified(root)).findings, path, root)
    repair = await repaired(mirror)
    assert repair.left == ()
    assert repair.problems == ()
    after = seen(root)
    if what == "a file of the pool that nothing links to" and damage not in MODES:
        assert str(path.relative_to(root)) not in after  # nobody needs it
    if what in {"a file of the pool that nothing links to", "a snapshot's note"}:  # why it was made, nobody knows now
        for tree in (before, after):
            tree.pop(str(path.relative_to(root)), None)
    assert after == before
    check_tree(root)


@pytest.mark.parametrize(("what", "damage"), GIVEN_UP)
async def test_what_only_the_served_generation_said_is_made_good_by_a_sync(
    copy: tuple[Mirror, Scripted], what: str, damage: str
) -> None:
    """A repair leaves a sound tree served, what is left of it or an older one; the next sync serves all of it again."""
    mirror, _ = copy
    root, tree = mirror.root, Tree(mirror.layout)
    before = {name: tree.tags(name) for name in tree.repositories()}
    path = targets(root)[what]
    damages_for(path)[damage](path)
    assert about((await verified(root)).findings, path, root)
    repair = await repaired(mirror)
    assert {each.path.split("/")[0] for each in repair.left} <= {"generations"}  # of a snapshot that is served no more
    check_tree(root)
    await mirror.sync()
    assert {name: tree.tags(name) for name in tree.repositories()} == before
    assert (await repaired(mirror)).problems == ()


@pytest.mark.parametrize(("what", "damage"), REFUSED)
async def test_a_root_that_no_writer_takes_is_told_apart(copy: tuple[Mirror, Scripted], what: str, damage: str) -> None:
    """A root without a right mark, or whose pool leads elsewhere, is for a person to mend: the error names the path."""
    mirror, _ = copy
    path = targets(mirror.root)[what]
    damages_for(path)[damage](path)
    with pytest.raises(HostError, match=re.escape(path.name)):
        await repaired(mirror)

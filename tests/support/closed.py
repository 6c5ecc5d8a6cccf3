"""The check behind the promises Closed and True, written apart from the product: every name, followed and hashed."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any


def check_tree(root: Path) -> int:
    """Follow every tag of the served snapshot to every manifest, recorded child and blob, and hash it all.

    Fails on anything missing, untrue, unreadable to nginx, or kept more than once. Gives the number of files hashed.
    """
    current = root / "current"
    if not os.path.lexists(current):
        return 0
    snapshot = current.resolve(strict=True)
    assert snapshot.parent == root / "snapshots"
    catalog = json.loads((snapshot / "_catalog.json").read_bytes())["repositories"]
    entries = {entry.name for entry in os.scandir(snapshot) if not entry.name.startswith("_")}
    assert entries == {name.replace("/", "!") for name in catalog}
    hashed: dict[Path, str] = {}
    for repository in catalog:
        _check_repository(root, snapshot, repository, hashed)
    for directory, _, names in os.walk(root / "content"):
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o755, directory
        for name in names:
            status = os.lstat(os.path.join(directory, name))
            assert status.st_nlink > 1, f"{directory}/{name} is kept apart from the pool"
            assert stat.S_IMODE(status.st_mode) == 0o444
    return len(hashed)


def _check_repository(root: Path, snapshot: Path, repository: str, hashed: dict[Path, str]) -> None:
    generation = (snapshot / repository.replace("/", "!")).resolve(strict=True)
    record = json.loads((generation / "record.json").read_bytes())
    tags = sorted(os.listdir(generation / "tags"))
    assert json.loads((generation / "list.json").read_bytes()) == {"name": repository, "tags": tags}
    assert sorted(record["tags"]) == tags
    content = root / "content" / repository
    for tag in tags:
        link = generation / "tags" / tag
        assert link.is_symlink()
        target = link.resolve(strict=True)
        assert target.parent == content / "_manifests"
        assert target.name.startswith(record["tags"][tag]["digest"])
        _check_manifest(content, target, record["tags"][tag]["children"], hashed)
    for held in record["digests"].values():
        _check_manifest(content, _manifest(content, held["digest"]), held["children"], hashed)
    for name in os.listdir(generation / "referrers"):
        for entry in json.loads((generation / "referrers" / name).read_bytes())["manifests"]:
            _check_manifest(content, _manifest(content, entry["digest"]), [], hashed)


def _check_manifest(content: Path, path: Path, children: list[str], hashed: dict[Path, str]) -> None:
    digest = path.name.rpartition(".")[0]
    document: Any = json.loads(_true(path, digest, hashed))
    if "manifests" in document:
        listed = {entry["digest"] for entry in document["manifests"]}
        for child in listed.intersection(children):
            _check_manifest(content, _manifest(content, child), children, hashed)
        return
    for blob in (document["config"], *document["layers"]):
        if not blob.get("urls"):
            found = _true(content / "_blobs" / blob["digest"], blob["digest"], hashed)
            assert len(found) == blob["size"]


def _manifest(content: Path, digest: str) -> Path:
    found = [path for path in (content / "_manifests").iterdir() if path.name.startswith(f"{digest}.")]
    assert len(found) == 1, f"{digest} is not in {content}"
    return found[0]


def _true(path: Path, digest: str, hashed: dict[Path, str]) -> bytes:
    raw = path.read_bytes()
    if path not in hashed:
        algorithm, _, expected = digest.partition(":")
        hashed[path] = hashlib.new(algorithm, raw).hexdigest()
        assert hashed[path] == expected, f"{path} does not hash to its name"
    return raw

"""Mirrors as the page shows them: trees and status documents made by hand, for what a real run seldom comes to."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.tree import ScratchTree

from mirrord.demo import images
from mirrord.store.layout import Layout, flat_name

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
"""What an upstream could say."""
TURNED = "safe\u202egnp.exe"
"""A name that reads otherwise than it is, where the direction of text is obeyed."""


def ago(**past: float) -> str:
    """A time, as the status has it."""
    return (datetime.now(UTC) - timedelta(**past)).isoformat(timespec="seconds")


def image(**given: object) -> dict[str, Any]:
    """A fresh image, as the status has it."""
    usual = {
        "group": "default",
        "stale_after": 172_800.0,
        "digest": "sha256:" + "a" * 64,
        "checked": (checked := ago(minutes=9)),
        "succeeded": checked,
        "changed": ago(days=3),
        "state": "unchanged",
        "note": "",
        "error": None,
    }
    return {**usual, **given}


def error(owner: str, text: str, **given: object) -> dict[str, Any]:
    """What is wrong with one."""
    return {"owner": owner, "text": text, "since": ago(hours=5), "retry": None, **given}


def status(shown: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A whole status document."""
    group = {"schedule": "23 */6 * * *", "stale_after": 172_800.0, "together": False, "begun": ago(minutes=9)}
    times = {"ended": ago(minutes=9), "succeeded": ago(minutes=9), "next": ago(hours=-5), "next_is_retry": False}
    disk = {"total": 500_000_000_000, "free": 220_000_000_000, "reserve": 5_368_709_120}
    return {
        "schema": "mirrord.status/1",
        "version": "1.0",
        "written": ago(minutes=9),
        "snapshot": "00000001-20240101T000000Z",
        "config": "",
        "config_error": None,
        "public_url": None,
        "disk": disk,
        "upstreams": {"docker.io": {"remaining": 41, "limit": 100, "window_seconds": 21_600, "seen": ago(minutes=9)}},
        "groups": {"default": {**group, **times}},
        "images": shown,
    }


def write(layout: Layout, name: str, document: object) -> None:
    """Put a document below ``status/``."""
    path = layout.status / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def troubled(root: Path) -> ScratchTree:
    """A mirror with an image of each state, and texts that would like to be markup."""
    tree = ScratchTree(root)
    tree.publish({"app": {"1": images.image("one"), "2": images.image("two")}})
    shown = {
        "app:1": image(),
        "app:2": image(succeeded=ago(days=4), checked=ago(days=4)),
        "gone:1": image(error=error("upstream", HOSTILE)),
        "net:1": image(error=error("network", f"no route to {TURNED}")),
        "slow:1": image(error=error("upstream", "too many requests", retry=ago(hours=-1)), state="deferred"),
        f"odd:{HOSTILE}": image(note=HOSTILE),
    }
    write(tree.layout, "status.json", status(shown))
    run = {"run": "a", "group": HOSTILE, "begun": ago(hours=1), "ended": ago(minutes=59), "seconds": 12.5}
    counts = {"counts": {"unchanged": 1, "failed": 2, "deferred": 1}, "failed_by_owner": {}, "snapshots": []}
    counts["pulls_left"] = {"docker.io": 41}
    sums = {"requests": 9, "bytes_fetched": 123_456, "blobs_fetched": 2, "bytes_linked": 0, "held": None}
    write(tree.layout, "misses.json", missed())
    problem = {"problem": {"owner": "host", "text": HOSTILE}}
    write(tree.layout, "runs.jsonl", json.dumps({**run, **counts, **sums, **problem}) + "\n")
    return tree


def missed() -> dict[str, Any]:
    """What clients asked for, as `mirrord misses --write` leaves it."""
    counted = {"times": 7, "clients": 64, "clients_are_more": True, "last": ago(hours=2)}
    misses = [
        {"name": "redis:7", "line": "- redis:7", "note": "", "standing": "absent", **counted},
        {"name": "app:9", "line": "", "note": f"blocked since today ({HOSTILE})", "standing": "blocked", **counted},
    ]
    return {"schema": "mirrord.misses/1", "written": ago(minutes=3), "since": None, "misses": misses}


def crowded(root: Path, tags: int = 5000) -> ScratchTree:
    """A mirror of one repository with very many tags."""
    tree = ScratchTree(root)
    tree.publish({"many": {"1": images.image("one")}})
    names = [f"{number // 100}.{number // 10 % 10}.{number % 10}-alpine" for number in range(tags - 1)] + ["needle"]
    held = {
        name: {
            "digest": f"sha256:{at:064x}",
            "kind": "oci-index",
            "size": 40_000_000 + at,
            "alone": None,
            "platforms": ["linux/amd64", "linux/arm64/v8"],
            "first_seen": ago(days=at % 300),
            "source": "config",
            "attached": [],
            "attached_count": 0,
        }
        for at, name in enumerate(dict.fromkeys(names))
    }
    note = {"schema": "mirrord.repository/1", "name": "many", "upstream": "docker.io/library/many", "digests": []}
    write(tree.layout, "repositories/many.json", {**note, "tags": held, "history": {}})
    write(tree.layout, "status.json", status({f"many:{name}": image() for name in held}))
    listed = tree.layout.current / flat_name("many") / "list.json"
    listed.write_text(json.dumps({"name": "many", "tags": sorted(held)}))
    return tree

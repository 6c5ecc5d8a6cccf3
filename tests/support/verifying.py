"""Verifying and repairing a mirror under test in this process."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.mirror import Mirror

from mirrord.config.loader import load
from mirrord.store.layout import Layout
from mirrord.store.reader import Reader
from mirrord.store.store import open_store
from mirrord.store.verify import verify
from mirrord.store.verify_finding import Finding, Verification
from mirrord.store.verify_pace import Pacer
from mirrord.store.verify_pool import Progress
from mirrord.sync.repair import Repair, verify_and_repair


async def verified(root: Path) -> Verification:
    """What a verification without the lock finds, as fast as it goes."""
    with ThreadPoolExecutor(1) as threads:
        return await verify(Reader(Layout(root), threads), Pacer(None), Progress())


async def repaired(mirror: Mirror) -> Repair:
    """What becomes of a repair."""
    config = load(mirror.config)
    async with open_store(mirror.root, command="verify", threads=2, reserve=config.reserve) as store:
        return await verify_and_repair(store, config, Pacer(None), Progress())


def about(findings: Iterable[Finding], path: Path, root: Path) -> list[Finding]:
    """The findings about ``path``, or about what is (or should be) in it."""
    name = str(path.relative_to(root))
    return [each for each in findings if each.path == name or each.path.startswith(f"{name}/")]

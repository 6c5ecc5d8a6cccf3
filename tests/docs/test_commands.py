"""Every block of commands in README and docs, run as it stands: a page is one session, in a copy of this host."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.blocks import Block, typed
from support.sandbox import Sandbox

PROJECT = Path(__file__).parents[2]
OWN = Path(__file__).parent
PAGES = [page for page in [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))] if typed(page)]
ELSEWHERE = {
    "docs/how-to/backup.md": PROJECT / "tests" / "e2e" / "test_backup.py",
    "docs/how-to/install.md": PROJECT / "tests" / "packages" / "test_deb.py",
}
"""Pages whose commands a test of their own runs, in more than one host, or as a part of what it builds."""
MOST = 5


def named(page: Path) -> str:
    """How a page is called."""
    return str(page.relative_to(PROJECT))


def not_run() -> dict[tuple[str, str], str]:
    """The reasons by page and by how a block begins."""
    lines = [line for line in (OWN / "not-run.txt").read_text().splitlines() if line and not line.startswith("#")]
    parts = [[part.strip() for part in line.split("|")] for line in lines]
    return {(page, begins): reason for page, begins, reason in parts}


def passed_over(page: Path, block: Block) -> bool:
    """Whether the list has this block."""
    return any(page == PROJECT / name and block.text.startswith(begins) for name, begins in not_run())


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A copy of this host."""
    with Sandbox.made() as made:
        yield made


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the locked packages: there is no network in the sandbox."""
    place = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", str(place)]
    subprocess.run([*pip, "--requirement", PROJECT / "requirements.lock"], check=True)
    return place


@pytest.mark.parametrize("page", [page for page in PAGES if named(page) not in ELSEWHERE], ids=named)
def test_the_commands_of_a_page_work(page: Path, sandbox: Sandbox, request: pytest.FixtureRequest) -> None:
    """From top to bottom, in one shell that ends at the first failure; what a page takes for granted is in pages/."""
    script = [f"PROJECT={shlex.quote(str(PROJECT))}", (OWN / "prelude.sh").read_text()]
    before = OWN / "pages" / f"{page.stem if page.parent.name != 'reference' else f'reference-{page.stem}'}.sh"
    if before.exists():
        script.append(before.read_text())
        if "$WHEELS" in script[-1]:
            script.insert(0, f"WHEELS={request.getfixturevalue('wheels')}")
    for block in typed(page):
        if not passed_over(page, block):
            script += [f"echo '--- {named(page)}:{block.line}'", block.commands]
    text = "\n".join(script)
    done = sandbox.run(f"exec bash -e -c {shlex.quote(text)}")
    assert done.returncode == 0, done.stdout


def test_few_blocks_are_not_run() -> None:
    """Each that is not is there, has a reason, and there are five at most."""
    listed = not_run()
    assert len(listed) <= MOST
    assert all(len(reason) > 10 for reason in listed.values())
    for name, begins in listed:
        assert sum(block.text.startswith(begins) for block in typed(PROJECT / name)) == 1, (name, begins)
    for name, test in ELSEWHERE.items():
        assert Path(name).name in test.read_text()

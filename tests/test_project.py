"""The project about itself: what its pages say exists, its locks are whole, its scripts are strict, its rules hold."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.configs import config_of

from mirrord.config.images import images_of

PROJECT = Path(__file__).parents[1]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
SCRIPTS = [*sorted(path for path in (PROJECT / "scripts").iterdir() if path.is_file()), PROJECT / ".ci" / "run"]
LOCKS = ["requirements.lock", "requirements-dev.lock", "scripts/packaging/requirements.lock"]


def named(path: Path) -> str:
    """How a parametrised test shows a file."""
    return str(path.relative_to(PROJECT))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """A relative link names a file of the project, and its anchor a heading of that file."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), link
        assert found.is_relative_to(PROJECT), link
        assert not anchor or anchor in anchors(found), link


def test_every_command_of_a_page_exists() -> None:
    """Whatever `mirrord …` or `scripts/…` a page tells to type, there is one."""
    shown = subprocess.run(
        [sys.executable, "-m", "mirrord", "--help"],
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commands = set(re.findall(r"^\W*([a-z]+)  ", shown, re.MULTILINE))
    assert "sync" in commands
    for page in PAGES:
        for line in code(page):
            for word in re.findall(r"(?:^|[ /])mirrord ([a-z]\w*)", line):
                assert word in commands, f"{page}: {line}"
            for word in re.findall(r"(?:^| )scripts/([\w-]+)", line):
                assert os.access(PROJECT / "scripts" / word, os.X_OK), f"{page}: {line}"


def code(page: Path) -> Iterator[str]:
    """What a page shows as typed: blocks of no language but the shell's, and pieces between backquotes."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        if language in {"", "sh", "bash", "console"}:
            yield from block.splitlines()
    yield from re.findall(r"^    (\S.*)$", prose(page), re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", prose(page))


def test_the_config_in_the_readme_is_right(tmp_path: Path) -> None:
    """What a person copies first can be used as it stands."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert images_of(config_of(tmp_path, block))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_by_hashes_and_names_no_place(lock: str) -> None:
    """The packages may come from anywhere: their hashes say that they are the right ones."""
    text = (PROJECT / lock).read_text()
    assert not re.search(r"://|file:|--index|--find-links|--extra|\s@\s|(?<![\w.])/", text)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9-]+==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry


def test_the_locks_have_every_dependency_and_agree() -> None:
    """What pyproject.toml asks for is locked, and the tests run with the versions that are installed."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    run, dev, packaged = (
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (PROJECT / lock).read_text(), re.MULTILINE)) for lock in LOCKS
    )
    assert packaged.items() <= run.items() <= dev.items()
    assert {_name(text) for text in project["project"]["dependencies"]} <= packaged.keys()
    assert {_name(text) for text in project["project"]["dependencies"]} <= run.keys()
    groups = project["dependency-groups"]
    assert {_name(text) for text in groups["dev"] + groups["build"] if isinstance(text, str)} <= dev.keys()


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return re.sub(r"[._-]+", "-", found[0]).lower()


@pytest.mark.parametrize("script", SCRIPTS, ids=named)
def test_a_script_is_strict_and_says_what_it_is_for(script: Path) -> None:
    """Each can be run from anywhere, ends at its first failure, and opens with its purpose."""
    first, purpose, *rest = script.read_text().splitlines()
    assert os.access(script, os.X_OK)
    assert first == "#!/usr/bin/env bash"
    assert purpose.startswith("# ")
    assert "set -euo pipefail" in rest
    assert 'cd "$(dirname "$0")/.."' in rest


def test_only_one_module_changes_the_tree() -> None:
    """Order of writes: links, renames, removals and syncs are made by store/durable.py, where they can be counted."""
    calls = {"fsync", "fdatasync", "link", "symlink", "rename", "renames", "replace", "unlink", "remove", "rmdir"}
    methods = {"unlink", "rename", "symlink_to", "hardlink_to", "rmdir", "rmtree"}
    for path in sorted((PROJECT / "mirrord").rglob("*.py")):
        if path.relative_to(PROJECT / "mirrord") == Path("store/durable.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                assert not (owner == "os" and node.attr in calls), f"{path}:{node.lineno}"
                assert not (owner != "durable" and node.attr in methods), f"{path}:{node.lineno}"


def test_no_test_is_passed_over() -> None:
    """A test that can't run fails and says what is missing; nothing is skipped, and no failure is expected."""
    for path in sorted((PROJECT / "tests").rglob("*.py")):
        found = re.search(r"pytest\.(skip|importorskip|xfail|mark\.(skip|skipif|xfail))\b", path.read_text())
        assert found is None, path

"""The wheel: what pipx and uv install has all that the command needs, and says its version."""

import json
import os
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

from support.packages import PROJECT, copied, packaged

from mirrord import __version__


def git(checkout: Path, *words: str) -> None:
    """Run git in the copy, as somebody."""
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", "-C", checkout, *who, *words], check=True, capture_output=True)


def test_the_version_comes_from_the_tag(tmp_path: Path) -> None:
    """A tag names a release, what comes after it says how far; without tags or git a build has a version, too."""
    checkout = copied(tmp_path / "checkout")
    assert packaged(checkout, "version") == __version__
    git(checkout, "init", "--quiet")
    git(checkout, "add", "mirrord")
    git(checkout, "commit", "--quiet", "-m", "one")
    assert packaged(checkout, "version").startswith(f"{__version__}+g")
    git(checkout, "tag", "-a", "v1.9.9", "-m", "a release")
    assert packaged(checkout, "version") == "1.9.9"
    assert Path(packaged(checkout, "wheel")).name == "mirrord-1.9.9-py3-none-any.whl"
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "two")
    assert packaged(checkout, "version").startswith("1.9.10.dev1+g")


def test_what_fails_within_a_build_ends_it(tmp_path: Path) -> None:
    """Where git can't say a version, nothing is built under a wrong one."""
    checkout = copied(tmp_path / "checkout")
    git(checkout, "init", "--quiet")
    done = subprocess.run([checkout / "scripts" / "package", "wheel"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "fatal" in done.stderr
    assert not (checkout / "dist").exists()


def test_the_wheel_has_every_file_of_the_package(tmp_path: Path) -> None:
    """Templates, the page and the rest come along, and nothing of the tests."""
    wheel = packaged(copied(tmp_path / "checkout"), "wheel")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    own = {
        str(path.relative_to(PROJECT))
        for path in (PROJECT / "mirrord").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == own
    assert {"mirrord/serve/page/index.html", "mirrord/service/templates/mirrord.service"} <= held


def test_what_is_installed_from_the_wheel_works_without_a_checkout(tmp_path: Path) -> None:
    """Unit, users, directories, nginx's configuration and the page: all are reached through the command alone."""
    wheel = packaged(copied(tmp_path / "checkout"), "wheel")
    venv = tmp_path / "venv"
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "--quiet", "install", "--no-deps"]
    lock = PROJECT / "scripts" / "packaging" / "requirements.lock"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    subprocess.run([*pip, "--no-compile", "--require-hashes", "-r", lock], check=True)
    subprocess.run([*pip, "--no-compile", wheel], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    environment = {"PATH": os.environ["PATH"], "HOME": str(elsewhere)}
    command = venv / "bin" / "mirrord"

    def mirrord(*words: str) -> str:
        return subprocess.run(
            [command, *words], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert mirrord("--version") == f"mirrord {__version__}\n"
    mirrord("init", "root")
    assert f"ExecStart={command} run" in mirrord("systemd")
    assert "u mirrord" in mirrord("systemd", "--print", "sysusers")
    assert "d /etc/mirrord" in mirrord("systemd", "--print", "tmpfiles")
    assert "location" in mirrord("nginx", "--root", "root")
    assert json.loads(mirrord("config", "schema"))
    serving = [str(command), "serve", "--root", "root", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(serving, cwd=elsewhere, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            url = next(word for line in server.stdout for word in line.split() if word.startswith("http://"))
            with urllib.request.urlopen(url.rstrip("/").removesuffix("/v2")) as page:  # noqa: S310 - our own server
                assert b"<!doctype html>" in page.read().lower()
        finally:
            server.terminate()

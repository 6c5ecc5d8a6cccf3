"""Shell completion, by a real bash that has read what `mirrord --show-completion` prints; and a terminal's colours."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.programs import program
from support.tree import ScratchTree

from mirrord.demo.images import image

_SHOW = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_mirrord_completion mirrord
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A mirror with two repositories and two snapshots, and the command on the PATH."""
    tree = ScratchTree(tmp_path / "mirror")
    tree.publish({"app": {"1": image("one")}})
    tree.publish({"app": {"1": image("one")}, "team/tool": {"2": image("two")}})
    (tmp_path / "mirrord.yaml").write_text(f"root: {tree.root}\nimages: [app]\n")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "mirrord"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'mirrord'\nfrom mirrord.__main__ import main\nmain()\n"
    )
    command.chmod(0o755)
    return tmp_path


def environment(place: Path) -> Mapping[str, str]:
    """With the command on the PATH, and without what a terminal of the tester's says."""
    left = {name: value for name, value in os.environ.items() if name not in {"MIRRORD_CONFIG", "FORCE_COLOR"}}
    return {**left, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "HOME": str(place)}


def completed(place: Path, *words: str) -> list[str]:
    """What bash proposes for the last word."""
    bash = program("bash", "bash")
    script = place / "completion.bash"
    if not script.exists():
        shown = ["mirrord", "--show-completion", "bash"]
        script.write_text(subprocess.check_output(shown, env=environment(place), cwd=place, text=True))
    command = [bash, "--norc", "-c", _SHOW, "bash", str(script), *words]
    done = subprocess.run(
        command, cwd=place, env=environment(place), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (("mirrord", "snap"), ["snapshots"]),
        (("mirrord", "snapshots", "roll"), ["rollback"]),
        (("mirrord", "doctor", "--ng"), ["--nginx"]),
        (("mirrord", "snapshots", "rollback", ""), ["5", "2"]),
        (("mirrord", "snapshots", "pin", "5"), ["5"]),
        (("mirrord", "snapshots", "rollback", "5", "te"), ["team/tool"]),
        (("mirrord", "images", ""), ["app", "team/tool"]),
        (("mirrord", "images", "--root", "no-such-root", ""), []),
        (("mirrord", "images", "--root", "mirror", "a"), ["app"]),
    ],
)
def test_bash_completes_commands_options_and_names(place: Path, words: tuple[str, ...], proposed: list[str]) -> None:
    """Commands, options, snapshots and what is served; where nothing can be known, nothing is said."""
    assert completed(place, *words) == proposed


def _on_a_terminal(place: Path, *arguments: str, **variables: str) -> bytes:
    """What a command writes where its output is a terminal."""
    reader, writer = pty.openpty()
    command = [str(place / "bin" / "mirrord"), *arguments]
    variables = {**environment(place), "TERM": "xterm-256color", **variables}
    with subprocess.Popen(command, cwd=place, env=variables, stdout=writer, stderr=writer) as process:
        os.close(writer)
        written = b""
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # how Linux tells that the other end is closed
                break
            if not part:
                break
            written += part
        process.wait()
    os.close(reader)
    return written


@pytest.mark.parametrize("arguments", [("--help",), ("images",), ("doctor", "--help"), ("nosuch",)])
def test_colours_are_for_terminals_only_and_never_with_no_color(place: Path, arguments: tuple[str, ...]) -> None:
    """Off a terminal nothing moves a cursor or colours; with NO_COLOR no colour on a terminal either."""
    command = [str(place / "bin" / "mirrord"), *arguments]
    piped = subprocess.run(command, cwd=place, env={**environment(place)}, capture_output=True, check=False, timeout=60)
    assert b"\x1b" not in piped.stdout + piped.stderr
    quiet = _on_a_terminal(place, *arguments, NO_COLOR="1")
    assert quiet
    for colour in (b"\x1b[3", b"\x1b[9", b"\x1b[4", b"\x1b[38"):
        assert colour not in quiet

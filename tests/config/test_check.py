"""`mirrord check` and `mirrord config`, as a person or a program types them."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.configs import write_config

from mirrord.cli.app import run
from mirrord.config.problem import HIDDEN

Command = Callable[..., tuple[int, str, str]]

CONFIG = """
root: mirror
images: [nginx:1.27, {name: quay.io/x/y, tags: ["3.9", "3.1*"], platforms: linux/amd64}]
registries:
  quay.io: {username: me, password: hunter2, as: lab}
  r.lan: {plain_http: true}
groups: [{name: g, schedule: every 1h, together: true, images: [busybox]}]
"""


@pytest.fixture
def mirrord(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in an empty directory: its status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIRRORD_CONFIG", raising=False)

    def typed(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mirrord", *arguments])
        status = run()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return typed


def test_check_says_what_it_understood(tmp_path: Path, mirrord: Command) -> None:
    """Which file, which root, each registry and how it is logged in to, each image by its rules; no secret."""
    write_config(tmp_path, CONFIG)
    status, out, err = mirrord("check")
    assert (status, err) == (0, "")
    assert "hunter2" not in out
    assert out.replace(str(tmp_path), "DIR").splitlines() == [
        "mirrord.yaml is valid: 3 images from 3 registries",
        "root: DIR/mirror",
        "",
        "Registries",
        "  docker.io  https://registry-1.docker.io, anonymous",
        "  quay.io    https://quay.io, as me, password from the config, served as lab/…",
        "  r.lan      http://r.lan, anonymous, no image is from it, without TLS",
        "",
        "Group default (23 */6 * * *)",
        "  nginx    tag 1.27, from docker.io/library/nginx",
        "  lab/x/y  tag 3.9; tags like 3.1* (linux/amd64), from quay.io/x/y",
        "",
        "Group g (every 1h, all or nothing)",
        "  busybox  tag latest, from docker.io/library/busybox",
    ]


def test_check_prints_one_json_document(tmp_path: Path, mirrord: Command) -> None:
    """--json has the same, for programs."""
    write_config(tmp_path, CONFIG)
    status, out, _ = mirrord("--json", "--root", "/elsewhere", "check")
    document = json.loads(out)
    assert status == 0
    assert "hunter2" not in out
    assert (document["schema"], document["file"], document["root"]) == ("mirrord.check/1", "mirrord.yaml", "/elsewhere")
    assert [group["name"] for group in document["groups"]] == ["default", "g"]
    assert document["groups"][0]["images"][1] == {
        "name": "lab/x/y",
        "upstream": "quay.io/x/y",
        "rules": ["tag 3.9", "tags like 3.1*"],
        "digest": None,
        "platforms": "linux/amd64",
        "where": "mirrord.yaml:3",
    }


def test_check_ends_with_2_and_every_error(tmp_path: Path, mirrord: Command) -> None:
    """A wrong config is the person's to mend: exit status 2, all errors on standard error, nothing on output."""
    write_config(tmp_path, "imagess: [nginx]\nimages: [Nginx]")
    status, out, err = mirrord("check", "--json")
    assert (status, out) == (2, "")
    assert err.splitlines()[:2] == [
        "mirrord: config: 2 errors:",
        'mirrord.yaml:1: imagess: unknown key; did you mean "images"?',
    ]


def test_check_without_a_config_says_where_it_looked(mirrord: Command) -> None:
    """No config at all: exit status 2 and the next step."""
    status, _, err = mirrord("check")
    assert status == 2
    assert err.startswith("mirrord: config: there is no config: --config and $MIRRORD_CONFIG name none, ")


def test_config_show_prints_yaml_or_json(tmp_path: Path, mirrord: Command) -> None:
    """What is in force, secrets as dots."""
    path = write_config(tmp_path, CONFIG, "other.yaml")
    status, out, _ = mirrord("config", "show", "--config", str(path))
    assert status == 0
    assert out.startswith(f"# In force, from {path}\nroot: {tmp_path}/mirror\n")
    assert "password: ••••" in out
    status, out, _ = mirrord("config", "show", "--config", str(path), "--json")
    assert json.loads(out)["config"]["registries"]["quay.io"]["password"] == HIDDEN
    assert "hunter2" not in out


def test_config_schema_prints_the_schema(mirrord: Command) -> None:
    """No config is needed to complete one."""
    status, out, _ = mirrord("config", "schema")
    assert status == 0
    assert json.loads(out)["title"] == "mirrord.yaml"


def test_reading_a_config_imports_no_network_and_no_terminal() -> None:
    """Commands that only read the config start fast."""
    code = (
        "import sys, mirrord.config.loader, mirrord.config.images, mirrord.config.select; "
        "print(sorted({'aiohttp', 'typer', 'rich', 'apscheduler', 'structlog'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"

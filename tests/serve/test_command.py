"""`mirrord nginx` and `mirrord serve`, as typed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.tree import ScratchTree

from mirrord.demo import images
from mirrord.serve.address import Address
from mirrord.serve.nginx import NginxSite, render


def mirrord(*arguments: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in ``place``, where no config lies unless a test put one there."""
    environment = {name: value for name, value in os.environ.items() if name != "MIRRORD_CONFIG"}
    command = [sys.executable, "-m", "mirrord", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_nginx_prints_the_configuration(tmp_path: Path) -> None:
    """A root is enough; a relative one is made absolute, since nginx has another working directory."""
    done = mirrord("nginx", "--root", "mirror", "--listen", "8080", place=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == render(NginxSite(tmp_path / "mirror", "8080"))


def test_nginx_takes_what_the_config_says(tmp_path: Path) -> None:
    """Root, public name and the daemon's address come out of the config; --json wraps the text."""
    (tmp_path / "mirrord.yaml").write_text(
        "root: /srv/mirror\npublic_url: http://mirror.example:8080\nlisten: 127.0.0.1:7070\nimages: [nginx]\n"
    )
    done = mirrord("nginx", "--standalone", "--json", place=tmp_path)
    site = NginxSite(
        Path("/srv/mirror"),
        listen="8080",
        public_url="http://mirror.example:8080",
        daemon=Address("127.0.0.1", 7070),
        standalone=True,
        made_by=f"mirrord nginx --config {tmp_path}/mirrord.yaml --standalone",
    )
    assert json.loads(done.stdout) == {"schema": "mirrord.nginx/1", "configuration": render(site)}


def test_nginx_takes_who_may_read_from_the_config(tmp_path: Path) -> None:
    """The whole of `serve:`, names that only the config knows, and the port of the URL; and the same command again."""
    config = tmp_path / "my mirror.yaml"
    config.write_text(
        "root: m\npublic_url: https://mirror.example\nregistries: {r.lan: {as: lab}}\nimages: [r.lan/x]\n"
        "serve: {tls: {certificate: c.pem, key: k.pem}, htpasswd: users, allow: 10.0.0.0/8, requests_per_second: 2.5,"
        " connections: 7, status: false}\n"
    )
    done = mirrord("nginx", "--config", str(config), "--root", "other", place=tmp_path)
    assert done.returncode == 0
    assert f"# Made by: mirrord nginx --config '{config}' --root {tmp_path}/other\n" in done.stdout
    lines = {line.strip() for line in done.stdout.splitlines()}
    assert lines >= {
        "listen 443 ssl http2;",
        f'ssl_certificate "{tmp_path}/c.pem";',
        f'ssl_certificate_key "{tmp_path}/k.pem";',
        f'auth_basic "mirror"; auth_basic_user_file "{tmp_path}/users";',
        "10.0.0.0/8 0;",
        "limit_req_zone $binary_remote_addr zone=mirrord_requests:10m rate=150r/m;",
        "limit_req zone=mirrord_requests burst=125 delay=100;",
        "limit_conn mirrord_connections 7;",
        '"~^r\\.lan/(?<mirrord_r>.+)$" "lab/$mirrord_r";',
    }
    assert "/status/(" not in done.stdout


def test_serve_says_where_and_what_to_pull(tmp_path: Path) -> None:
    """The first lines are an address and commands to paste; signatures are no example."""
    tree = ScratchTree(tmp_path / "root")
    image = images.image("app")
    tree.publish({"app": {images.signature_tag(image.digest): images.signature(image), "v1": image}})
    command = [sys.executable, "-m", "mirrord", "serve", "--root", "root", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.terminate()
    assert lines[0].startswith(f"Serving {tmp_path / 'root'} at http://127.0.0.1:")
    assert lines[1].startswith("  docker pull 127.0.0.1:")
    assert lines[1].endswith("/app:v1\n")
    assert lines[2].startswith("  skopeo inspect --tls-verify=false docker://127.0.0.1:")


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["serve"], 2, "no root"),
        (["nginx"], 2, "no root"),
        (["serve", "--root", "."], 3, "not a mirrord root"),
        (["serve", "--root", "root", "--listen", "5050"], 2, "is not an address"),
        (["nginx", "--root", "a$b"], 2, "can't stand in nginx's configuration"),
        (["serve", "--config", "guarded.yaml", "--listen", ":0"], 2, "lets in whoever reaches :0; listen at 127.0.0.1"),
        (["nginx", "--config", "guarded.yaml"], 2, "public_url is http://m.example; write https:// there"),
    ],
)
def test_a_mistake_is_named_and_whose_it_is(tmp_path: Path, arguments: list[str], status: int, expected: str) -> None:
    """Exit 2 for the command line, 3 for the host, and one line that says what to do."""
    ScratchTree(tmp_path / "root")
    (tmp_path / "guarded.yaml").write_text(
        "root: root\npublic_url: http://m.example\nimages: [nginx]\n"
        "serve: {htpasswd: users, tls: {certificate: c.pem, key: k.pem}}\n"
    )
    done = mirrord(*arguments, place=tmp_path)
    assert done.returncode == status
    assert done.stdout == ""
    assert expected in done.stderr


def test_a_port_in_use_is_the_hosts_affair(tmp_path: Path) -> None:
    """Exit 3, and the message names the address."""
    ScratchTree(tmp_path / "root")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = mirrord("serve", "--root", "root", "--listen", address, place=tmp_path)
    assert done.returncode == 3
    assert f"mirrord: host: {address} is in use by another program" in done.stderr

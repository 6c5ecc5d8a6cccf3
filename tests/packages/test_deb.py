"""The Debian package (docs/how-to/install.md): installed, started by the unit's line, and purged to the last file."""

import subprocess
from pathlib import Path

import pytest
from support.debian import RELEASE
from support.programs import program
from support.sandbox import Sandbox

from mirrord import __version__

STEPS = r"""
rm -f /etc/resolv.conf
dpkg --install {deb} 2>&1
id mirrord
mirrord --version
systemd-analyze verify /usr/lib/systemd/system/mirrord.service
test "$(stat -c '%a %U' /etc/mirrord/secrets)" = '700 root'
mirrord check --config /etc/mirrord/mirrord.yaml

# What systemd would do: the directory at runtime, the user, the line.
unit=/usr/lib/systemd/system/mirrord.service
user=$(sed -n 's/^User=//p' $unit)
install -d -m 755 -o "$user" -g "$user" /run/mirrord
line=$(sed -n 's/^ExecStart=//p' $unit)
setpriv --reuid "$user" --regid "$user" --init-groups --inh-caps=-all --no-new-privs $line >/tmp/log 2>&1 &
daemon=$!
for _ in $(seq 100); do
  if curl --silent --fail http://127.0.0.1:5050/healthz >/dev/null; then break; fi
  kill -0 $daemon || {{ cat /tmp/log; exit 1; }}
  sleep 0.1
done
curl --silent --fail http://127.0.0.1:5050/ | grep -i '<!doctype html>'
kill $daemon
wait $daemon
echo 'the daemon ended well'

dpkg --purge mirrord 2>&1
test -d /var/lib/mirrord/pool
echo 'purged'
"""

BY_OTHERS = {"var/log", "var/lib/dpkg", "var/lib/mirrord", "var/cache", "tmp", "etc/resolv.conf", "root"}
"""Below these dpkg, the mirror and the test write; also the user stays: files may be left that are the user's."""
USERS = {f"etc/{name}{end}" for name in ("passwd", "group", "shadow", "gshadow") for end in ("", "-")} | {
    "etc/.pwd.lock"
}


def test_it_is_installed_started_and_purged(deb: Path) -> None:
    """In a copy of this host: it runs as a user of its own, and a purge leaves nothing but the mirror and its user."""
    with Sandbox.made() as sandbox:
        done = sandbox.run(STEPS.format(deb=deb))
        left = {
            str(path.relative_to(sandbox.changed))
            for path in sandbox.changed.rglob("*")
            if not path.is_dir() and not path.is_char_device()
        }
    assert done.returncode == 0, done.stdout
    assert "systemctl enable --now mirrord" in done.stdout
    assert "the daemon ended well" in done.stdout
    assert "the mirror in /var/lib/mirrord stays" in done.stdout
    assert {path for path in left - USERS if not any(path.startswith(f"{known}/") for known in BY_OTHERS)} == set()


@pytest.mark.soak
def test_it_is_all_that_a_fresh_debian_needs(deb: Path) -> None:
    """In a Debian that has nothing but apt: its dependencies are enough, and it is taken away again."""
    steps = [
        f"apt-get install --yes --no-install-recommends /tmp/{deb.name}",
        "mirrord --version",
        "mirrord check",
        "runuser --user mirrord -- mirrord images",
        "apt-get purge --yes mirrord",
        "test -e /var/lib/mirrord/root.json",
        "test ! -e /usr/lib/mirrord",
        "test ! -e /etc/mirrord",
    ]
    hooks = [f"copy-in {deb} /tmp", *(f'chroot "$1" {step}' for step in steps)]
    options = ["--quiet", "--variant=apt", "--format=null", *(f"--customize-hook={each}" for each in hooks)]
    done = subprocess.run(
        [program("mmdebstrap", "mmdebstrap"), *options, RELEASE],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"\nmirrord {__version__}\n" in done.stdout
    assert "/etc/mirrord/mirrord.yaml is valid" in done.stdout

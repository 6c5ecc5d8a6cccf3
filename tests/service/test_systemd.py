"""systemd: the unit it runs the daemon by, and what the daemon tells it."""

import asyncio
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.programs import program

from mirrord.errors import ConfigError
from mirrord.service.systemd import Notifier
from mirrord.service.units import Unit

UNITS = Path(__file__).parents[2] / "systemd"


@pytest.mark.parametrize("root", [Path("/var/lib/mirrord"), Path("/srv/disk/mirror")])
def test_systemd_takes_the_unit(tmp_path: Path, root: Path) -> None:
    """No word of it is wrong, and it is as closed as a service can be that talks to the network."""
    unit = tmp_path / "mirrord.service"
    unit.write_text(Unit(root=root, command=Path(sys.executable)).render())
    analyze = program("systemd-analyze", "systemd")
    verified = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    command = [analyze, "security", "--offline=true", "--threshold=15", "--no-pager", str(unit)]
    secure = subprocess.run(command, capture_output=True, text=True, check=False)
    assert secure.returncode == 0, secure.stdout


def test_the_unit_that_comes_along_is_what_the_command_prints() -> None:
    """`systemd/` is no second truth."""
    assert (UNITS / "mirrord.service").read_text() == Unit().render()
    assert (UNITS / "mirrord.sysusers.conf").read_text() == Unit().user_entry()
    assert (UNITS / "mirrord.tmpfiles.conf").read_text() == Unit().directories()


def test_a_root_elsewhere_is_writable_and_waited_for() -> None:
    """The unit lets the daemon write to its root, and starts it only with that disk mounted."""
    text = Unit(root=Path("/srv/mirror"), user="images").render()
    assert "ReadWritePaths=/srv/mirror\n" in text
    assert "RequiresMountsFor=/srv/mirror\n" in text
    assert "StateDirectory" not in text
    assert "User=images\nGroup=images\n" in text


@pytest.mark.parametrize(
    "unit", [Unit(root=Path("/srv/a b")), Unit(config=Path("relative")), Unit(user="a;b"), Unit(root=Path("/srv/%n"))]
)
def test_what_a_unit_can_not_hold_is_refused(unit: Unit) -> None:
    """Nothing is smuggled into a unit by a path or a name."""
    with pytest.raises(ConfigError):
        unit.render()


async def test_states_reach_systemd(tmp_path: Path) -> None:
    """Readiness with a status line, reloading with its time, the watchdog from the loop, and the end."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(10)
        notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "300000", "WATCHDOG_PID": str(os.getpid())})
        notifier.ready("3 images")
        assert receiver.recv(4096) == b"READY=1\nSTATUS=3 images"
        notifier.reloading()
        assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", receiver.recv(4096))
        feeding = asyncio.create_task(notifier.feed_watchdog())
        for _ in range(3):
            assert await asyncio.to_thread(receiver.recv, 4096) == b"WATCHDOG=1"
        feeding.cancel()
        notifier.stopping()
        assert receiver.recv(4096) == b"STOPPING=1"


@pytest.mark.parametrize(
    "environment",
    [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "x"}],
)
async def test_without_systemd_nothing_is_told(environment: dict[str, str]) -> None:
    """A daemon in a terminal, or whose systemd is gone, runs all the same."""
    notifier = Notifier(environment)
    notifier.ready("")
    await asyncio.wait_for(notifier.feed_watchdog(), 10)


_REFUSE_EXECUTABLE_MEMORY = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE: kernels before 6.3 don't know it, and run it as ever
os.execv(sys.executable, [sys.executable, "-m", "mirrord", "demo", "--once", "--listen", "127.0.0.1:0"])
"""


def test_it_works_without_executable_memory() -> None:
    """MemoryDenyWriteExecute= takes nothing that a sync, or serving, needs."""
    command = [sys.executable, "-c", _REFUSE_EXECUTABLE_MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

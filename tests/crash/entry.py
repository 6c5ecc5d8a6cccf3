"""A warm process that carries out `mirrord` commands, each in a fork: imports are paid for once, not for each run.

Each request is one packet on the socket whose descriptor is the only argument: a JSON object with ``arguments`` and
``place``, and two descriptors: where the command's words go, and a pipe it waits at before it begins. The answers are
two packets: the process's id, and, when it has ended, its status (below 0: the signal that ended it).
"""

import contextlib
import ctypes
import importlib
import io
import json
import os
import socket
import sys
import traceback
from typing import NoReturn

_PR_SET_PTRACER, _ANYBODY = 0x59616D61, 2**64 - 1
"""So that strace may attach where only a parent may otherwise (Yama)."""
WARM = (
    "encodings.utf_8_sig",
    "mirrord.cli.progress",
    "mirrord.cli.report",
    "mirrord.cli.running",
    "mirrord.cli.setting",
    "mirrord.config.images",
    "mirrord.service.operations.sync",
    "pydantic.type_adapter",
)
"""What a command imports when it is run."""


def main() -> None:
    """Answer requests until the other end of the socket is closed."""
    channel_number = int(sys.argv[1])
    app = importlib.import_module("mirrord.cli.app")
    for module in (*(f"mirrord.cli.{family}" for family in app._FAMILIES), *WARM):  # noqa: SLF001 - what run() imports
        importlib.import_module(module)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # typer imports the rest of itself
        sys.argv = ["mirrord", "sync", "--help"]
        app.run()
    with socket.socket(fileno=channel_number) as channel:
        while True:
            request, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 2)
            if not request:
                return
            process = os.fork()
            if process == 0:
                channel.close()
                _carry_out(json.loads(request), *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            channel.send(str(process).encode())
            channel.send(str(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])).encode())


def _carry_out(request: dict[str, str], words: int, gate: int) -> NoReturn:
    """Run one command as `python -m mirrord` does; its words leave by send(2), so that no write(2) is but a file's."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANYBODY))
    os.chdir(request["place"])
    speaker = socket.socket(fileno=words)
    sys.stdout = sys.stderr = io.TextIOWrapper(socket.SocketIO(speaker, "w"), write_through=True)
    sys.argv = ["mirrord", *request["arguments"]]
    os.read(gate, 1)
    os.close(gate)
    status = 1
    try:
        status = importlib.import_module("mirrord.cli.app").run()
    except BaseException:  # noqa: BLE001 - as Python itself does at the top
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    main()

"""Asking a credential helper: the program ``docker-credential-<name>``, as Docker asks it."""

import asyncio
import contextlib
import json
import os
import signal

from mirrord.errors import ConfigError
from mirrord.registry.docker_config import Helper
from mirrord.registry.login import Login

TIME_LIMIT = 10.0
"""Seconds a helper has."""
MAX_OUTPUT = 64 << 10
"""Bytes of its output that are read."""
_IDENTITY = "<token>"
"""The user name that says that the secret is an identity token."""
_NOT_FOUND = "credentials not found"
_SHOWN = 200


async def ask_helper(key: str, helper: Helper) -> Login:
    """The login that ``helper`` has for its server. Raises ConfigError, which shows no secret."""
    program = f"docker-credential-{helper.name}"
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # so that what it started ends with it
            limit=MAX_OUTPUT,
        )
    except OSError as error:
        why = "is not in the PATH" if isinstance(error, FileNotFoundError) else f"can't be run ({error.strerror})"
        raise ConfigError(f"{key}: {program} {why}; install it, or correct the name") from error
    try:
        async with asyncio.timeout(TIME_LIMIT):
            output, status = await _converse(process, helper.server)
    except TimeoutError:
        raise ConfigError(
            f"{key}: {program} gave no answer for {helper.server} within {TIME_LIMIT:g} s; run it by hand and see: "
            f"echo {helper.server} | {program} get"
        ) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return _login(f"{key}: {program}", helper.server, output, status)


async def _converse(process: asyncio.subprocess.Process, server: str) -> tuple[bytes, int]:
    """Its output, of which no more is read than the limit and a byte, and its exit status (-1: it said too much)."""
    if process.stdin is None or process.stdout is None:
        raise AssertionError
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not read
        process.stdin.write(f"{server}\n".encode())
        await process.stdin.drain()
        process.stdin.close()
    output = b""
    while len(output) <= MAX_OUTPUT and (piece := await process.stdout.read(MAX_OUTPUT)):
        output += piece
    if len(output) > MAX_OUTPUT:
        return output, -1
    return output, await process.wait()


def _login(where: str, server: str, output: bytes, status: int) -> Login:
    if len(output) > MAX_OUTPUT:
        raise ConfigError(f"{where} answered more than {MAX_OUTPUT} bytes; expected a small JSON object")
    if status != 0:
        said = _said(output)
        if _NOT_FOUND in said:
            raise ConfigError(f"{where} has no login for {server}; log in there with it first")
        raise ConfigError(f"{where} failed for {server} with status {status}{f': {said}' if said else ''}")
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        answer = None
    user, secret = (answer.get(name) for name in ("Username", "Secret")) if isinstance(answer, dict) else (None, None)
    if not isinstance(user, str) or not isinstance(secret, str) or not secret:
        raise ConfigError(f"{where} answered for {server} without Username and Secret; expected JSON that has both")
    return Login(user, secret, is_identity=user == _IDENTITY)


def _said(output: bytes) -> str:
    """A helper's own words, in which it puts errors; nothing of an answer that may hold a secret."""
    text = output.decode(errors="replace").strip()
    if "{" in text or "ecret" in text:
        return ""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"

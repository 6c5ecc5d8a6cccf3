"""Sending notices to webhooks: a few attempts each, signed where a key is given, and never with a secret in the log."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime

from mirrord import __version__
from mirrord.config.sections import Notify
from mirrord.events import get_logger
from mirrord.registry.http import aiohttp
from mirrord.registry.tls import authorities
from mirrord.service.notices import Notice

ATTEMPTS = 4
TIMEOUT = 10.0
"""Seconds for one attempt."""
_FIRST_WAIT = 1.0
_OK = range(200, 300)
_GIVE_UP = range(400, 500)
_MAX_KEY = 64 << 10

_log = get_logger()


async def send_all(hooks: Sequence[Notify], notices: Sequence[Notice], mirror: str, now: datetime) -> None:
    """Tell each webhook what it is set for; what can't be told is in the log, and lost."""
    wanted = [(place, notice) for place, hook in enumerate(hooks) for notice in notices if notice.event in hook.on]
    if not wanted:
        return
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    wire = aiohttp.TCPConnector(ssl=await asyncio.to_thread(authorities))
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=wire, trust_env=True) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for place, notice in wanted:
            tasks.create_task(_tell(session, hooks[place], f"notify[{place}]", notice, notice.document(mirror, now)))


async def _tell(
    session: aiohttp.ClientSession, hook: Notify, name: str, notice: Notice, document: dict[str, object]
) -> None:
    body = json.dumps(document).encode()
    try:
        headers = await asyncio.to_thread(_headers, hook, body)
    except OSError as error:
        reason = f"{hook.secret_file}: {error.strerror}"
    else:
        reason = await _send(session, hook, body, headers)
    if reason:
        _log.warning("notice.not_sent", hook=name, notice=notice.event, images=len(notice.images), reason=reason)


def _headers(hook: Notify, body: bytes) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": f"mirrord/{__version__}"}
    if hook.secret_file is not None:
        with hook.secret_file.open("rb") as stream:
            key = stream.read(_MAX_KEY).strip()
        headers["X-Mirrord-Signature"] = f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
    return headers


async def _send(session: aiohttp.ClientSession, hook: Notify, body: bytes, headers: dict[str, str]) -> str:
    """Send it, in as many attempts as there are; gives why it was not taken, empty where it was."""
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(_FIRST_WAIT * 4 ** (attempt - 1))
        try:
            url = hook.url.get_secret_value()
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                if answer.status in _OK:
                    return ""
                reason = f"it answered {answer.status}"
                if answer.status in _GIVE_UP:
                    return reason
        except (aiohttp.ClientError, OSError, TimeoutError) as error:  # without its words: they may hold the URL
            reason = type(error).__name__
    return reason

"""One registry's login as a run goes on: read from its source at the first request, and again when it was refused."""

import asyncio

from mirrord.config.model import RegistryConfig
from mirrord.oci.reference import HUB
from mirrord.registry.docker_config import HUB_KEY, Helper, read_docker_config
from mirrord.registry.helper import ask_helper
from mirrord.registry.login import Login, read_login

ASKED_AGAIN_AFTER = 60.0
"""Seconds between two questions to a helper whose login was refused: thousands of images may be refused at once."""


async def find_login(host: str, key: str, config: RegistryConfig) -> Login | None:
    """The login that the config at ``key`` names for ``host``, wherever it is kept. Raises ConfigError."""
    found = await _look(host, key, config)
    return await _ask(key, config, found) if isinstance(found, Helper) else found


async def _look(host: str, key: str, config: RegistryConfig) -> Login | Helper | None:
    if config.credential_helper is not None:
        return Helper(config.credential_helper, HUB_KEY if host == HUB else host)
    if config.docker_config is not None:
        return await asyncio.to_thread(read_docker_config, f"{key}.docker_config", config.docker_config, host)
    return await asyncio.to_thread(read_login, key, config)


async def _ask(key: str, config: RegistryConfig, helper: Helper) -> Login:
    source = "credential_helper" if config.credential_helper is not None else "docker_config"
    return await ask_helper(f"{key}.{source}", helper)


class Credentials:
    """The login of one registry. A changed file or a helper's new answer is taken up without a restart."""

    def __init__(self, host: str, key: str, config: RegistryConfig, login: Login | None) -> None:
        self._host = host
        self._key = key
        self._config = config
        self.login = login
        self._past: list[Login] = []
        self._renewing = asyncio.Lock()
        self._not_before = 0.0

    def hide(self, text: str) -> str:
        """``text`` without any login that was used, should an upstream repeat it."""
        for login in (self.login, *self._past):
            text = login.hide(text) if login else text
        return text

    async def renew(self, refused: Login | None) -> bool:
        """Read the source again after ``refused`` was; whether there is another login now. Raises ConfigError."""
        if refused is None:
            return False
        async with self._renewing:
            if self.login != refused:  # another request did it meanwhile
                return True
            found = await _look(self._host, self._key, self._config)
            if isinstance(found, Helper):
                now = asyncio.get_running_loop().time()
                if now < self._not_before:
                    return False
                self._not_before = now + ASKED_AGAIN_AFTER
                found = await _ask(self._key, self._config, found)
            if found == refused:
                return False
            self._past.append(refused)
            self.login = found
            return True

"""One question to a registry, from its gate to its answer: access, redirects, and attempts while they may help."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from aiohttp import ClientResponse
from yarl import URL

from mirrord.config.model import Limits, RegistryConfig
from mirrord.errors import UpstreamError
from mirrord.registry.ask import Ask
from mirrord.registry.auth import Authenticator, Visit
from mirrord.registry.backoff import Attempts, Backoff
from mirrord.registry.endpoint import Endpoint, same_origin
from mirrord.registry.failures import Reply, answer_failure
from mirrord.registry.gate import Gate
from mirrord.registry.headers import parse_challenges
from mirrord.registry.login import read_login
from mirrord.registry.redirects import redirect_target
from mirrord.registry.tls import Tls, make_tls
from mirrord.registry.tokens import TokenDesk
from mirrord.registry.wire import Hop, Wire, read_bounded

MAX_REFUSALS = 4
"""Answers to one request that may say 401: with nothing, a stale token, one that another request got, its own."""
_SMALL = 64 << 10
"""Bytes of an answer that is read only for its words, or so that its connection can be used again."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Peer:
    """One registry as this process deals with it."""

    endpoint: Endpoint
    gate: Gate
    auth: Authenticator
    tls: Tls


class Transport:
    """All registries over one wire."""

    def __init__(self, configs: Mapping[str, RegistryConfig], limits: Limits, backoff: Backoff) -> None:
        self.wire = Wire(limits)
        self.limits = limits
        self._configs = configs
        self._backoff = backoff
        self._everybody = asyncio.Semaphore(limits.concurrency)
        self._peers: dict[str, Peer] = {}
        self._opening = asyncio.Lock()

    async def attempts(self, host: str) -> Attempts:
        """Fresh attempts at ``host``."""
        return Attempts(self.limits.attempts, self._backoff, (await self._peer(host)).gate, self.wire.counters)

    async def endpoint(self, host: str) -> Endpoint:
        """Where ``host`` is connected to."""
        return (await self._peer(host)).endpoint

    @asynccontextmanager
    async def open(self, ask: Ask) -> AsyncIterator[ClientResponse]:
        """One attempt: an answer with an expected status, whose body can be read within the block.

        Raises TransientError where another attempt may help, else AccessError, NotFoundError, DeferredError,
        UpstreamError or NetworkError.
        """
        peer = await self._peer(ask.repository.host)
        async with peer.gate.place(), AsyncExitStack() as stack:
            visit = await peer.auth.visit(ask.repository.path)
            response, elsewhere = await self._arrive(peer, ask, visit, stack)
            if response.status not in ask.expected:
                body = await read_bounded(response, _SMALL, self.wire.counters) or b""
                reply = Reply.read(response.status, response.headers, body, peer.auth.hide)
                raise answer_failure(reply, ask, peer.endpoint, elsewhere, peer.auth.login)
            yield response

    async def close(self) -> None:
        """Close all connections."""
        await self.wire.close()

    async def _arrive(
        self, peer: Peer, ask: Ask, visit: Visit, stack: AsyncExitStack
    ) -> tuple[ClientResponse, URL | None]:
        """The answer to ``ask`` after refusals that a grant could mend and redirects that may be followed.

        With it, the origin it came from where that is not the registry's, or is so by another's redirect.
        """
        hop = Hop(
            peer.endpoint,
            peer.endpoint.url(f"{ask.repository.path}/{ask.path}", ask.query),
            str(ask),
            ask.method,
            ask.headers,
            peer.tls,
        )
        redirects, refusals, at_home = 0, 0, True
        while True:
            bearing = replace(hop, headers={**ask.headers, **visit.headers}) if at_home else hop
            response = await stack.enter_async_context(self.wire.send(bearing))
            if at_home and visit.is_refused(response.status) and refusals < MAX_REFUSALS:
                refusals += 1
                if not await visit.renew(parse_challenges(response.headers.getall("WWW-Authenticate", []))):
                    return response, None
            elif response.status in _REDIRECTS:
                redirects += 1
                if redirects > self.limits.redirects:
                    raise UpstreamError(
                        f"{ask}: {peer.endpoint} redirects more than {self.limits.redirects} times "
                        "(limits.redirects); expected the content"
                    )
                location = response.headers.get("Location", "")
                hop = replace(hop, url=await redirect_target(location, hop.url, ask, peer.endpoint))
                at_home = at_home and same_origin(hop.url, peer.endpoint.origin)
                self.wire.counters.redirects += 1
            else:
                return response, None if at_home else hop.url.origin()
            await read_bounded(response, _SMALL, self.wire.counters)  # so that its connection can be used again
            await stack.aclose()

    async def _peer(self, host: str) -> Peer:
        async with self._opening:
            if host not in self._peers:
                self._peers[host] = await self._met(host, self._configs.get(host, RegistryConfig()))
            return self._peers[host]

    async def _met(self, host: str, config: RegistryConfig) -> Peer:
        endpoint = Endpoint.of(host, config)
        login = await asyncio.to_thread(read_login, endpoint.key(), config)
        tls = await asyncio.to_thread(make_tls, host, endpoint.key(), config)
        gate = Gate(host, config.concurrency, self._everybody, self.limits.max_wait)
        auth = Authenticator(endpoint, config, login, TokenDesk(self.wire, endpoint, tls))
        return Peer(endpoint, gate, auth, tls)

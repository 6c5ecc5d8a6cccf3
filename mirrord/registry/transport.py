"""One question to a registry, from its gate to its answer: access, redirects, and attempts while they may help."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from mirrord.config.model import Limits, RegistryConfig
from mirrord.errors import MirrordError, NetworkError, UpstreamError
from mirrord.registry.ask import Ask
from mirrord.registry.auth import Authenticator
from mirrord.registry.backoff import Attempts, Backoff
from mirrord.registry.credentials import Credentials, find_login
from mirrord.registry.doors import Door, Doors
from mirrord.registry.endpoint import Endpoint, has_host, same_origin
from mirrord.registry.failures import Reply, TransientError, answer_failure
from mirrord.registry.gate import Gate
from mirrord.registry.headers import parse_challenges
from mirrord.registry.http import ClientError, ClientResponse
from mirrord.registry.proxies import Proxy
from mirrord.registry.pulls import Pulls, Quota
from mirrord.registry.redirects import redirect_target
from mirrord.registry.shared import Shared
from mirrord.registry.tls import make_trust
from mirrord.registry.tokens import TokenDesk
from mirrord.registry.wire import Hop, Way, Wire, finish

MAX_REFUSALS = 6
"""Answers to one request that may say 401: with nothing, a stale token, one that another request got, its own, and
the same with a login that has changed meanwhile."""
_SMALL = 64 << 10
"""Bytes of an answer that is read only for its words, or so that its connection can be used again."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SERVER_ERROR, _TOO_MANY = 500, 429


class Peer(Struct, frozen=True):
    """One registry as this process deals with it."""

    gate: Gate
    doors: Doors
    quota: Quota
    ways: Mapping[Endpoint, Way]


class Answer(Struct, frozen=True):
    """An answer whose body can be read, and how."""

    response: ClientResponse
    hop: Hop
    """Who gave it."""


class Transport:
    """All registries over one wire."""

    def __init__(self, configs: Mapping[str, RegistryConfig], limits: Limits, backoff: Backoff, shared: Shared) -> None:
        self.wire = Wire(limits, shared.pace)
        self.limits = limits
        self._configs = configs
        self._backoff = backoff
        self._shared = shared
        self._peers: dict[str, Peer] = {}
        self._opening = asyncio.Lock()

    async def attempts(self, host: str) -> Attempts:
        """Fresh attempts at ``host``."""
        peer = self._peers.get(host) or await self._meet(host)
        return Attempts(self.limits.attempts, self._backoff, peer.gate, self.wire.counters)

    async def endpoint(self, host: str) -> Endpoint:
        """Where ``host`` is connected to."""
        return (self._peers.get(host) or await self._meet(host)).doors.first.endpoint

    def pulls(self) -> Mapping[str, Pulls]:
        """The pulls that are left at each registry that says so."""
        return {host: peer.quota.pulls for host, peer in self._peers.items() if peer.quota.pulls}

    @asynccontextmanager
    async def open(self, ask: Ask) -> AsyncIterator[Answer]:
        """One attempt: an answer with an expected status, whose body can be read within the block.

        Raises TransientError where another attempt may help, else AccessError, NotFoundError, DeferredError,
        UpstreamError or NetworkError.
        """
        peer = self._peers.get(ask.repository.host) or await self._meet(ask.repository.host)
        loop = asyncio.get_running_loop()
        await peer.gate.enter()
        answer: Answer | None = None
        is_counted = False
        began = loop.time()
        try:
            door = peer.doors.choose(ask, began)
            if ask.is_pull:
                peer.quota.begin(ask)
                is_counted = True
            try:
                answer = await self._arrive(peer, door, ask)
                yield answer
            except (ClientError, TimeoutError) as error:
                if answer is None:
                    raise
                raise self.wire.broken(error, answer.hop) from None
            except TransientError as failure:
                raise self._judged(peer, door, began, failure, str(ask)) from failure.error
        finally:
            if answer is not None:
                await finish(answer.response)
            if is_counted:
                peer.quota.end()
            peer.gate.leave()

    def _judged(
        self, peer: Peer, door: Door, began: float, failure: TransientError, about: str
    ) -> MirrordError | TransientError:
        """What a failed attempt means for the endpoint, and what the caller gets."""
        now = asyncio.get_running_loop().time()
        if failure.connecting:
            self.wire.counters.unreachable += 1
            failure.moved = peer.doors.unreachable(door, began, now, failure, about)
        elif failure.at_fault:
            failure.moved = peer.doors.failed(door, now)
        if failure.throttled:
            self.wire.counters.throttled += 1
            peer.gate.places.throttled(now)
        is_over = failure.is_final or (failure.connecting and bool(door.closed))
        return failure.error if is_over and not failure.moved else failure

    async def close(self) -> None:
        """Close all connections."""
        await self.wire.close()

    async def _arrive(self, peer: Peer, door: Door, ask: Ask) -> Answer:
        """The answer to ``ask`` after refusals that a grant could mend and redirects that may be followed.

        Raises the error for one that has another status than was expected.
        """
        endpoint, visit = door.endpoint, await door.auth.visit(ask.repository.path)
        url, headers = endpoint.url(ask.url_path, ask.query), {**ask.headers, **visit.headers}
        if ask.elsewhere:
            url, headers = await redirect_target(ask.elsewhere, url, ask, endpoint), dict(ask.headers)
        hop = Hop(peer.ways[endpoint], url, str(ask), ask.method, headers, is_at_home=not ask.elsewhere)
        redirects, refusals = 0, 0
        while True:
            response = await self.wire.send(hop)
            is_kept = False
            try:
                if hop.is_at_home:
                    self._note(peer, door, response)
                if hop.is_at_home and visit.is_refused(response.status) and refusals < MAX_REFUSALS:
                    refusals += 1
                    if not await visit.renew(parse_challenges(response.headers.getall("WWW-Authenticate", []))):
                        raise await self._failure(door, ask, response, hop, None)
                    hop = replace(hop, headers={**ask.headers, **visit.headers})
                elif response.status in _REDIRECTS and response.status not in ask.expected:
                    redirects += 1
                    url = await self._target(redirects, response, hop, ask, endpoint)
                    if hop.is_at_home and same_origin(url, endpoint.origin):
                        hop = replace(hop, url=url)
                    else:
                        hop = replace(hop, url=url, headers=ask.headers, is_at_home=False)
                elif response.status in ask.expected:
                    is_kept = True
                    return Answer(response, hop)
                else:
                    raise await self._failure(door, ask, response, hop, None if hop.is_at_home else hop.url.origin())
                await self._drain(response, hop)
            finally:
                if not is_kept:
                    await finish(response)

    def _note(self, peer: Peer, door: Door, response: ClientResponse) -> None:
        """Take what any answer says of how the registry does."""
        if response.status < _SERVER_ERROR:
            peer.doors.answered(door)
            if response.status != _TOO_MANY:
                peer.gate.places.answered(asyncio.get_running_loop().time())
        if "ratelimit-remaining" in response.headers:
            peer.quota.note(response.headers)

    async def _target(self, count: int, response: ClientResponse, hop: Hop, ask: Ask, endpoint: Endpoint) -> URL:
        if count > self.limits.redirects:
            raise UpstreamError(
                f"{ask}: {endpoint} redirects more than {self.limits.redirects} times "
                "(limits.redirects); expected the content"
            )
        self.wire.counters.redirects += 1
        return await redirect_target(response.headers.get("Location", ""), hop.url, ask, endpoint)

    async def _failure(
        self, door: Door, ask: Ask, response: ClientResponse, hop: Hop, elsewhere: URL | None
    ) -> MirrordError | TransientError:
        body = await self._drain(response, hop)
        reply = Reply.read(response.status, response.headers, body, door.auth.hide)
        return answer_failure(reply, ask, door.endpoint, elsewhere, door.auth.login)

    async def _drain(self, response: ClientResponse, hop: Hop) -> bytes:
        """A small body, read so that its connection can be used again."""
        try:
            return await self.wire.read_bounded(response, hop, _SMALL) or b""
        except (ClientError, TimeoutError) as error:
            raise self.wire.broken(error, hop) from None

    async def _meet(self, host: str) -> Peer:
        async with self._opening:
            if host not in self._peers:
                self._peers[host] = await self._met(host, self._configs.get(host, RegistryConfig()))
            return self._peers[host]

    async def _met(self, host: str, config: RegistryConfig) -> Peer:
        endpoints = Endpoint.all_of(host, config)
        key = endpoints[0].key()
        if not all(has_host(endpoint.origin) for endpoint in endpoints):
            raise NetworkError(f"{host[:100]!r} is no name that DNS can have; correct it")
        credentials = Credentials(host, key, config, await find_login(host, key, config))
        trust = await asyncio.to_thread(make_trust, host, key, config)
        proxy = Proxy.parse(config.proxy.get_secret_value(), f"{key}.proxy") if config.proxy else None
        pace = self._shared.pace_of(host, config)
        ways = {endpoint: Way(endpoint, trust, proxy, pace) for endpoint in endpoints}
        doors = [
            Door(endpoint, Authenticator(endpoint, config, credentials, TokenDesk(self.wire, ways[endpoint])))
            for endpoint in endpoints
        ]
        gate = self._shared.gate(host, config)
        return Peer(gate, Doors(host, doors, self.limits.attempts), Quota(host), ways)

"""Gathering the facts of the network: one question to each registry, and a pull through the public address."""

import asyncio
import email.utils
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from mirrord.config.images import Image
from mirrord.config.model import Config, Limits, RegistryConfig
from mirrord.errors import ConfigError, InvalidReferenceError, MirrordError, NotFoundError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import MAX_MANIFEST_SIZE, Manifest
from mirrord.oci.reference import Repository
from mirrord.registry.client import Registries
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.http import aiohttp
from mirrord.registry.tls import authorities, make_trust
from mirrord.service.doctor.facts import Asked, Lookup, Network, Public, Skew

_PATIENCE: Final = 15.0
_OK, _UNAUTHORIZED = 200, 401


class Sample(Struct, frozen=True):
    """An image that is served, to pull through the public address."""

    repository: str
    tag: str
    digest: Digest


async def look_at_network(config: Config, images: Sequence[Image], sample: Sample | None) -> Network:
    """Ask everybody once, all at the same time; what goes wrong is in what it gives."""
    skews: list[Skew] = []
    by_host: dict[str, Image] = {}
    for image in sorted(images, key=lambda each: each.is_catalog):
        by_host.setdefault(image.repository.host, image)
    configs = {host: config.registries.get(host, RegistryConfig()) for host in by_host}
    patience = min(config.limits.read_timeout, _PATIENCE)
    limits = config.limits.model_copy(update={"attempts": 1, "max_wait": 0.0, "read_timeout": patience})
    async with asyncio.TaskGroup() as tasks:
        lookups = [tasks.create_task(_look_up(host)) for host in _names(configs)]
        times = [tasks.create_task(_time_at(host, each, skews)) for host, each in configs.items()]
        asked = [tasks.create_task(_ask(image, configs, limits)) for image in by_host.values()]
        public = tasks.create_task(_pull(config, limits, sample, skews))
    del times  # they have noted what they found
    return Network(
        public.result(), [each.result() for each in lookups], [each.result() for each in asked], tuple(skews)
    )


def _names(configs: dict[str, RegistryConfig]) -> list[str]:
    """The names that have to be looked up here: a proxy does that itself."""
    direct = [(host, registry) for host, registry in configs.items() if registry.proxy is None]
    names = [str(each.origin.host) for host, registry in direct for each in Endpoint.all_of(host, registry)]
    return list(dict.fromkeys(names))


async def _look_up(name: str) -> Lookup:
    try:
        async with asyncio.timeout(_PATIENCE):
            await asyncio.get_running_loop().getaddrinfo(name, None)
    except (OSError, UnicodeError, TimeoutError) as error:
        return Lookup(name, f"has no address: {getattr(error, 'strerror', None) or error or 'no answer'}")
    return Lookup(name)


async def _time_at(host: str, config: RegistryConfig, skews: list[Skew]) -> None:
    """Note how far the clock of a registry is from ours, where it says; what fails is told by the question itself."""
    if config.proxy is None:
        endpoint = Endpoint.of(host, config)
        await _ping(str(endpoint.url("")), host, endpoint.key(), config, skews)


async def _ping(url: str, host: str, key: str, config: RegistryConfig, skews: list[Skew]) -> tuple[int, str]:
    """The status that ``url`` answers with, and what went wrong otherwise."""
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    try:
        trust = await asyncio.to_thread(lambda: make_trust(host, key, config).own or authorities())
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(url, ssl=trust, allow_redirects=False) as answer,
        ):
            now = time.time()
            if (at := _moment(answer.headers.get("Date", ""))) is not None:
                skews.append(Skew(host, at - now))
            is_registry = "Docker-Distribution-Api-Version" in answer.headers or answer.status == _UNAUTHORIZED
            if answer.status not in {_OK, _UNAUTHORIZED}:
                return answer.status, f"it answers {answer.status} {answer.reason}; expected 200"
            if not is_registry and not answer.headers.get("Content-Type", "").startswith("application/json"):
                return answer.status, "something answers there that is no registry"
            return answer.status, ""
    except TimeoutError:
        return 0, f"no answer within {_PATIENCE:.0f} s"
    except (aiohttp.ClientError, ConfigError, OSError, ValueError) as error:
        return 0, str(error) or type(error).__name__


def _moment(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


async def _ask(image: Image, configs: dict[str, RegistryConfig], limits: Limits) -> Asked:
    """One question, with the login that a run would use."""
    repository, host = image.repository, image.repository.host
    literal = next((tag for rule in image.tags for tag in rule.literals), None)
    reference = image.digest or literal
    login = configs[host].login()
    if image.is_catalog:
        asked = "the list of repositories"
    else:
        asked = f"manifest {repository}:{reference}" if reference else f"the tag list of {repository}"
    try:
        async with Registries(configs, limits) as registries:
            if image.is_catalog:
                await registries.list_repositories(host)
            elif reference:
                await registries.head_manifest(repository, reference)
            else:
                await registries.list_tags(repository)
    except NotFoundError as error:
        return Asked(host, asked, login, str(error.owner), str(error), is_missing=True)
    except MirrordError as error:
        return Asked(host, asked, login, str(error.owner), str(error))
    return Asked(host, asked, login)


async def _pull(config: Config, limits: Limits, sample: Sample | None, skews: list[Skew]) -> Public | None:
    """What a client gets through the public address, verified as it does."""
    url = config.public_url
    if url is None:
        return None
    host = urlsplit(url).netloc
    registry = config.registries.get(host, RegistryConfig()).model_copy(update={"endpoint": (url,)})
    status, problem = await _ping(f"{url}/v2/", host, f"registries.{host}", registry, skews)
    if problem or sample is None:
        return Public(url, problem, status)
    image = f"{sample.repository}:{sample.tag}"
    sent, blob = "", ""
    try:
        repository = Repository.of(host, sample.repository)
        async with Registries({host: registry}, limits) as registries:
            manifest = await registries.get_manifest(repository, sample.tag)
            sent = str(manifest.digest)
            if manifest.digest == sample.digest:
                manifest = await _image_of(registries, repository, manifest)
                small = [each for each in manifest.blobs if not each.is_foreign and each.size <= MAX_MANIFEST_SIZE]
                if small:
                    least = min(small, key=lambda each: each.size)
                    blob = str(least.digest)
                    await registries.get_blob(repository, least)
    except (MirrordError, InvalidReferenceError) as error:
        if sent:
            return Public(url, "", status, image, str(sample.digest), sent, blob=blob, blob_problem=str(error))
        return Public(url, "", status, image, str(sample.digest), manifest=str(error))
    return Public(url, "", status, image, str(sample.digest), sent, blob=blob)


async def _image_of(registries: Registries, repository: Repository, manifest: Manifest) -> Manifest:
    """The first image of an index that is held; another manifest itself. Raises MirrordError where none is."""
    last: MirrordError | None = None
    for child in manifest.children:
        try:
            return await registries.get_manifest(repository, child.digest)
        except NotFoundError as error:
            last = error
    if last is not None:
        raise last
    return manifest

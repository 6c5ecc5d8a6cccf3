"""Which upstream a name on the mirror would come from, and the config line that has it mirrored. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Final

from mirrord.config.aliases import local_host
from mirrord.config.images import Image, served_name
from mirrord.config.model import Config
from mirrord.errors import InvalidReferenceError
from mirrord.oci.reference import HUB, Repository
from mirrord.serve.misses.log import Missed

_PORT: Final = re.compile(r"(?P<host>.+)_(?P<port>[0-9]{1,5})")


def origin_of(missed: Missed, images: Mapping[str, Image], config: Config) -> Repository | None:
    """Where ``missed`` would come from; None where no upstream can have it under that name.

    ``images`` are the config's by their names on the mirror.
    """
    image = images.get(missed.repository)
    if image is not None:
        return image.repository
    for host, path in _candidates(missed, config):
        try:
            repository = Repository.parse(f"{host}/{path}")
            if served_name(repository, config.registries.get(repository.host)) == missed.repository:
                return repository
        except InvalidReferenceError:
            continue
    return None


def _candidates(missed: Missed, config: Config) -> list[tuple[str, str]]:
    """Upstream hosts and the paths there, the likeliest first; each is tried by naming it again."""
    name, found = missed.repository, []
    first, slash, rest = name.partition("/")
    for host, registry in config.registries.items():
        if registry.as_ and name.startswith(f"{registry.as_}/"):
            found.append((host, name.removeprefix(f"{registry.as_}/")))
        elif registry.as_ == "" and host != HUB and _says(missed, host):
            found.append((host, name))
    port = _PORT.fullmatch(first)
    if slash and port is not None:
        host = f"{port['host']}:{port['port']}"
        if "." in port["host"] or port["host"] == "localhost" or host in config.registries:
            found.append((host, rest))
    if slash and ("." in first or first == "localhost"):
        found.append((first, rest))
    else:
        found.append((HUB, name))
    return found


def _says(missed: Missed, host: str) -> bool:
    """Whether the request named the host: as containerd does, or in its path."""
    spelt = {host, local_host(host), host.replace(":", "%3A")}
    return missed.ns in spelt or any(f"/{each}/" in missed.target for each in spelt)


def line_for(repository: Repository, reference: str, image: Image | None, config: Config) -> str:
    """What to write below ``images:``, on one line."""
    name = _written(repository)
    served = served_name(repository, config.registries.get(repository.host))
    as_ = image.local_name if image is not None and image.local_name != served else None
    if ":" in reference:
        return _entry(f"{name}@{reference}", as_)
    return _entry(f"{name}:{reference}" if reference else name, as_)


def _entry(name: str, as_: str | None) -> str:
    return f"- {{name: {json.dumps(name)}, as: {json.dumps(as_)}}}" if as_ is not None else f"- {name}"


def _written(repository: Repository) -> str:
    """As people write it: Docker Hub's host is left out where that means the same."""
    if repository.host == HUB:
        short = repository.path.removeprefix("library/")
        if Repository.parse(short) == repository:
            return short
    return str(repository)

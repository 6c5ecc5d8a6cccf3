"""What a config means, in words: each registry, group and image as `mirrord check` says it. No secret is in it."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, to_builtins

from mirrord.config.images import Image, images_of
from mirrord.config.model import Config, RegistryConfig, TagRule, merged


class DescribedRegistry(Struct, frozen=True):
    """One upstream registry that the images are from."""

    host: str
    connects_to: tuple[str, ...]
    login: str
    notes: tuple[str, ...]
    """What is out of the ordinary: no TLS, another name on the mirror."""


class DescribedImage(Struct, frozen=True):
    """One image."""

    name: str
    """On the mirror."""
    upstream: str
    rules: tuple[str, ...]
    digest: str | None
    platforms: str
    where: str

    @property
    def selects(self) -> str:
        """Its tags or its digest, in words."""
        rules = "; ".join(self.rules)
        if self.digest is None:
            return rules
        return f"{rules}, pinned to {self.digest}" if rules else f"digest {self.digest}"


class DescribedGroup(Struct, frozen=True):
    """One group."""

    name: str
    schedule: str
    together: bool
    images: tuple[DescribedImage, ...]


class Description(Struct, frozen=True):
    """What a whole config means."""

    root: str | None
    public_url: str | None
    registries: tuple[DescribedRegistry, ...]
    groups: tuple[DescribedGroup, ...]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = to_builtins(self)
        return found


def describe(config: Config) -> Description:
    """Say what ``config`` means. Raises ConfigError where two of its images contradict each other."""
    images = images_of(config)
    used = {image.repository.host for image in images}
    hosts = sorted(used | config.registries.keys())
    schedules = {group.name: (merged(config.defaults, group).schedule, group.together) for group in config.groups}
    groups = []
    for name in dict.fromkeys([*(image.group for image in images), *schedules]):
        schedule, together = schedules.get(name, (merged(config.defaults).schedule, False))
        members = tuple(_image(image) for image in images if image.group == name)
        groups.append(DescribedGroup(name, schedule, together, members))
    return Description(
        root=None if config.root is None else str(config.root),
        public_url=config.public_url,
        registries=tuple(
            _registry(host, config.registries.get(host, RegistryConfig()), is_used=host in used) for host in hosts
        ),
        groups=tuple(groups),
    )


def _registry(host: str, registry: RegistryConfig, *, is_used: bool) -> DescribedRegistry:
    notes = [] if is_used else ["no image is from it"]
    origins = registry.origins(host)
    if origins[0].startswith("http:"):
        notes.append("without TLS")
    elif not registry.tls_verify:
        notes.append("its certificate is not checked")
    if registry.ca_file:
        notes.append(f"trusting {registry.ca_file}")
    if registry.client_cert:
        notes.append(f"showing {registry.client_cert}")
    if registry.proxy:
        notes.append("through a proxy")
    if registry.as_ is not None:
        notes.append(f"served as {registry.as_}/…" if registry.as_ else "served without its host")
    return DescribedRegistry(host, origins, registry.login(), tuple(notes))


def _rules(rules: Sequence[TagRule]) -> tuple[str, ...]:
    """The rules in words, plain tags together."""
    tags = [tag for rule in rules if rule.is_literal for tag in rule.literals]
    named = [f"tag{'s' if len(tags) > 1 else ''} {', '.join(tags)}"] if tags else []
    return (*named, *(str(rule) for rule in rules if not rule.is_literal))


def _image(image: Image) -> DescribedImage:
    return DescribedImage(
        name=image.local_name,
        upstream=str(image.repository),
        rules=_rules(image.tags),
        digest=None if image.digest is None else str(image.digest),
        platforms=str(image.platforms),
        where=image.where,
    )

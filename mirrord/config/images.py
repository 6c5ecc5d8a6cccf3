"""What the config comes to: each image with all that holds for it, under the name the mirror serves it by."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from mirrord.config.aliases import ambiguities, origin_name
from mirrord.config.entries import DEFAULT_GROUP, ImageConfig, is_free_name
from mirrord.config.model import Config
from mirrord.config.options import Referrers, Resolved, merged
from mirrord.config.problem import InvalidConfigError, Problem
from mirrord.config.registries import RegistryConfig
from mirrord.config.rules import TagRule
from mirrord.config.section import COMMAND_LINE
from mirrord.errors import InvalidReferenceError
from mirrord.oci.digest import Digest
from mirrord.oci.platform import PlatformChoice
from mirrord.oci.reference import HUB, Repository

LATEST = TagRule(glob=("latest",))


class Image(Struct, frozen=True):
    """One image of the config. Entries of one repository with rules are one image; a digest is one of its own."""

    repository: Repository
    local_name: str
    tags: tuple[TagRule, ...]
    """Any of them; empty for an image that is a digest alone."""
    digest: Digest | None
    """Alone: this manifest, without a tag. With one literal tag: that tag, which must be this digest (pinned)."""
    platforms: PlatformChoice
    referrers: bool | Referrers
    foreign_layers: Literal["skip", "follow"]
    missing_children: Literal["fail", "keep"]
    immutable: tuple[str, ...]
    cooldown: float
    stale_after: float
    """Seconds since its last success after which it counts as stale."""
    group: str
    where: str
    """The place in the config that names it: ``mirrord.yaml:12``."""
    is_catalog: bool = False
    """Whether it stands for every repository below a prefix: ``harbor.lan/team/*``."""
    served_as: str | None = None
    """Of a catalog: the name that its registry has on the mirror, where the config chose one."""
    is_member: bool = False
    """Whether a catalog brought it: the config does not name it, so having nothing that fits is no mistake."""

    def covers(self, repository: Repository) -> bool:
        """Whether a catalog brings ``repository``."""
        prefix = self.repository.path.removesuffix("*")
        return (
            self.is_catalog
            and repository.host == self.repository.host
            and repository.path.startswith(prefix)
            and len(repository.path) > len(prefix)
        )

    def member(self, repository: Repository) -> "Image":
        """The image of one repository that this catalog covers. Raises InvalidReferenceError (see `_local_name`)."""
        local_name = _local_name(repository, self.served_as)
        return replace(self, repository=repository, local_name=local_name, is_catalog=False, is_member=True)

    def __str__(self) -> str:
        return self.local_name


def images_of(config: Config) -> tuple[Image, ...]:
    """Every image of ``config``: defaults, then group, then image. Raises ConfigError where two disagree."""
    images: list[Image] = []
    problems: list[Problem] = []
    for group, options, entry in _entries(config):
        try:
            images.append(_image(group, options, entry, config.registries.get(entry.name.repository.host)))
        except InvalidReferenceError as error:
            problems.append(_problem(entry.where, str(error)))
    together, contradictions = unite(images)
    problems += contradictions
    problems += [_problem(where, words) for where, words in ambiguities(together, config.registries)]
    if problems:
        raise InvalidConfigError(problems)
    return together


def collisions(config: Config) -> tuple[Problem, ...]:
    """What ``images_of`` would refuse."""
    try:
        images_of(config)
    except InvalidConfigError as error:
        return error.problems
    return ()


def config_for(references: Sequence[str], root: Path | None) -> Config:
    """A config of the images that a command line names and nothing else. Raises ConfigError for each wrong name."""
    images, problems = [], []
    for reference in references:
        try:
            images.append(ImageConfig.model_validate({"name": reference}))
        except ValidationError as error:
            problems += [_problem(COMMAND_LINE, str(one["ctx"]["error"])) for one in error.errors(include_url=False)]
    if problems:
        raise InvalidConfigError(problems)
    return Config(images=tuple(images), root=root)


def _entries(config: Config) -> Iterator[tuple[str, Resolved, ImageConfig]]:
    for entry in config.images:
        yield DEFAULT_GROUP, merged(config.defaults, entry), entry
    for group in config.groups:
        for entry in group.images:
            yield group.name, merged(config.defaults, group, entry), entry


def _image(group: str, options: Resolved, entry: ImageConfig, registry: RegistryConfig | None) -> Image:
    name = entry.name
    rules: tuple[TagRule, ...] = entry.tags or (() if name.digest else (LATEST,))
    served_as = registry.as_ if registry else None
    return Image(
        repository=name.repository,
        local_name=entry.as_ or (_pattern if name.is_catalog else _local_name)(name.repository, served_as),
        tags=(TagRule(glob=(name.tag,)),) if name.tag else rules,
        digest=name.digest,
        platforms=options.platforms,
        referrers=options.referrers,
        foreign_layers=options.foreign_layers,
        missing_children=options.missing_children,
        immutable=options.immutable,
        cooldown=options.cooldown,
        stale_after=options.stale_after,
        group=group,
        where=entry.where,
        is_catalog=name.is_catalog,
        served_as=served_as if name.is_catalog else None,
    )


def served_name(repository: Repository, registry: RegistryConfig | None) -> str:
    """The name on the mirror that a repository has unless its image has `as:`. Raises InvalidReferenceError."""
    return _local_name(repository, registry.as_ if registry else None)


def _local_name(repository: Repository, served_as: str | None) -> str:
    """The name on the mirror. Raises InvalidReferenceError where it can't be one."""
    if served_as is None:
        return repository.local_name()
    local_name = _below(repository, served_as)
    if not is_free_name(local_name):
        raise InvalidReferenceError(
            f"{repository}: {local_name!r}, as its registry's as: has it, can't be a name on the mirror; "
            "choose another as:, or one for the image"
        )
    return local_name


def _pattern(catalog: Repository, served_as: str | None) -> str:
    """What the names of a catalog's repositories on the mirror are like: ``harbor.lan/team/*``."""
    return origin_name(catalog) if served_as is None else _below(catalog, served_as)


def _below(repository: Repository, served_as: str) -> str:
    path = origin_name(repository) if repository.host == HUB else repository.path
    return f"{served_as}/{path}" if served_as else path


def unite(images: Iterable[Image]) -> tuple[tuple[Image, ...], list[Problem]]:
    """Images with the rules of their repository's entries together, and what contradicts itself in them."""
    by_name: dict[str, list[Image]] = {}
    for image in images:
        by_name.setdefault(image.local_name, []).append(image)
    united: list[Image] = []
    problems: list[Problem] = []
    for entries in by_name.values():
        found = [problem for other in entries[1:] if (problem := _difference(entries[0], other))]
        found += _pinned_twice(entries)
        problems += found
        if not found:
            united += _joined(entries)
    return tuple(united), problems


def without_cooldown(images: Iterable[Image]) -> tuple[Image, ...]:
    """The same images, each new digest of which is published at once."""
    return tuple(replace(image, cooldown=0.0) for image in images)


def _difference(first: Image, other: Image) -> Problem | None:
    if other.repository != first.repository:
        return _problem(
            other.where,
            f"{other.repository} would have the name {first.local_name} that {first.repository} ({first.where}) has; "
            "give one of them another with as:",
        )
    if other.group != first.group:
        return _problem(
            other.where,
            f"{other.repository} is in group {other.group} here and in group {first.group} at {first.where}; "
            "keep it in one, or give one of the two another name with as:",
        )
    differing = [name for name in _AGREEING if getattr(first, name) != getattr(other, name)]
    if differing:
        return _problem(
            other.where,
            f"{other.repository} differs from its entry at {first.where} in {' and '.join(differing)}; "
            "say the same in both, or give one of the two another name with as:",
        )
    return None


def _pinned_twice(entries: Iterable[Image]) -> Iterator[Problem]:
    """Tags that one entry pins to a digest and another wants otherwise."""
    wanted: dict[str, Image] = {}
    for image in entries:
        for tag in (tag for rule in image.tags for tag in rule.literals):
            first = wanted.setdefault(tag, image)
            if first.digest != image.digest:
                yield _problem(
                    image.where, f"{image.repository}:{tag} is asked for with another digest at {first.where}; keep one"
                )


def _joined(entries: Sequence[Image]) -> Iterator[Image]:
    by_rule = [image for image in entries if image.digest is None]
    if by_rule:
        rules = dict.fromkeys(rule for image in by_rule for rule in image.tags)
        yield replace(by_rule[0], tags=tuple(rules)) if len(by_rule) > 1 else by_rule[0]
    seen: set[tuple[Digest | None, tuple[TagRule, ...]]] = set()
    for image in entries:
        key = (image.digest, image.tags)
        if image.digest is not None and key not in seen:
            seen.add(key)
            yield image


def _problem(where: str, message: str) -> Problem:
    file, _, line = where.rpartition(":")
    return Problem(file, int(line), "images", message) if line.isdigit() else Problem(where, 0, "", message)


_AGREEING = ("platforms", "referrers", "foreign_layers", "missing_children", "immutable", "cooldown")

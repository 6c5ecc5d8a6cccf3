"""Images by catalog (``harbor.lan/team/*``): which repositories they come to now, and which of those held are gone."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from mirrord.config.aliases import ambiguities, origin_name
from mirrord.config.images import Image, images_of, unite
from mirrord.config.model import Config
from mirrord.config.registries import RegistryConfig
from mirrord.errors import AccessError, ConfigError, InvalidReferenceError, MirrordError, Owner, UpstreamError
from mirrord.oci.reference import Repository
from mirrord.registry.client import Registries
from mirrord.store.reader import Reader
from mirrord.sync.decide import RepositoryPlan
from mirrord.sync.outcome import Outcome


class Expansion(Struct):
    """Plans without catalogs, and what went wrong with those."""

    plans: Sequence[RepositoryPlan]
    failed: list[tuple[str, Outcome]] = field(default_factory=list)
    """With the group of the image."""


async def expand(plans: Sequence[RepositoryPlan], registries: Registries, reader: Reader, config: Config) -> Expansion:
    """Replace each catalog among ``plans`` by the repositories that its registry has now.

    A catalog that can't be had, or that is empty while repositories of it are held, is a failed outcome, and those
    stay as they are. One that lacks a held repository makes its tags gone upstream.
    """
    catalogs = [(plan, image) for plan in plans for image in plan.images if image.is_catalog]
    if not catalogs:
        return Expansion(plans)
    named: dict[str, tuple[Image, ...]] = {}
    for image in images_of(config):
        if not image.is_catalog:
            named[image.local_name] = (*named.get(image.local_name, ()), image)
    own = {plan.name: plan for plan in plans if not any(image.is_catalog for image in plan.images)}
    work = _Work(own, named, config.registries)
    served = [name for name in await reader.repositories() if name not in named]
    listed: dict[str, tuple[str, ...] | MirrordError] = {}
    for plan, catalog in catalogs:
        host = catalog.repository.host
        if host not in listed:
            try:
                listed[host] = await registries.list_repositories(host)
            except MirrordError as error:
                listed[host] = error
        held = [name for name in served if await _brought(catalog, name, reader)]
        try:
            work.add(plan, catalog, _members(catalog, listed[host], held), held)
        except MirrordError as error:
            work.fail(catalog, catalog.local_name, error)
            work.untouched.update(held)
    return Expansion([plan for name, plan in work.plans.items() if name not in work.untouched], work.failed)


async def _brought(catalog: Image, name: str, reader: Reader) -> bool:
    """Whether a served repository is one that ``catalog`` brought, or could have."""
    if not name.startswith(catalog.local_name.removesuffix("*")):
        return False
    record = await reader.record(name)
    try:
        return (
            record is not None
            and catalog.covers(record.upstream)
            and catalog.member(record.upstream).local_name == name
        )
    except InvalidReferenceError:
        return False


def _members(catalog: Image, listed: tuple[str, ...] | MirrordError, held: Sequence[str]) -> list[Repository]:
    """The repositories that a catalog comes to. Raises MirrordError where it can't be told, or must not be believed."""
    repository = catalog.repository
    if isinstance(listed, MirrordError):
        if listed.owner is Owner.CONFIG:
            raise AccessError(f"{catalog.where}: {listed}") from listed
        raise listed
    members = [each for path in listed if catalog.covers(each := Repository(repository.host, path))]
    if not members and held:
        raise UpstreamError(
            f"{repository}: the registry's catalog has none, though {len(held)} of them are held; they are kept; "
            "may this login still list them?"
        )
    if not members:
        raise ConfigError(f"{catalog.where}: {repository}: none of the registry's {len(listed)} repositories is there")
    return members


def _is_renamed(image: Image) -> bool:
    return origin_name(image.repository) != image.local_name


class _Work(Struct):
    """The plans as they grow."""

    plans: dict[str, RepositoryPlan]
    named: Mapping[str, tuple[Image, ...]]
    """By name on the mirror, what the config names itself, in whatever group."""
    registries: Mapping[str, RegistryConfig]
    failed: list[tuple[str, Outcome]] = field(default_factory=list)
    untouched: set[str] = field(default_factory=set)
    """Held repositories of which nothing can be said: neither synced nor dropped."""
    renamed: list[Image] = field(default_factory=list)
    """Those with another name than their origin's."""

    def __post_init__(self) -> None:
        self.renamed = [image for images in self.named.values() for image in images if _is_renamed(image)]

    def add(self, plan: RepositoryPlan, catalog: Image, members: Sequence[Repository], held: Iterable[str]) -> None:
        """Add what a catalog comes to; a name that another repository has already stays that one's."""
        for repository in members:
            try:
                self._add(plan, catalog.member(repository))
            except MirrordError as error:
                self.fail(catalog, str(repository), error)
        for name in held if plan.may_drop else ():
            if not (found := self.plans.get(name)) or not found.images:
                self.plans[name] = replace(plan, name=name, images=(catalog,), has_vanished=True)

    def fail(self, catalog: Image, name: str, error: MirrordError) -> None:
        """Take note that a catalog, or a repository of it, came to nothing."""
        self.failed.append((catalog.group, Outcome.of_error(f"{name} ({catalog.where})", error)))

    def _add(self, plan: RepositoryPlan, image: Image) -> None:
        name = image.local_name
        found = self.plans.get(name)
        others = found.images if found and found.images and not found.has_vanished else self.named.get(name, ())
        images, problems = unite([*others, image])
        clashes = [f"{where}: {words}" for where, words in ambiguities(self._alike(image), self.registries)]
        if problems or clashes:
            raise ConfigError("; ".join([*map(str, problems), *clashes]))
        if _is_renamed(image):
            self.renamed.append(image)
        self.plans[name] = replace(found or plan, name=name, images=images, has_vanished=False)

    def _alike(self, image: Image) -> Iterable[Image]:
        """``image``, and those with which its names could be one: a check of all with all would take long."""
        named = origin_name(image.repository)
        rival = self.plans.get(named)
        return (*self.renamed, *self.named.get(named, ()), *(rival.images if rival else ()), image)

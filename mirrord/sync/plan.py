"""From the config, the command line and what is served to a plan: which repositories a run is about. Pure."""

import difflib
from collections.abc import Iterable, Sequence

from mirrord.config.images import Image, unite
from mirrord.errors import ConfigError, InvalidReferenceError
from mirrord.oci.reference import Reference, Repository
from mirrord.store.record import Source
from mirrord.sync.decide import RepositoryPlan


def plan_all(images: Sequence[Image], served: Iterable[str]) -> list[RepositoryPlan]:
    """Every repository of the config, and every served one: what left the config is dropped there."""
    names = dict.fromkeys([image.local_name for image in images]) | dict.fromkeys(served)
    return [RepositoryPlan(name, _about(images, name), Source.CONFIG) for name in names]


def plan_some(images: Sequence[Image], served: Iterable[str], asked: Sequence[str]) -> list[RepositoryPlan]:
    """The repositories that ``asked`` names, by their name here or upstream, each perhaps with a tag.

    Nothing is dropped. Raises ConfigError for a name that neither the config nor the mirror has.
    """
    served = tuple(served)
    tags: dict[str, set[str]] = {}
    whole: set[str] = set()
    for text in asked:
        reference = Reference.parse(text)
        images = _with_members(images, reference, _name_in(text, reference))
        known = dict.fromkeys([*(image.local_name for image in images if not image.is_catalog), *served])
        name = _match(images, known, text, reference)
        if reference.tag is None:
            whole.add(name)
        tags.setdefault(name, set()).update([reference.tag] if reference.tag else [])
    return [
        RepositoryPlan(
            name,
            _about(images, name),
            Source.CONFIG,
            only=None if name in whole else frozenset(found),
            may_drop=False,
        )
        for name, found in tags.items()
    ]


def plan_group(
    images: Sequence[Image], served: Iterable[str], group: str, *, has_rest: bool, only: Iterable[str] | None = None
) -> list[RepositoryPlan]:
    """The repositories of one group, and what its catalogs brought; ``has_rest``: what left the config, too.

    ``only`` leaves it at some of them, by their names here; what a catalog has yet to bring comes with the catalog.
    """
    named = {image.local_name for image in images}
    names = dict.fromkeys(image.local_name for image in images if image.group == group)
    all_catalogs = [image for image in images if image.is_catalog]
    for name in served:
        catalog = _catalog_of(all_catalogs, name)
        is_own = has_rest if catalog is None else catalog.group == group
        if name not in named and is_own:
            names[name] = None
    if only is not None:
        wanted = set(only)
        brought = (_catalog_of(all_catalogs, name) for name in wanted - names.keys())
        catalogs = {catalog.local_name for catalog in brought if catalog is not None}
        names = {name: None for name in names if name in wanted | catalogs}
    return [RepositoryPlan(name, _about(images, name), Source.CONFIG) for name in names]


def _catalog_of(catalogs: Sequence[Image], name: str) -> Image | None:
    """The catalog below whose prefix a repository lies."""
    return next((each for each in catalogs if name.startswith(each.local_name.removesuffix("*"))), None)


def plan_command(images: Sequence[Image]) -> list[RepositoryPlan]:
    """Images named by the command alone: added to the root, and nothing else touched."""
    names = dict.fromkeys(image.local_name for image in images)
    return [RepositoryPlan(name, _about(images, name), Source.COMMAND, may_drop=False) for name in names]


def _about(images: Sequence[Image], name: str) -> tuple[Image, ...]:
    return tuple(image for image in images if image.local_name == name)


def _with_members(images: Sequence[Image], reference: Reference, typed: str) -> Sequence[Image]:
    """The images and what the catalogs make of the repository that is asked for: it need not be listed for that."""
    for catalog in [image for image in images if image.is_catalog]:
        prefix = catalog.local_name.removesuffix("*")
        repository = reference.repository
        if catalog.served_as is not None and typed.startswith(prefix):  # by its name here
            path = catalog.repository.path.removesuffix("*") + typed.removeprefix(prefix)
            repository = Repository(catalog.repository.host, path)
        if catalog.covers(repository):
            together, problems = unite([*images, catalog.member(repository)])
            images = images if problems else together
    return images


def _match(images: Sequence[Image], known: Iterable[str], text: str, reference: Reference) -> str:
    typed = _name_in(text, reference)
    if typed in known:
        return typed
    for image in images:
        if image.repository == reference.repository:
            return image.local_name
    try:
        local = reference.repository.local_name()
    except InvalidReferenceError:
        local = typed
    if local in known:
        return local
    near = difflib.get_close_matches(typed, list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"{text}: neither the config nor the mirror has an image of that name{hint}")


def _name_in(text: str, reference: Reference) -> str:
    """What was typed, without tag and digest."""
    typed = text.partition("@")[0]
    return typed[: -len(reference.tag) - 1] if reference.tag else typed

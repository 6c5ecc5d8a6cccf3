"""From the config, the command line and what is served to a plan: which repositories a run is about. Pure."""

import difflib
from collections.abc import Iterable, Sequence

from mirrord.config.images import Image
from mirrord.errors import ConfigError, InvalidReferenceError
from mirrord.oci.reference import Reference
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
    known = dict.fromkeys([*(image.local_name for image in images), *served])
    tags: dict[str, set[str]] = {}
    whole: set[str] = set()
    for text in asked:
        reference = Reference.parse(text)
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


def plan_command(images: Sequence[Image]) -> list[RepositoryPlan]:
    """Images named by the command alone: added to the root, and nothing else touched."""
    names = dict.fromkeys(image.local_name for image in images)
    return [RepositoryPlan(name, _about(images, name), Source.COMMAND, may_drop=False) for name in names]


def _about(images: Sequence[Image], name: str) -> tuple[Image, ...]:
    return tuple(image for image in images if image.local_name == name)


def _match(images: Sequence[Image], known: Iterable[str], text: str, reference: Reference) -> str:
    typed = text.partition("@")[0]
    typed = typed[: -len(reference.tag) - 1] if reference.tag else typed
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

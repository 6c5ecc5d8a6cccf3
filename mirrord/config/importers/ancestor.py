"""The inventory of the playbook that mirrord descends from: its ``reexported_images``."""

from collections.abc import Iterator, Mapping
from typing import Final

from mirrord.config.document import Block, Items, Text
from mirrord.config.importers.draft import Draft, Entry
from mirrord.config.importers.source import blocks_of, text_of, texts_of

IMAGES: Final = "reexported_images"
_KNOWN: Final[Mapping[str, str]] = {
    "hosts": "which host the playbook works on; mirrord runs on the mirror's own host",
    "working_dir": "where the playbook works; what is there can be taken over: mirrord adopt ancestor:DIR",
    "docker_images_dir": "where its images lie; what is there can be taken over: mirrord adopt ancestor:DIR",
    "registry_dir": "where its registry lies; what is there can be taken over: mirrord adopt ancestor:DIR",
}
_OTHER: Final = "a variable of the playbook that says nothing of images"


def is_inventory(root: Block) -> bool:
    """Whether an inventory of that playbook is here: an image list somewhere in a mapping."""
    return any(True for _ in _holders(root, ""))


def import_inventory(draft: Draft, root: Block) -> None:
    """Take over every image; each other key that says something is a leftover."""
    draft.hints.append(
        "Tags were fetched once and never again; now they are asked for on a schedule. All platforms are mirrored; "
        "to have one, as before: defaults: {platforms: [linux/amd64]}"
    )
    holders = dict(_holders(root, ""))
    _leave_the_rest(draft, root, "", set(holders))
    for path, block in holders.items():
        images = block[IMAGES]
        for at, each in enumerate(images if isinstance(images, Items) else ()):
            if not isinstance(each, Block):
                draft.leave(each.line, f"{path}[{at}]", "an image is a mapping with a name and tags")
        for at, image in blocks_of(images):
            _add(draft, image, f"{path}[{at}]")


def _add(draft: Draft, image: Block, path: str) -> None:
    name, tags = text_of(image, "name"), texts_of(image, "tags")
    for key in image.keys() - {"name", "tags"}:
        draft.leave(image.lines[key], f"{path}.{key}", "the playbook knows name and tags only, and mirrord takes those")
    if not name or not tags:
        draft.leave(image.line, path, "it has no name" if not name else f"{name} has no tags, so nothing was mirrored")
        return
    draft.add(Entry(image.line, name, list(map(str, tags)), [f"{draft.file}:{image.line}: {name}"]), path)


def _holders(block: Block, path: str) -> Iterator[tuple[str, Block]]:
    """The mappings that have an image list, and where."""
    for key, value in block.items():
        here = f"{path}.{key}" if path else key
        if key == IMAGES:
            yield here, block
        elif isinstance(value, Block):
            yield from _holders(value, here)


def _leave_the_rest(draft: Draft, block: Block, path: str, holders: set[str]) -> None:
    for key, value in block.items():
        here = f"{path}.{key}" if path else key
        if here in holders:
            continue
        leads_there = any(holder.startswith(f"{here}.") for holder in holders)
        if isinstance(value, Block) and leads_there:
            _leave_the_rest(draft, value, here, holders)
        elif value or not isinstance(value, Text):
            draft.leave(block.lines[key], here, _KNOWN.get(key, _OTHER))

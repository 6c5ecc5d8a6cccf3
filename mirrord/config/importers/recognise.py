"""Which tool a file is of, and the config that it comes to."""

from collections.abc import Callable

from msgspec import Struct

from mirrord.config.document import Block
from mirrord.config.importers.ancestor import import_inventory, is_inventory
from mirrord.config.importers.draft import Draft
from mirrord.config.importers.plain import import_list, is_list
from mirrord.config.importers.regsync import import_regsync, is_regsync
from mirrord.config.importers.skopeo import import_skopeo, is_skopeo
from mirrord.config.importers.source import Leftover, read_yaml
from mirrord.config.importers.written import settled
from mirrord.config.problem import InvalidConfigError, Problem

_KINDS: tuple[tuple[str, Callable[[Block], bool], Callable[[Draft, Block], None]], ...] = (
    ("regsync", is_regsync, import_regsync),
    ("the playbook's inventory", is_inventory, import_inventory),
    ("skopeo sync", is_skopeo, import_skopeo),
)


class Imported(Struct, frozen=True):
    """What a file came to."""

    tool: str
    text: str
    """A config that loads."""
    images: int
    leftovers: tuple[Leftover, ...]
    """What it has not, by line."""


def import_config(text: str, file: str, root: str) -> Imported:
    """The config that ``text``, called ``file``, comes to; ``root`` is the mirror's directory in it.

    Raises InvalidConfigError where it is no file of a tool that is known, with its line where it is no YAML.
    """
    draft = _drafted(text, file)
    written = settled(draft, root)
    return Imported(draft.tool, written, len(draft.images), tuple(sorted(set(draft.leftovers))))


def _drafted(text: str, file: str) -> Draft:
    if is_list(text):
        draft = Draft("a list of images", file)
        import_list(draft, text)
        return draft
    document = read_yaml(text, file)
    for tool, is_its, take in _KINDS:
        if isinstance(document, Block) and is_its(document):
            draft = Draft(tool, file)
            take(draft, document)
            return draft
    known = "a regsync.yml (sync:), a skopeo sync YAML (a registry, and images: below it), the playbook's inventory"
    words = f"this is none of the files that can be imported: {known} (reexported_images:), or a list of images"
    raise InvalidConfigError([Problem(file, 0, "", words)])

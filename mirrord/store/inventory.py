"""What a tree serves, image by image: for whoever lists it."""

from collections.abc import Sequence

from msgspec import Struct

from mirrord.errors import ConfigError, InvalidReferenceError
from mirrord.oci.reference import Reference
from mirrord.store.record import Held
from mirrord.store.tree import Tree


class ServedImage(Struct, frozen=True):
    """One tag, or one image kept by digest."""

    repository: str
    tag: str | None
    held: Held

    @property
    def name(self) -> str:
        """As a client asks for it."""
        return f"{self.repository}:{self.tag}" if self.tag else f"{self.repository}@{self.held.digest}"

    def document(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {"name": self.name, "repository": self.repository, "tag": self.tag, **self.held.document()}


def served_images(tree: Tree, name: str | None = None) -> Sequence[ServedImage]:
    """Everything served, or one repository, or one tag of it. Raises ConfigError where ``name`` is not served."""
    names = tree.repositories()
    repository, tag = (None, None) if name is None else _wanted(names, name)
    found: list[ServedImage] = []
    for each in names if repository is None else (repository,):
        record = tree.record(each)
        if record is None:
            continue
        found += [ServedImage(each, t, held) for t, held in sorted(record.tags.items()) if tag in {None, t}]
        if tag is None:
            found += [ServedImage(each, None, held) for _, held in sorted(record.digests.items())]
    if name is not None and not found:
        raise ConfigError(f"{name} is not served here; `mirrord images` lists what is")
    return found


def _wanted(names: Sequence[str], text: str) -> tuple[str, str | None]:
    if text in names:
        return text, None
    head, _, tag = text.rpartition(":")
    if head in names:
        return head, tag
    reference = Reference.parse(text)
    try:
        return reference.repository.local_name(), reference.tag
    except InvalidReferenceError:
        return text, None

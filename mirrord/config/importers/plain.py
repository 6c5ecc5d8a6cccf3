"""Lists of images, a reference a line, as ``kubeadm config images list`` prints them."""

from mirrord.config.importers.draft import Draft, Entry
from mirrord.config.names import ImageName

_TRANSPORT = "docker://"


def is_list(text: str) -> bool:
    """Whether most lines of ``text`` are references."""
    words = [word for _, word in _words(text)]
    return bool(words) and 2 * sum(map(_is_reference, words)) > len(words)


def import_list(draft: Draft, text: str) -> None:
    """Take over each line that is a reference; tell of every other."""
    for line, word in _words(text):
        name = word.removeprefix(_TRANSPORT)
        try:
            image = ImageName.parse(name)
        except ValueError as error:
            draft.leave(line, _shown(word), str(error))
            continue
        said = [f"{draft.file}:{line}: {word}"]
        if image.digest is not None or image.is_catalog:
            draft.add(Entry(line, name, said=said), name)
        else:
            head = name[: -len(image.tag) - 1] if image.tag else name
            draft.add(Entry(line, head, [image.tag or "latest"], said), name)


def _words(text: str) -> list[tuple[int, str]]:
    """What stands on each line, without comments."""
    lines = ((at, line.partition(" #")[0].strip()) for at, line in enumerate(text.splitlines(), 1))
    return [(at, line) for at, line in lines if line and not line.startswith("#")]


def _is_reference(word: str) -> bool:
    try:
        ImageName.parse(word.removeprefix(_TRANSPORT))
    except ValueError:
        return False
    return True


def _shown(word: str) -> str:
    return word if len(word) <= 60 else word[:60] + "…"  # noqa: PLR2004 - a line's worth

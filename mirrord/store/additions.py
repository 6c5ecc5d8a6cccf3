"""Dropping what somebody added by command: what the config wants is the config's to drop."""

from collections.abc import Sequence

from mirrord.errors import ConfigError
from mirrord.store.change import Change
from mirrord.store.record import Record, Source
from mirrord.store.tree import Tree


def drop_added(tree: Tree, names: Sequence[str]) -> Sequence[Change]:
    """The changes that drop ``names`` (repositories, or tags of them). Raises ConfigError for what no command added."""
    by_repository: dict[str, set[str]] = {}
    records: dict[str, Record] = {}
    for name in names:
        repository, tag = _found(tree, name)
        record = records.setdefault(repository, _record(tree, repository, name))
        added = {each for each, held in record.tags.items() if held.source is Source.COMMAND and tag in {None, each}}
        if not added:
            raise ConfigError(f"{name} was not added by a command; take it out of the config, and sync")
        by_repository.setdefault(repository, set()).update(added)
    return [
        Change(repository, records[repository].upstream, dropped_tags=frozenset(tags))
        for repository, tags in by_repository.items()
    ]


def _found(tree: Tree, name: str) -> tuple[str, str | None]:
    served = tree.repositories()
    if name in served:
        return name, None
    head, _, tag = name.rpartition(":")
    if head in served:
        return head, tag
    raise ConfigError(f"{name} is not served here; `mirrord images` lists what is")


def _record(tree: Tree, repository: str, name: str) -> Record:
    record = tree.record(repository)
    if record is None:
        raise ConfigError(f"{name} is no longer served")
    return record

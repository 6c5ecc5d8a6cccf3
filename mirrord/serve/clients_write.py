"""Writing the clients' files as a tree: all of them or, where one is there and differs, none."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from mirrord.errors import ConfigError
from mirrord.serve.clients import ClientFile, ClientSetup
from mirrord.store import durable
from mirrord.store.failures import host_errors

_MODE: Final = 0o644


class Outcome(StrEnum):
    """What became of one file."""

    WRITTEN = "written"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"


class WrittenFile(Struct, frozen=True):
    """One file of a client, where it was written, and what became of it."""

    client: str
    file: ClientFile
    path: Path
    outcome: Outcome


def write(directory: Path, setups: Sequence[ClientSetup], *, force: bool) -> tuple[WrittenFile, ...]:
    """Write ``DIR/<client>/<path>`` of each file; ``force`` replaces files that differ.

    Raises ConfigError that names every file that differs, before anything is written; HostError for the disk.
    """
    planned = [_planned(directory, setup.client, file) for setup in setups for file in setup.files]
    differing = [str(each.path) for each in planned if each.outcome is Outcome.REPLACED]
    if differing and not force:
        raise ConfigError(
            f"files are there that differ from what would be written: {', '.join(differing)}; "
            "--force replaces them, or write to another directory"
        )
    for each in planned:
        content = each.file.content.encode()
        if each.outcome is Outcome.REPLACED:
            durable.replace_file(each.path, content, mode=_MODE)
        elif each.outcome is Outcome.WRITTEN:
            with host_errors("create the directory", each.path.parent):
                each.path.parent.mkdir(parents=True, exist_ok=True)
            durable.write_file(each.path, content, mode=_MODE)
    return tuple(planned)


def _planned(directory: Path, client: str, file: ClientFile) -> WrittenFile:
    path = directory / client / file.path
    with host_errors("read", path):
        try:
            there = path.read_bytes()
        except FileNotFoundError:
            return WrittenFile(client, file, path, Outcome.WRITTEN)
    same = there == file.content.encode()
    return WrittenFile(client, file, path, Outcome.UNCHANGED if same else Outcome.REPLACED)

"""`mirrord import`, `adopt`, `export` and `load`: moving in from other tools, and from one mirror to another."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import FOUND, app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.store.bundle_write import Plan

_ROOT = Path("/var/lib/mirrord")
_THREADS = 4
_STDOUT = "-"
_MAX_FILE = 4 << 20


@command(app, "import")
def import_(
    invocation: Invocation,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The other tool's file; - is standard input.")],
    write: Annotated[
        Path | None, typer.Option("--write", metavar="CONFIG", help="Write the config there; without, print it.")
    ] = None,
) -> None:
    """Make a config of another tool's: regsync.yml, skopeo sync YAML, the ancestor's inventory, or a list of images.

    What can't be carried over is told on standard error, with its line and the reason; no password is copied. Exit
    status: 0 all came over; 1 something was left over; 2 the file is none that can be read.
    """
    from mirrord.cli.moved import imported
    from mirrord.cli.words import plain
    from mirrord.config.importers.recognise import import_config

    name = "standard input" if file == _STDOUT else Path(file).name
    done = import_config(_text_of(file), name, str(invocation.root or _ROOT))
    if write is not None:
        _write_new(write, done.text)
    if invocation.json:
        leftovers = [{"line": left.line, "what": left.what, "reason": left.reason} for left in done.leftovers]
        document = {"tool": done.tool, "file": file, "images": done.images, "config": done.text, "leftovers": leftovers}
        invocation.print_json("import", document)
    elif write is None:
        sys.stdout.write(done.text)
    for left in done.leftovers:
        sys.stderr.write(f"{plain(name)}:{left.line}: {plain(left.what)}: {plain(left.reason)}\n")
    if invocation.verbosity >= 0:
        sys.stderr.write(imported(done.tool, done.images, len(done.leftovers), write))
    raise typer.Exit(FOUND if done.leftovers else 0)


def _text_of(file: str) -> str:
    """What is in a file. Raises ConfigError."""
    from mirrord.errors import ConfigError

    try:
        if file == _STDOUT:
            raw = sys.stdin.buffer.read(_MAX_FILE + 1)
        else:
            with open(file, "rb") as stream:
                raw = stream.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from error
    if len(raw) > _MAX_FILE:
        raise ConfigError(f"{file} has more than {_MAX_FILE >> 20} MiB; is it a config?")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is no text: the byte 0x{raw[error.start]:02x} is not UTF-8") from error


def _write_new(path: Path, text: str) -> None:
    """Write a file that must not be there yet. Raises ConfigError, HostError."""
    from mirrord.errors import ConfigError
    from mirrord.store import durable

    if path.exists() or path.is_symlink():
        raise ConfigError(f"{path} is there already; move it away, or write to another file")
    durable.write_file(path, text.encode(), mode=durable.PUBLIC_MODE)


@command(app, "adopt")
def adopt(
    invocation: Invocation,
    *,
    tree: Annotated[
        str, typer.Argument(metavar="KIND:DIR", help="oci-layout:DIR, docker-registry:DIR, ancestor:DIR or root:DIR.")
    ],
) -> None:
    """Take over the bytes that another tool has, so that the first sync need not download them.

    They are copied (sharing blocks where the filesystem can), hashed on the way, and served once a sync names them. A
    second call goes on where the first ended. Exit status: 0 done; 1 some files are not what their names say.
    """
    from mirrord.cli.moved import adopted
    from mirrord.cli.progress import bar_of
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.service.operations.move import Adopt
    from mirrord.store.foreign import Foreign

    foreign = Foreign.parse(tree)
    wish = Adopt(words=typed(), tree=f"{foreign.kind}:{foreign.place}")
    reply = carry_out(Mirror.of(invocation), wish, bar_of("adopting"), _THREADS)
    if invocation.json:
        invocation.print_json("adopt", reply.document)
    else:
        sys.stdout.write(adopted(reply.document, invocation.verbosity))
    raise typer.Exit(reply.status)


@command(app, "export")
def export(
    invocation: Invocation,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The bundle to write; - is standard output.")],
    since: Annotated[
        str | None, typer.Option("--since", metavar="ID", help="Leave out what this snapshot has.")
    ] = None,
) -> None:
    """Write what is served now into one file, for a mirror that no network reaches (`mirrord load`).

    With --since only what came after that snapshot. FILE appears whole or not at all. Nothing is locked or changed.
    """
    from mirrord.cli.progress import bar_of
    from mirrord.cli.running import Mirror, set_up_log, shown
    from mirrord.config.model import Config
    from mirrord.errors import ConfigError
    from mirrord.service.operation import Meters
    from mirrord.store import bundle_write
    from mirrord.store.failures import any_host_error

    is_stdout = file == _STDOUT
    if is_stdout and (invocation.json or sys.stdout.isatty()):
        what = "--json wants standard output for itself" if invocation.json else "standard output is a terminal"
        raise ConfigError(f"{what}; write the bundle to a file")
    mirror = Mirror.existing(invocation)
    set_up_log(mirror.config or Config(), invocation)
    meters = Meters()
    with any_host_error(mirror.root):
        planned = bundle_write.plan(mirror.layout, since)
        meters.verification.bytes_total = planned.length
        with shown(invocation, bar_of("exporting"), meters) as update:

            def moved(number: int) -> None:
                meters.verification.bytes_done += number
                update()

            if is_stdout:
                _write_out(planned, moved)
            else:
                bundle_write.write_file(planned, Path(file), moved)
    _tell_export(invocation, planned, file)


def _write_out(planned: "Plan", moved: Callable[[int], None]) -> None:
    from mirrord.errors import HostError
    from mirrord.store import bundle_write

    def put(raw: bytes) -> None:
        try:
            sys.stdout.buffer.write(raw)
        except OSError as error:
            raise HostError(f"cannot write the bundle to standard output: {error.strerror}") from error

    bundle_write.write(planned, put, moved)
    put(b"")
    sys.stdout.buffer.flush()


def _tell_export(invocation: Invocation, planned: "Plan", file: str) -> None:
    from mirrord.cli.words import count, size
    from mirrord.store.bundle import Role

    bundle = planned.bundle
    counts = {str(role): sum(1 for _ in bundle.of(role)) for role in Role}
    if invocation.json:
        origin = {"host": bundle.host, "snapshot": bundle.snapshot, "published": bundle.published}
        document = {"file": file, "origin": origin, "since": bundle.since, "bytes": planned.length, "counts": counts}
        invocation.print_json("export", document)
    elif invocation.verbosity >= 0:
        new = f" that snapshot {bundle.since} has not" if bundle.since else ""
        held = f"{count(counts['manifests'], 'manifest')} and {count(counts['blobs'], 'blob')}{new}"
        out = sys.stderr if file == _STDOUT else sys.stdout
        out.write(f"Exported {bundle.origin}: {size(planned.length)}, {held}. There: mirrord load {file}\n")


@command(app, "load")
def load(
    invocation: Invocation,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A bundle of `mirrord export`.")],
    allow_deletes: Annotated[
        bool, typer.Option("--allow-deletes", help="Drop tags though they are more than delete.max.")
    ] = False,
) -> None:
    """Serve what the bundle's snapshot served: verified byte by byte, then published in one step.

    What an earlier bundle brought and its origin no longer serves goes. A call that was ended goes on at the next.
    """
    from mirrord.cli.moved import loaded
    from mirrord.cli.progress import bar_of
    from mirrord.cli.running import Mirror, carry_out, typed
    from mirrord.service.operations.move import Load

    wish = Load(words=typed(), file=str(Path(file).absolute()), typed=file, allow_deletes=allow_deletes)
    reply = carry_out(Mirror.of(invocation), wish, bar_of("loading"), _THREADS)
    if invocation.json:
        invocation.print_json("load", reply.document)
    elif invocation.verbosity >= 0:
        sys.stdout.write(loaded(reply.document))
    raise typer.Exit(reply.status)

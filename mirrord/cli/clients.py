"""`mirrord clients`: what each client of a registry is told so that it asks this mirror."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.config.model import Config
    from mirrord.serve.clients import ClientSetup, ClientsSite, MirrorAddress
    from mirrord.serve.clients_write import WrittenFile
    from mirrord.store.tree import Tree


@command(app)
def clients(
    invocation: Invocation,
    *,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CLIENT…]", help="Some of them, e.g. containerd podman.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="What clients type, in place of public_url.")
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="The mirror's authority (PEM), where clients don't know it."),
    ] = None,
    directory: Annotated[Path | None, typer.Option("--write", metavar="DIR", help="Write the files below DIR.")] = None,
    force: Annotated[bool, typer.Option("--force", help="With --write: replace files that differ.")] = False,
) -> None:
    """Print what Docker, containerd, Podman, k3s and others are told so that they ask this mirror."""
    from mirrord.serve.clients import render
    from mirrord.serve.clients_write import write

    site = _site(invocation, url, ca)
    setups = render(site, names or ())
    written = () if directory is None else write(directory, setups, force=force)
    if invocation.json:
        listed = [_document(setup, written) for setup in setups]
        invocation.print_json("clients", {"url": site.address.url, "clients": listed})
    else:
        _print(setups, written)


def _site(invocation: Invocation, url: str | None, ca: Path | None) -> "ClientsSite":
    from mirrord import events
    from mirrord.cli.setting import config_of
    from mirrord.errors import ConfigError
    from mirrord.serve.clients import ClientsSite
    from mirrord.serve.clients_upstreams import upstreams_of

    config = config_of(invocation)
    if config is not None:
        events.configure(config.log.level, config.log.format)
    tree = _tree(invocation, config)
    address = _address(url, config)
    if ca is not None and address.is_plain:
        raise ConfigError(f"--ca is for a mirror with TLS, and {address.url} has none; leave it out, or say https://")
    certificates = "" if ca is None else _certificates(ca)
    upstreams = upstreams_of(config, tree)
    if not upstreams:
        sys.stderr.write(
            "mirrord: warning: nothing is mirrored yet, so there is no registry to point clients away from\n"
        )
    has_login = config is not None and config.serve.htpasswd is not None
    return ClientsSite(address, upstreams, certificates, has_login)


def _tree(invocation: Invocation, config: "Config | None") -> "Tree | None":
    """What is served; a config says enough where nothing is yet. Raises ConfigError or HostError for neither."""
    from mirrord.cli.setting import root_of
    from mirrord.store.layout import Layout
    from mirrord.store.reading import file_size
    from mirrord.store.tree import Tree

    if config is None:
        return Tree.at(root_of(invocation, config))
    root = invocation.root or config.root
    return Tree.at(root) if root is not None and file_size(Layout(root).mark) is not None else None


def _address(url: str | None, config: "Config | None") -> "MirrorAddress":
    from mirrord.config.addresses import parse_origin
    from mirrord.errors import ConfigError
    from mirrord.serve.clients import MirrorAddress

    if url is not None:
        try:
            return MirrorAddress.parse(parse_origin(url))
        except ValueError as error:
            reason = (
                str(error) or f"{url!r} is not an address; write scheme, host and port, e.g. https://mirror.example"
            )
            raise ConfigError(f"--url: {reason}") from error
    if config is not None and config.public_url is not None:
        return MirrorAddress.parse(config.public_url)
    raise ConfigError(
        "nothing says how clients reach this mirror; add public_url: https://mirror.example to the config, "
        "or --url https://mirror.example to the command"
    )


def _certificates(path: Path) -> str:
    from mirrord.errors import ConfigError

    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text"
        raise ConfigError(f"--ca: {path} can't be read: {reason}; expected certificates in PEM") from error
    if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY" in text:
        raise ConfigError(f"--ca: {path} is not a file of certificates alone (PEM); a key must never be given away")
    return text


def _print(setups: Sequence["ClientSetup"], written: "Sequence[WrittenFile]") -> None:
    """Every file once: what is the same for two clients is referred to."""
    shown: dict[str, str] = {}
    for setup in setups:
        sys.stdout.write(f"==== {setup.client}\n")
        for each in setup.files:
            outcome = [
                f"{one.outcome}: {one.path}" for one in written if (one.client, one.file) == (setup.client, each)
            ]
            before = shown.setdefault(each.content, f"{setup.client}, {each.place}")
            again = before != f"{setup.client}, {each.place}"
            content = f"(the same as {before})" if again else each.content.rstrip()
            sys.stdout.write(f"---- {each.place}\n{outcome[0] if outcome else content}\n")
        sys.stdout.write("".join(f"* {note}\n" for note in setup.notes) + "\n")


def _document(setup: "ClientSetup", written: "Sequence[WrittenFile]") -> dict[str, object]:
    files = [{"path": each.path, "place": each.place, "content": each.content} for each in setup.files]
    document: dict[str, object] = {"client": setup.client, "files": files, "notes": list(setup.notes)}
    own = [each for each in written if each.client == setup.client]
    return {**document, "written": {str(each.path): str(each.outcome) for each in own}} if own else document

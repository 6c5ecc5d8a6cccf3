"""`mirrord serve` and `mirrord nginx`: what readers get, from this process or from nginx."""

import asyncio
import os
import shlex
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct
from msgspec.structs import replace

from mirrord.cli.app import app
from mirrord.cli.invocation import Invocation, command

if TYPE_CHECKING:
    from mirrord.config.model import Config
    from mirrord.serve.address import Address
    from mirrord.store.tree import Tree

_EXAMPLES = 3


class _Setup(Struct, frozen=True):
    """What the config and the command line say of serving."""

    root: Path
    config: "Config | None"
    path: Path | None
    """Of the config."""

    @property
    def listen(self) -> "Address":
        """Where the daemon listens."""
        from mirrord.serve.address import DEFAULT, Address

        return Address.parse(self.config.listen) if self.config else DEFAULT


@command(app)
def serve(
    invocation: Invocation,
    *,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="ADDR", help="host:port, or :port for all addresses.")
    ] = None,
) -> None:
    """Serve the mirror as a read-only registry, until Ctrl-C."""
    from mirrord.serve.address import Address, require_unguarded
    from mirrord.serve.embedded import make_app, run
    from mirrord.serve.routes import Terms
    from mirrord.store.tree import Tree

    setup = _setup(invocation)
    tree = Tree.at(setup.root)
    images = _examples(tree)
    address = Address.parse(listen) if listen else setup.listen
    if setup.config:
        require_unguarded(setup.config.serve, address)

    def announce(bound: "Address") -> None:
        if invocation.json:
            invocation.print_json("serve", {"root": str(setup.root), "url": f"http://{bound.reachable()}"})
        else:
            sys.stdout.write(_greeting(setup.root, bound, images))
        sys.stdout.flush()

    asyncio.run(run(make_app(tree, Terms.of(setup.config)), address, announce))


@command(app)
def nginx(
    invocation: Invocation,
    *,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="ADDR", help="Where nginx listens: a port, or address:port.")
    ] = None,
    standalone: Annotated[
        bool, typer.Option("--standalone", help="A whole nginx.conf, for `nginx -p DIR -c FILE -g 'daemon off;'`.")
    ] = False,
) -> None:
    """Print the configuration with which a stock nginx serves the mirror."""
    from mirrord.config.sections import Serve
    from mirrord.serve.aliases import Aliases
    from mirrord.serve.nginx import NginxSite, default_listen, render

    setup = _setup(invocation)
    public_url = setup.config.public_url if setup.config else None
    access = setup.config.serve if setup.config else Serve()
    site = NginxSite(
        root=setup.root,
        listen=listen or default_listen(public_url, tls=access.tls is not None),
        public_url=public_url,
        daemon=setup.listen,
        standalone=standalone,
        serve=access,
        aliases=Aliases.of(setup.config),
    )
    if setup.path is not None:
        site = replace(site, made_by=_made_by(invocation, setup.path, listen, standalone=standalone))
    configuration = render(site)
    if invocation.json:
        invocation.print_json("nginx", {"configuration": configuration})
    else:
        sys.stdout.write(configuration)


def _made_by(invocation: Invocation, config: Path, listen: str | None, *, standalone: bool) -> str:
    """The command as it has to be typed to get the same again from anywhere."""
    words = ["mirrord", "nginx", "--config", os.path.abspath(config)]
    words += ["--root", os.path.abspath(invocation.root)] if invocation.root else []
    words += ["--listen", listen] if listen else []
    words += ["--standalone"] if standalone else []
    return shlex.join(words)


def _setup(invocation: Invocation) -> _Setup:
    from mirrord import events
    from mirrord.cli.setting import config_of, root_of
    from mirrord.config.loader import find

    config = config_of(invocation)
    root = Path(os.path.abspath(root_of(invocation, config)))  # not resolved: a link may move to another disk
    if config is None:
        events.configure()
        return _Setup(root, None, None)
    events.configure(config.log.level, config.log.format)
    return _Setup(root, config, find(invocation.config))


def _examples(tree: "Tree") -> tuple[str, ...] | None:
    """Some images, for the greeting; None, with a warning, where the tree is damaged: what is whole is served still."""
    from mirrord.errors import HostError

    try:
        return tuple(islice(_images(tree), _EXAMPLES))
    except HostError as error:
        sys.stderr.write(f"mirrord: warning: {error}\n")
        return None


def _images(tree: "Tree") -> Iterator[str]:
    """An image of each repository, for people to try: signatures and the like are none."""
    from mirrord.oci.reference import is_follower

    for repository in tree.repositories():
        named = (f"{repository}:{tag}" for tag in tree.tags(repository) if not is_follower(tag))
        yield from islice(named, 1)


def _greeting(root: Path, bound: "Address", images: tuple[str, ...] | None) -> str:
    here = bound.reachable()
    lines = [f"Serving {root} at http://{here} (Ctrl-C ends it)"]
    lines += [f"  docker pull {here}/{image}" for image in images or ()]
    if images:
        lines.append(f"  skopeo inspect --tls-verify=false docker://{here}/{images[0]}")
    elif images is not None:
        lines.append("  Nothing is mirrored yet; what `mirrord sync` publishes is served at once.")
    return "".join(f"{line}\n" for line in lines)

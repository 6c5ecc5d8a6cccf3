"""The other ways to mirror: every skopeo on PATH, regsync and crane where they are there."""

import os
import re
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.child import run
from bench.measure import Corpus, Figure, allocated
from bench.upstream import program

SKOPEO = "skopeo sync --all"
Peer = Callable[[Corpus, Path], Figure]


def peers() -> Mapping[str, Peer]:
    """All that are here by what they are called; the oldest skopeo first, which is the one that bars are about."""
    skopeos = _skopeos()
    named = {(SKOPEO if len(skopeos) == 1 else f"{SKOPEO} ({version})"): path for version, path in skopeos.items()}
    others: Mapping[str, Peer] = {"regsync once": regsync, "crane pull": crane}
    return {
        **{name: partial(skopeo, binary=path) for name, path in named.items()},
        **{name: peer for name, peer in others.items() if shutil.which(name.split()[0])},
    }


def versions() -> str:
    """What is measured beside, in words."""
    others = [name for name in ("regsync", "crane") if shutil.which(name)]
    return ", ".join([f"skopeo {' and '.join(_skopeos())}", *others])


def _skopeos() -> Mapping[str, str]:
    """The path of every skopeo on PATH by its version, the oldest first."""
    places = os.environ.get("PATH", "").split(os.pathsep)
    paths = {os.path.realpath(path) for place in places if (path := shutil.which("skopeo", path=place))}
    known = {run([path, "--version"]).output.split()[2]: path for path in paths or {program("skopeo")}}
    return dict(sorted(known.items(), key=lambda item: [int(part) for part in re.findall("[0-9]+", item[0])]))


def skopeo(corpus: Corpus, target: Path, binary: str) -> Figure:
    """One `skopeo sync` of the whole corpus into directories."""
    config = target.parent / "skopeo.yaml"
    images = "".join(f"    {name}: []\n" for name in corpus.repositories)
    config.write_text(f"127.0.0.1:{corpus.port}:\n  tls-verify: false\n  images:\n{images}")
    target.mkdir()
    cost = run([binary, "sync", "--all", "--src", "yaml", "--dest", "dir", str(config), str(target)])
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(target))


def regsync(corpus: Corpus, target: Path) -> Figure:
    """One `regsync once` of the whole corpus into OCI layouts."""
    config = target.parent / "regsync.yml"
    host = f"127.0.0.1:{corpus.port}"
    steps = "".join(
        f"  - {{source: '{host}/{name}', target: 'ocidir://{target}/{name}', type: repository}}\n"
        for name in corpus.repositories
    )
    config.write_text(
        f"version: 1\ncreds:\n  - {{registry: '{host}', tls: disabled}}\ndefaults: {{parallel: 8}}\nsync:\n{steps}"
    )
    cost = run([program("regsync"), "once", "-c", str(config)])
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(target))


def crane(corpus: Corpus, target: Path) -> Figure:
    """One `crane pull` of every image of the corpus into one OCI layout."""
    host = f"127.0.0.1:{corpus.port}"
    images = [f"{host}/{name}:{tag}" for name, tags in corpus.repositories.items() for tag in tags]
    cost = run([program("crane"), "pull", "--insecure", "--format=oci", *images, str(target)])
    return Figure(cost.wall, cost.cpu, cost.peak, allocated(target))

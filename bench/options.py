"""Which of nginx's options pay: the rendered configuration with one line changed, and without, in turns."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.load import Load, Taken, take
from bench.servers import configuration, replaced, running_nginx
from bench.session import say
from bench.upstream import free_port

Edit = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Option:
    """One option of nginx."""

    name: str
    loads: Sequence[str]
    """What it is tried with, as serving calls it."""
    on: Edit
    off: Edit
    workers: int = 1

    def rendered(self, text: str) -> str:
        """Which of both the configuration has."""
        return "on" if self.on(text) == text else "off"


def measure_options(root: Path, place: Path, loads: Mapping[str, Load], pairs: int) -> str:
    """A table of every option, on and off so many times, a second each."""
    lines = [
        "### Options of nginx: each on and off, all else as rendered\n",
        "| option | | on | off | answers, on by off | by processor time | rendered |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for option in OPTIONS:
        for what, (on, off) in _tried(option, root, place, loads, pairs).items():
            shown = [loads[what].shown(median(each.rate for each in side)) for side in (on, off)]
            gains = _spread([a.rate / b.rate for a, b in zip(on, off, strict=True)])
            cheaper = _spread([b.cost / a.cost for a, b in zip(on, off, strict=True)])
            say(f"{option.name}: {what}: {gains}, by processor time {cheaper}")
            is_on = option.rendered(configuration(root, 0, option.workers))
            lines.append(f"| {option.name} | {what} | {' | '.join(shown)} | {gains} | {cheaper} | {is_on} |")
    return "\n".join(lines) + "\n"


def _tried(
    option: Option, root: Path, place: Path, loads: Mapping[str, Load], pairs: int
) -> Mapping[str, tuple[list[Taken], list[Taken]]]:
    found: dict[str, tuple[list[Taken], list[Taken]]] = {what: ([], []) for what in option.loads}
    with ExitStack() as running:
        servers = []
        for name, edit in (("on", option.on), ("off", option.off)):
            port = free_port()
            text = edit(configuration(root, port, option.workers))
            servers.append(running.enter_context(running_nginx(text, port, place / f"nginx-{name}")))
        for what, sides in found.items():
            load = loads[what]
            for number in range(pairs):
                order = (0, 1) if number % 2 else (1, 0)
                for side in order:
                    sides[side].append(take(servers[side], load, 1, place))
    return found


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _as_it_is(text: str) -> str:
    return text


def _with(line: str, other: str) -> Edit:
    return partial(replaced, line=line, other=other)


def _reuseport(text: str) -> str:
    return re.sub(r"(listen 127\.0\.0\.1:\d+);", r"\1 reuseport;", text)


def _no_symlink_guard(text: str) -> str:
    return re.sub(r'disable_symlinks on "[^"]*";', "disable_symlinks off;", text)


_LOG = 'access_log "mirrord.log" mirrord buffer=64k flush=1s;'
_ALL = os.cpu_count() or 1
_SENDFILE = "sendfile on; tcp_nopush on;"
_TAG, _DIGEST, _LIST = "manifests by tag", "manifests by digest", "tag lists"
_FRESH = "manifests by digest, a connection each"
_ONE, _MANY = "a layer of 16 MiB, 1 at once", "a layer of 16 MiB, 32 at once"
OPTIONS = (
    Option("`pcre_jit`", [_TAG, _DIGEST], _as_it_is, _with("pcre_jit on;", "pcre_jit off;")),
    Option(
        "`open_file_cache` of what a digest names",
        [_TAG, _DIGEST],
        _as_it_is,
        _with(
            "open_file_cache max=3000 inactive=60s; open_file_cache_valid 60s; open_file_cache_min_uses 1;",
            "open_file_cache off;",
        ),
    ),
    Option("`sendfile` of documents", [_TAG, _DIGEST, _LIST], _with("sendfile off;", "sendfile on;"), _as_it_is),
    Option("`sendfile` of layers", [_ONE, _MANY], _as_it_is, _with(_SENDFILE, "sendfile off;")),
    Option("`tcp_nopush` of layers", [_MANY], _as_it_is, _with(_SENDFILE, "sendfile on; tcp_nopush off;")),
    Option(
        "`sendfile_max_chunk 2m`", [_ONE, _MANY], _as_it_is, _with("sendfile_max_chunk 2m;", "sendfile_max_chunk 0;")
    ),
    Option(
        "`aio threads` for layers, all workers",
        [_ONE, _MANY],
        _with(_SENDFILE, f"{_SENDFILE} aio threads;"),
        _as_it_is,
        workers=_ALL,
    ),
    Option("`reuseport`, all workers", [_DIGEST, _FRESH], _reuseport, _as_it_is, workers=_ALL),
    Option("the log's `buffer`", [_DIGEST], _as_it_is, _with(_LOG, 'access_log "mirrord.log" mirrord;')),
    Option("the log", [_DIGEST], _as_it_is, _with(_LOG, "access_log off;")),
    Option("`disable_symlinks`, a guard", [_TAG, _DIGEST], _as_it_is, _no_symlink_guard),
)
"""What is tried; what a site must not do without is there for its price."""

"""regsync's config: its registries and defaults. Its steps are in `regsync_steps`."""

from collections.abc import Callable, Mapping
from typing import Final

from mirrord.config.addresses import parse_origin
from mirrord.config.document import Block, Text
from mirrord.config.importers.draft import Draft, Registry
from mirrord.config.importers.logins import add_login, is_template
from mirrord.config.importers.regsync_steps import import_step, settings_left
from mirrord.config.importers.source import blocks_of, text_of
from mirrord.config.scalars import FREQUENCY, INTEGER

_HELPER: Final = "docker-credential-"
_PEM: Final = "a certificate or key in the file itself; save it as a file, and say {}:"
_CREDS_LEFT: Final[Mapping[str, str]] = {
    "regcert": _PEM.format("ca_file"),
    "clientCert": _PEM.format("client_cert"),
    "clientKey": _PEM.format("client_key"),
    "token": "a token in the file itself, which is not copied; log in by password_file: or docker_config:",
    "credExpire": "a helper is asked at each run, and again when its login is refused",
    "credHost": "a helper is asked for the registry's own name",
    "pathPrefix": "a path before all names; write the names with it",
    "mirrors": "names of other registries, with logins of their own; endpoint: takes addresses, tried in order",
    "priority": "the order of mirrors; endpoint: takes addresses, tried in order",
    "repoAuth": "nothing to say: a token is asked for each repository in any case",
    "blobChunk": "about uploads, and mirrord makes none",
    "blobMax": "about uploads, and mirrord makes none",
    "apiOpts": "switches of regsync's own client",
    "api": "switches of regsync's own client",
}
_READ: Final[Mapping[str, Callable[[str], object]]] = {
    "endpoint": parse_origin,
    "requests_per_second": FREQUENCY,
    "concurrency": INTEGER.within(1, 256),
}
_CREDS: Final = {"registry", "hostname", "user", "pass", "tls", "scheme", "credHelper", "reqPerSec", "reqConcurrent"}
_DEFAULTS_LEFT: Final[Mapping[str, str]] = {
    "parallel": "how many images at a time; mirrord finds out how many requests a registry bears "
    "(limits: {concurrency: 16} bounds them)",
    "skipDockerConfig": "nothing to say: only a registry's docker_config: is read",
    "userAgent": "mirrord says its own name",
    "cacheCount": "of regsync's own client; mirrord asks for a manifest once a run",
    "cacheTime": "of regsync's own client; mirrord asks for a manifest once a run",
    "blobLimit": "about regsync's own client; limits: {manifest_size: 8MiB} bounds manifests",
}


def is_regsync(root: Block) -> bool:
    """Whether a mapping is regsync's: it has steps."""
    return isinstance(root.get("sync"), list)


def import_regsync(draft: Draft, root: Block) -> None:
    """Take over registries, defaults and steps."""
    draft.hints.append("What was copied to another registry is served by mirrord itself, under the names it had there.")
    for key in root.keys() - {"version", "creds", "defaults", "sync"}:
        if not key.startswith("x-"):
            draft.leave(root.lines[key], key, "no key of regsync that mirrord knows")
    for at, creds in blocks_of(root.get("creds")):
        _add_creds(draft, creds, f"creds[{at}]")
    found = root.get("defaults")
    defaults = found if isinstance(found, Block) else Block(0)
    for key in defaults:
        if reason := _DEFAULTS_LEFT.get(key):
            draft.leave(defaults.lines[key], f"defaults.{key}", reason)
    settings_left(draft, defaults, "defaults", {*_DEFAULTS_LEFT, "schedule", "interval"})
    steps = root["sync"]
    for at, each in enumerate(steps):
        if not isinstance(each, Block):
            draft.leave(each.line, f"sync[{at}]", "a step is a mapping with source, target and type")
    # whole registries first: they say what the names of the others begin with
    for at, step in sorted(blocks_of(steps), key=lambda found: text_of(found[1], "type") != "registry"):
        import_step(draft, step, defaults, f"sync[{at}]")
    draft.images.sort(key=lambda entry: entry.line)
    if any(entry.options.get("referrers") is False for entry in draft.images):
        draft.hints.append(
            "regsync copies no signatures and SBOMs unless a step says so; without referrers: false they come along."
        )


def _add_creds(draft: Draft, creds: Block, path: str) -> None:
    host = text_of(creds, "registry")
    if not host or is_template(host):
        draft.leave(
            creds.line,
            path,
            "the registry's name is a template, which only regsync works out" if host else "no registry",
        )
        return
    registry = draft.registry(host, creds.line, path)
    if registry is None:
        return
    registry.said.append(f"{draft.file}:{creds.line}")
    for key in creds:
        line = creds.lines[key]
        if reason := _CREDS_LEFT.get(key):
            draft.leave(line, f"{path}.{key}", reason)
        elif key not in _CREDS:
            draft.leave(line, f"{path}.{key}", "no key of regsync that mirrord knows")
    _add_connection(draft, registry, creds, path)
    if "user" in creds or "pass" in creds:
        lines = (creds.lines.get("user", creds.line), creds.lines.get("pass", creds.line))
        add_login(draft, registry, host, text_of(creds, "user"), text_of(creds, "pass"), lines)
    elif helper := text_of(creds, "credHelper"):
        registry.keys["credential_helper"] = helper.rpartition("/")[2].removeprefix(_HELPER)


def _add_connection(draft: Draft, registry: Registry, creds: Block, path: str) -> None:
    is_plain = text_of(creds, "tls") == "disabled" or text_of(creds, "scheme") == "http"
    hostname = text_of(creds, "hostname")
    if hostname and hostname != text_of(creds, "registry"):
        _set(draft, registry, creds, path, ("hostname", "endpoint"), f"{'http' if is_plain else 'https'}://{hostname}")
    elif is_plain:
        registry.keys["plain_http"] = True
    if text_of(creds, "tls") == "insecure":
        registry.keys["tls_verify"] = False
    for ours, theirs in (("requests_per_second", "reqPerSec"), ("concurrency", "reqConcurrent")):
        value = text_of(creds, theirs)
        if value and value.strip("0.") != "":
            _set(draft, registry, creds, path, (theirs, ours), value)


def _set(draft: Draft, registry: Registry, creds: Block, path: str, keys: tuple[str, str], value: str) -> None:
    """Set our key by theirs, if its value is one of ours."""
    theirs, ours = keys
    try:
        _READ[ours](Text.at(creds.lines[theirs], value))
    except ValueError as error:
        draft.leave(creds.lines[theirs], f"{path}.{theirs}", str(error) or f"{value!r} can't be {ours}:")
        return
    registry.keys[ours] = value

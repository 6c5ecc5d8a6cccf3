"""Rendered configuration for a stock nginx that serves the tree: a site, or a whole nginx.conf.

What it does and why is said in ``templates/site.conf``; here are only the values that go into it. The embedded server
decides the same in names.py, routes.py and lookup.py; tests/contract holds the two together.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from textwrap import indent
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from mirrord.config.sections import Serve
from mirrord.errors import ConfigError
from mirrord.oci.manifest import Kind
from mirrord.oci.reference import HUB, MAX_DEPTH
from mirrord.serve import nginx_access
from mirrord.serve.address import DEFAULT, Address
from mirrord.serve.aliases import NO_ALIASES, Aliases
from mirrord.serve.errors import Refusal
from mirrord.serve.lookup import EMPTY_CATALOG, EMPTY_INDEX, FOREVER, INDEX, LINES
from mirrord.serve.nginx_aliases import render_aliases
from mirrord.serve.page_files import HEADERS, PLACES, ROOM, TYPES
from mirrord.serve.routes import COMPONENT, HOSTILE, LONG_NAME, MAX_PATH, PREFIX, STATUS

EVERYONE: Final = Serve()
"""Plain HTTP, to all who reach it."""
DEFAULT_LISTEN: Final = "5000"
"""Where nginx listens unless the config or the command says otherwise: what clients take for a registry's port."""

# The grammars of mirrord.oci, in the words of PCRE; a test compares them.
NAME: Final = rf"{COMPONENT}(?:/{COMPONENT})*"
TAG: Final = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
DIGEST: Final = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
HOST: Final = r"[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*"

_PLACEHOLDER = re.compile(r"@([A-Z0-9_]+)@")
_LISTEN = re.compile(r"[A-Za-z0-9.:*\[\]/_-]+")
_UNSAFE = re.compile(r"""[\x00-\x1f\x7f$"'\\\ud800-\udfff]""")  # surrogates: bytes that are no UTF-8
_BY_NUMBER: Final = (Kind.OCI_MANIFEST, Kind.OCI_INDEX, Kind.DOCKER_MANIFEST, Kind.DOCKER_LIST)
"""The order in which a digest's file is looked for: what there is more of first, since a miss costs 6 µs."""
ACCESS_LOG: Final = Path("/var/log/nginx/mirrord.log")
"""Where the site logs each request; a standalone nginx does it in its own directory."""
_SITE_FILES = 100
_STANDALONE_FILES = 3000
_FILE_LIMIT = 16384


class NginxSite(Struct, frozen=True):
    """What the configuration is rendered for."""

    root: Path
    """The mirror's root, absolute."""
    listen: str = DEFAULT_LISTEN
    """nginx's own ``listen``: a port, or an address with a port."""
    public_url: str | None = None
    """What clients type: its host is a name of the mirror itself."""
    daemon: Address = DEFAULT
    """Where the embedded server pages lists."""
    standalone: bool = False
    """Whether it is a whole nginx.conf rather than a file for ``conf.d`` or ``sites-enabled``."""

    serve: Serve = EVERYONE
    """Who may read it, and how."""
    aliases: Aliases = NO_ALIASES
    """What only the config knows of names."""
    made_by: str = ""
    """The command that renders it, where it is another than root and address tell."""

    @property
    def own_name(self) -> str | None:
        """The public host name, without its port, as it stands in a Host header."""
        name = urlsplit(self.public_url).hostname if self.public_url else None
        return f"[{name}]" if name and ":" in name else name


def default_listen(public_url: str | None, *, tls: bool) -> str:
    """The port in the URL; a mirror with an ``https`` one and no certificate has something before it that ends TLS."""
    parts = urlsplit(public_url or "")
    if parts.scheme == "https" and tls:
        return str(parts.port or 443)
    return str(parts.port or 80) if parts.scheme == "http" else DEFAULT_LISTEN


def render(site: NginxSite) -> str:
    """The configuration as text. Raises ConfigError for values that nginx can't be told."""
    for path in (site.root, *nginx_access.files(site.serve)):
        if not path.is_absolute() or _UNSAFE.search(str(path)):
            raise ConfigError(
                f"{str(path)!r} can't stand in nginx's configuration; "
                "expected an absolute path without quotes, backslashes, $ and control characters"
            )
    if not _LISTEN.fullmatch(site.listen):
        raise ConfigError(f"{site.listen!r} is nothing nginx can listen at; expected a port, or address:port")
    if site.public_url and not (site.own_name and re.fullmatch(r"[a-z0-9.:\[\]-]+", site.own_name)):
        raise ConfigError(f"{site.public_url!r} is not the URL of a mirror; expected e.g. https://mirror.example")
    if site.serve.tls and site.public_url and site.public_url.startswith("http:"):
        raise ConfigError(f"serve.tls is set, but public_url is {site.public_url}; write https:// there")
    values = _values(site)
    rendered = _filled("site.conf", values)
    if site.standalone:
        rendered = _filled("standalone.conf", {**values, "SITE": indent(rendered, "    ").rstrip()})
    return f"{_opening(site)}{rendered}"


def _values(site: NginxSite) -> Mapping[str, str]:
    digest_files = [f"/$mirrord_repo/_manifests/$mirrord_digest.{kind}" for kind in _BY_NUMBER]
    daemon = site.daemon.reachable()
    values = {
        "ROOT": str(site.root),
        "LISTEN": f"{site.listen} ssl http2" if site.serve.tls else site.listen,
        "SERVER_NAME": site.own_name or "_",
        "DAEMON": str(daemon),
        "DAEMON_LOG": "daemon.log" if site.standalone else "/var/log/nginx/mirrord-daemon.log",
        "LOG": "mirrord.log" if site.standalone else str(ACCESS_LOG),
        "FILES": str(_FILE_LIMIT),
        "LIMITS": nginx_access.limits(site.serve),
        "TLS": nginx_access.tls(site.serve),
        "WHO": nginx_access.who(site.serve),
        "DOCUMENTS": nginx_access.documents(site.serve),
        "STRANGERS": nginx_access.strangers(site.serve),
        "REFUSED": nginx_access.refused(site.serve),
        "SPOKEN": "spoken" if site.aliases else "repo",
        "OF_HUB": f"{HUB}/" if site.aliases else "",
        "ALIASES": render_aliases(site.aliases),
        "PREFIX": PREFIX,
        "STATUS_FILE": STATUS,
        "LINES": LINES,
        "NAME": NAME,
        "TAG": TAG,
        "DIGEST": DIGEST,
        "HOST": HOST,
        "MAX_PATH": str(MAX_PATH),
        "HOSTILE": _quoted(HOSTILE),
        "LONG_NAME": _quoted(LONG_NAME),
        "OWN_NAMES": _own_names(site.own_name),
        "DEPTHS": _depths(),
        "FRESH": _fresh(),
        "TYPES": " ".join(f"{kind.media_type} {kind};" for kind in Kind),
        "KINDS": " ".join(digest_files),
        "FRESH_KINDS": "\n".join(
            f"        if (-f $document_root{file}) {{ rewrite ^ /_fresh/yes last; }}" for file in digest_files
        ),
        "INDEX": INDEX,
        "EMPTY_INDEX": EMPTY_INDEX,
        "EMPTY_CATALOG": EMPTY_CATALOG,
        "FOREVER": FOREVER,
        "CACHE": _cache(_STANDALONE_FILES if site.standalone else _SITE_FILES),
        **{refusal.name: refusal.document for refusal in Refusal},
    }
    status = indent(_filled("status.conf", values), " " * 4).rstrip() if site.serve.status else ""
    values = {**values, "PAGE": _page(site.root)}
    return {**values, "STATUS": status, "PROXY": indent(_filled("paging.conf", values), " " * 8).rstrip()}


def _page(root: Path) -> str:
    """A location for each file of the page."""
    lines = []
    for place, name in PLACES.items():
        kind, _, charset = TYPES[name].partition("; charset=")
        is_named = kind != "text/html"  # which these two lists have anyway, and complain of twice
        lines += [
            f"location = {place} {{",
            f'    disable_symlinks on "from={root}/status";',
            f"    try_files /status/{ROOM}/{name} @unknown;",
            f"    types {{ {kind} {name.rpartition('.')[2]}; }}",
            f"    charset {charset};{f' charset_types {kind};' if is_named else ''}",
            f"    gzip on;{f' gzip_types {kind};' if is_named else ''} gzip_min_length 1024; gzip_proxied any;",
            "    gzip_vary on;",
            "    max_ranges 0;",
            '    add_header Last-Modified "";',
            *(f'    add_header {header} "{value}";' for header, value in HEADERS.items()),
            "    add_header Docker-Distribution-Api-Version registry/2.0 always;",
            "}",
        ]
    return indent("\n".join(lines), " " * 4)


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced; a line that is nothing but an empty value is left out."""
    text = files("mirrord.serve").joinpath("templates", template).read_text()
    empty = {f"@{name}@" for name, value in values.items() if not value}
    lines = [
        _PLACEHOLDER.sub(lambda found: values[found[1]], line).rstrip()
        for line in text.splitlines()
        if line.strip() not in empty
    ]
    return "".join(f"{line}\n" for line in lines)


def _opening(site: NginxSite) -> str:
    command = f"mirrord nginx --root {site.root} --listen {site.listen}{' --standalone' if site.standalone else ''}"
    if site.made_by:
        command = "".join(letter if letter.isprintable() else "?" for letter in site.made_by)
    place = (
        "Run it with: nginx -p DIR -c FILE -g 'daemon off;'"
        if site.standalone
        else "It belongs into nginx's http context: /etc/nginx/conf.d/ or sites-enabled/."
    )
    return (
        "# The mirror as a read-only registry, by a stock nginx (1.22 or newer, no further modules).\n"
        f"# Made by: {command}\n"
        f"# Make it again rather than edit it. {place}\n"
    )


def _quoted(regex: str) -> str:
    """A regex as it stands inside double quotes, where nginx eats one of two backslashes."""
    return regex.replace("\\\\", "\\\\\\\\").replace('"', '\\"')


def _own_names(name: str | None) -> str:
    return f'    "~^{re.escape(name)}(?:(?::|%3[Aa])[0-9]{{1,5}})?\\|" "";' if name else ""


def _depths() -> str:
    lines = []
    for depth in range(1, MAX_DEPTH + 1):
        parts = range(1, depth + 1)
        regex = "/".join(f"(?<mirrord_{part}>[^/]+)" for part in parts)
        lines.append(f'    "~^{regex}$" "{"!".join(f"${{mirrord_{part}}}" for part in parts)}";')
    return "\n".join(lines)


def _fresh() -> str:
    known = rf"(?:^|[\s,/])\"?(?<mirrord_d>{DIGEST})\"?(?:[\s,][^|]*)?\|(?P=mirrord_d)$"
    return f'    "~^\\|" "";\n    "~^\\*\\|." 1;\n    "~{known}" 1;'


def _cache(held: int) -> str:
    """Open files that nginx keeps: few where the limit of open files (often 1,024) is not ours to raise."""
    return f"open_file_cache max={held} inactive=60s; open_file_cache_valid 60s; open_file_cache_min_uses 1;"

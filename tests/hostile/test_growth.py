"""No input makes a parser take time out of proportion to its length: every pattern, and every parser, is pumped.

An input that is eight times as long may take some eight times as long, never sixty-four.
"""

import ast
import asyncio
import contextlib
import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.growth import growth

import mirrord
from mirrord.config.addresses import parse_host, parse_listen, parse_origin, parse_url
from mirrord.config.document import read_document
from mirrord.config.loader import load
from mirrord.config.model import RegistryConfig
from mirrord.config.problem import colon_hint, quoted
from mirrord.config.rules import TagRule
from mirrord.config.scalars import parse_duration, parse_percent, parse_rate, parse_size
from mirrord.config.schedule import parse_schedule
from mirrord.config.select import select
from mirrord.errors import MirrordError
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import parse_manifest
from mirrord.oci.platform import Platform
from mirrord.oci.reference import Reference, Repository, is_local_name, is_tag
from mirrord.registry.ask import Ask
from mirrord.registry.endpoint import Endpoint
from mirrord.registry.failures import Reply
from mirrord.registry.headers import next_link, parse_challenges, parse_content_range, parse_retry_after
from mirrord.registry.listing import TagList
from mirrord.registry.realm import accept_realm
from mirrord.registry.redirects import redirect_target
from mirrord.registry.tokens import parse_token
from mirrord.serve.lookup import Conditions
from mirrord.serve.names import Asked, local_name
from mirrord.serve.pages import cut
from mirrord.serve.ranges import RangeRequest
from mirrord.serve.routes import Page, Terms, parse_target
from mirrord.store.reading import parsing
from mirrord.store.record import Record

PACKAGE = Path(mirrord.__file__).parent
METHODS = {"match", "fullmatch", "search", "findall", "finditer", "sub", "split"}
OF_BOUNDED_TEXT = {
    "mirrord.registry.realm._HAS_DOMAIN": "a host of the config, of 255 characters at most",
    "mirrord.serve.routes._IN_REPOSITORY": "a path of fewer than 1,000 characters",
    "mirrord.serve.routes._UPLOADS": "a path of fewer than 1,000 characters",
    "mirrord.serve.routes._LONG_NAME": "a path of fewer than 1,000 characters",
    "mirrord.config.problem._USERINFO": "the first 2,000 characters of a value",
    "mirrord.config.scalars._DURATION_PART": "a text that is a duration",
}
"""Patterns that are only ever given so much."""
PUMPS = (
    *("a", "0", "-", "_", ".", "/", " ", ",", '"', "\\", "<", ";", "=", "$", "{", "[", ":", "\n", "\u0660"),
    *("a.", "a-", "a/", "1s", "1.", "a ", "a=", "a,", '\\"', "${", "//", "<a>", "; rel", "\t "),
)
PREFIXES = ("", "a", "bytes=", "bytes 0-", "/v2/a/", "<a>;rel=", "a=", ' a="', "${", "//", "1", "a ", "a" * 64)
SUFFIXES = ("", "\0")


@dataclass(frozen=True, slots=True)
class Use:
    """One pattern of the package, and how it is used."""

    name: str
    pattern: str | bytes
    flags: int
    method: str

    def __str__(self) -> str:
        return f"{self.name.removeprefix('mirrord.')} {self.method}"


def uses() -> Iterator[Use]:
    """Every use of a pattern in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("mirrord", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        module = importlib.import_module(name) if name != "mirrord.__main__" else mirrord
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
                yield from used(module, name, call.func.value, call)


def used(module: ModuleType, name: str, owner: ast.expr, call: ast.Call) -> Iterator[Use]:
    """The use that a call of a method of ``owner`` is, if that is a pattern or the module ``re``."""
    assert isinstance(call.func, ast.Attribute)
    if not isinstance(owner, ast.Name):
        return
    found = getattr(module, owner.id, None)
    if isinstance(found, re.Pattern):
        yield Use(f"{name}.{owner.id}", found.pattern, found.flags, call.func.attr)
    elif found is re:
        given = call.args[0]
        pattern = given.value if isinstance(given, ast.Constant) else getattr(module, given.id)  # type: ignore[attr-defined] # else it is a name
        assert isinstance(pattern, str | bytes)
        yield Use(f"{name}:{call.lineno}", pattern, 0, call.func.attr)


USES = sorted(set(uses()), key=str)


def test_the_patterns_are_found() -> None:
    """What follows looks at the patterns there are; each that is left out is one of them."""
    assert len(USES) > 40
    assert set(OF_BOUNDED_TEXT) <= {use.name for use in USES}


@pytest.mark.parametrize("use", [use for use in USES if use.name not in OF_BOUNDED_TEXT], ids=str)
def test_no_pattern_takes_time_out_of_proportion(use: Use) -> None:
    """32 KiB of whatever makes a pattern go back and forth, after what it begins with and before what it refuses."""
    pattern: re.Pattern[Any] = re.compile(use.pattern, use.flags)
    is_bytes = isinstance(use.pattern, bytes)

    def run(text: str) -> object:
        given = text.encode() if is_bytes else text
        return pattern.sub(given[:0], given) if use.method == "sub" else getattr(pattern, use.method)(given)

    for prefix, pump, suffix in product(PREFIXES, PUMPS, SUFFIXES):

        def make(size: int, parts: tuple[str, str, str] = (prefix, pump, suffix)) -> str:
            return parts[0] + parts[1] * (size // len(parts[1])) + parts[2]

        measured = growth(run, make)
        assert measured.is_proportional, f"{prefix!r} + {pump!r} * n + {suffix!r}: {measured}"


ENDPOINT = Endpoint.of("registry.example", RegistryConfig(endpoint=("https://9.9.9.9",)))
ASK = Ask.manifest(Repository("registry.example", "team/app"), "1", "GET")


def realm(text: str) -> object:
    """A challenge's realm."""
    return asyncio.run(accept_realm(text, ENDPOINT, (), with_login=True))


def location(text: str) -> object:
    """A redirect's target."""
    return asyncio.run(redirect_target(text, ENDPOINT.url("x"), ASK, ENDPOINT))


def listing() -> TagList:
    """A tag list that begins."""
    return TagList(ASK.repository, ENDPOINT)


def document(text: str) -> object:
    """A config file's YAML."""
    return read_document(text, "mirrord.yaml", {})


def page(text: str) -> object:
    """A page of a tag list of the tree."""
    with parsing(Path("list.json")):
        return cut(text.encode(), "tags", Page(5, "a"), "/v2/a/tags/list")


def record(text: str) -> object:
    """A record of the tree."""
    with parsing(Path("record.json")):
        return Record.parse(text.encode())


NAMES = ("a/", "a-", "a.", "a_", "a:", "a@", "[:", "-", "1.", "A", "é", "a" * 63 + ".", " ")
HEADER = ('a="b",', "a ", 'a="', '\\"', ",", "a=b ", "<a>;rel=x,", "<", ";rel", "1 ", "(", ":", "-", "Mon, ", "\t ")
URLS = ("a.", "é", "ü.", "../", "/", "%", "%41", "a=b&", "?", "#", "@", ":", "[", "xn--", "\u3002", "a" * 63 + ".")
JSON = ("[", '{"a":', '"', "\\", '"a",', "{},", "1,", "1", "\\ud800", " ", "[],")
YAML = (
    "- a\n",
    "a: ",
    "[",
    "{a: ",
    "&a ",
    "*a ",
    "'",
    "#\n",
    "? ",
    "- ",
    "a",
    "|\n",
    "\n",
    "!a ",
    "- &a\n",
    '"\\x41',
    "${",
)
CALLS: dict[str, tuple[Callable[[str], object], tuple[str, ...], tuple[str, ...]]] = {
    "Reference.parse": (Reference.parse, ("", "a/"), NAMES),
    "is_local_name": (is_local_name, ("",), NAMES),
    "is_tag": (is_tag, ("",), NAMES),
    "Digest.parse": (Digest.parse, ("", "sha256:", "sha512:"), ("a", ":", "g")),
    "Platform.parse": (Platform.parse, ("", "a/"), ("a", "/", "a/", "-")),
    "parse_challenges": (lambda text: parse_challenges([text]), ("", "Bearer ", 'Bearer a="'), HEADER),
    "next_link": (lambda text: next_link([text]), ("", "<a>;", '<a>; rel="'), HEADER),
    "parse_content_range": (parse_content_range, ("", "bytes ", "bytes 0-9/"), HEADER),
    "parse_retry_after": (lambda text: parse_retry_after(text, 0.0), ("", "Fri, 31 Dec 1999 ", "1"), HEADER),
    "accept_realm": (realm, ("https://", "https://a/", "https://a/?", ""), URLS),
    "redirect_target": (location, ("https://", "https://a/", "/", "//"), URLS),
    "TagList.following": (lambda text: listing().following(text), ("https://", "/v2/", "?last=", ""), URLS),
    "TagList.take": (lambda text: listing().take(text.encode()), ("", '{"tags":[', '{"tags":["a",'), JSON),
    "parse_manifest": (lambda text: parse_manifest(text.encode()), ("", '{"layers":[', '{"config":'), JSON),
    "parse_token": (lambda text: parse_token(text.encode(), "realm"), ("", '{"token":"'), JSON),
    "Reply.read": (lambda text: str(Reply.read(500, {}, text.encode(), str)), ("", '{"errors":[{"code":"'), JSON),
    "read_document": (document, ("", "images:\n", "images: ["), YAML),
    "quoted": (quoted, ("", "//"), ("/", "@", "a", "//@")),
    "colon_hint": (colon_hint, ("",), ("a", ":", "a:", "//")),
    "parse_duration": (parse_duration, ("",), ("1", "1s", "1.", "ms", "1m1s")),
    "parse_size": (parse_size, ("", "1 "), ("1", "a", "1.", " ")),
    "parse_rate": (parse_rate, ("", "1MB/"), ("1", "/", "s")),
    "parse_percent": (parse_percent, ("",), ("1", "%", " ")),
    "parse_schedule": (parse_schedule, ("", "* * * * ", "every "), ("1,", "* ", "1-", "/1", "a", "1m")),
    "semver": (lambda text: TagRule(semver=text), ("",), (">", "> ", "1 ", "||", ">=1 ", "1.", "-a")),
    "parse_host": (parse_host, ("", "a."), NAMES),
    "parse_listen": (parse_listen, ("", "[", "a:"), NAMES),
    "parse_origin": (parse_origin, ("", "https://"), URLS),
    "parse_url": (parse_url, ("", "https://"), URLS),
    "parse_target": (lambda text: parse_target(text, "h", Terms()), ("", "/v2/a/tags/list?", "http://"), URLS),
    "local_name": (lambda text: local_name(text, Asked("h", text).upstream(frozenset())), ("", "docker.io/"), NAMES),
    "RangeRequest": (lambda text: RangeRequest(text).part_of(9, ""), ("", "bytes="), ("0-", "0-1,", " ", "9")),
    "Conditions": (lambda text: Conditions(text).has(Digest.of(b"")), ("",), ('"', ",", "W/", " ", '"a", ')),
    "cut": (page, ("", '{"tags":[', '{"tags":["a",'), JSON),
    "Record.parse": (record, ("", '{"schema":"'), JSON),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_parser_takes_time_out_of_proportion(name: str) -> None:
    """32 KiB of each construct of its grammar, whole and broken off."""
    call, prefixes, pumps = CALLS[name]

    def run(text: str) -> None:
        with contextlib.suppress(MirrordError, ValueError):
            call(text)

    for prefix, pump in product(prefixes, pumps):

        def make(size: int, parts: tuple[str, str] = (prefix, pump)) -> str:
            return parts[0] + parts[1] * (size // len(parts[1]))

        measured = growth(run, make)
        assert measured.is_proportional, f"{prefix!r} + {pump!r} * n: {measured}"


def test_globs_with_many_stars_are_matched_in_proportion() -> None:
    """A glob that would try every way to divide a tag among its stars does not."""
    rule = TagRule(glob=("*a*a*a*a*a*a*a*a*b",))
    measured = growth(lambda text: select((rule,), [text[:128], text]), lambda size: "a" * size, small=256)
    assert measured.is_proportional, measured


@pytest.mark.parametrize(
    "entry", ["  - nginx:{}\n", "  - {{name: nginx, tags: [v{}, '*{}']}}\n", "  - a{}/b\n", "  - {{nmae: x{}}}\n"]
)
def test_a_config_of_many_images_is_read_in_proportion(tmp_path: Path, entry: str) -> None:
    """Twice the images, right or wrong, take twice the time: collisions and suggestions too."""
    path = tmp_path / "mirrord.yaml"

    def run(text: str) -> None:
        path.write_text(text)
        with contextlib.suppress(MirrordError):
            load(path)

    def make(count: int) -> str:
        return "images:\n" + "".join(entry.format(number, number) for number in range(count))

    measured = growth(run, make, small=250)
    assert measured.is_proportional, measured

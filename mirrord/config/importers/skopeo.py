"""The YAML source of ``skopeo sync --src yaml``: registries with their images, by tag, by expression, by version."""

from collections.abc import Iterator, Mapping
from typing import Final

from mirrord.config.document import Block, Items, Text
from mirrord.config.importers.draft import Draft, Entry, Registry
from mirrord.config.importers.logins import add_login
from mirrord.config.importers.patterns import EVERY, Rule, checked, glob_of, searching
from mirrord.config.importers.source import is_false, text_of, texts_of
from mirrord.config.rules import SEMVER, TAG

_IMAGES: Final = "images"
_REGEX: Final = "images-by-tag-regex"
_SEMVER: Final = "images-by-semver"
_SELECTING: Final = (_IMAGES, _REGEX, _SEMVER)
_KNOWN: Final = {*_SELECTING, "credentials", "tls-verify", "cert-dir"}
_LEFT: Final[Mapping[str, str]] = {
    "cert-dir": "a directory of certificates; name the files in it: ca_file: (*.crt), client_cert: and client_key:"
}


def is_skopeo(root: Block) -> bool:
    """Whether a mapping has registries with images below them."""
    return any(isinstance(value, Block) and value.keys() & set(_SELECTING) for value in root.values())


def import_skopeo(draft: Draft, root: Block) -> None:
    """Take over every registry and its images."""
    draft.hints.append(
        "skopeo sync copies one platform (that of its host) unless it is told --all; here all are mirrored. "
        "To have one: defaults: {platforms: [linux/amd64]}"
    )
    for host, value in root.items():
        line = root.lines[host]
        if not isinstance(value, Block):
            draft.leave(line, host, "a registry is a mapping with images below it")
            continue
        for key in value.keys() - _KNOWN:
            draft.leave(value.lines[key], f"{host}.{key}", "no key of skopeo sync that mirrord knows")
        _add_registry(draft, host, value, line)
        for key in _SELECTING:
            found = value.get(key)
            if isinstance(found, Block):
                for name in found:
                    _add_image(draft, host, key, name, found)
            elif found:
                draft.leave(value.lines[key], f"{host}.{key}", "repositories with what is wanted of each were expected")


def _add_registry(draft: Draft, host: str, value: Block, line: int) -> None:
    login = value.get("credentials")
    if not isinstance(login, Block) and not value.keys() & {"tls-verify", "cert-dir"}:
        return
    registry = draft.registry(host, line, host)
    if registry is None:
        return
    registry.said.append(f"{draft.file}:{line}")
    if isinstance(login, Block):
        lines = (login.lines.get("username", login.line), login.lines.get("password", login.line))
        add_login(draft, registry, host, text_of(login, "username"), text_of(login, "password"), lines)
    _add_tls(registry, value)
    for key in value.keys() & _LEFT.keys():
        draft.leave(value.lines[key], f"{host}.{key}", _LEFT[key])


def _add_tls(registry: Registry, value: Block) -> None:
    if is_false(value, "tls-verify"):
        registry.keys["tls_verify"] = False
        registry.said.append("where it speaks no TLS at all (skopeo then tries that by itself): plain_http: true")


def _add_image(draft: Draft, host: str, key: str, name: str, found: Block) -> None:
    line, what = found.lines[name], f"{host}.{key}.{name}"
    said = [f"{draft.file}:{line}: {key}"]
    listed = texts_of(found, name)
    if key == _IMAGES:
        for tag in listed:
            if tag.startswith(("sha256:", "sha512:")):
                own = [f"{draft.file}:{tag.line}: {key}"]
                draft.add(Entry(tag.line, f"{host}/{name}@{tag}", said=own), f"{what}: {tag}")
        tags = _literal(draft, [tag for tag in listed if not tag.startswith(("sha256:", "sha512:"))], what)
        if not listed and isinstance(found[name], Items | Text):
            tags = [EVERY]
        if tags:
            draft.add(Entry(line, f"{host}/{name}", tags, said), what)
        return
    rules = list(_conditions(draft, key, listed, what))
    if not listed:
        draft.leave(line, what, "an expression was expected" if key == _REGEX else "a range of versions was expected")
    if rules:
        draft.add(Entry(line, f"{host}/{name}", rules, said), what)


def _literal(draft: Draft, tags: list[Text], what: str) -> list[Rule]:
    rules: list[Rule] = []
    for tag in tags:
        try:
            rules.append(TAG(tag))
        except ValueError as error:
            draft.leave(tag.line, f"{what}: {tag}", str(error))
    return rules


def _conditions(draft: Draft, key: str, listed: list[Text], what: str) -> Iterator[Rule]:
    for text in listed:
        try:
            if key == _SEMVER:
                yield {"semver": SEMVER(str(text))}
                continue
            expression = searching(str(text))
            yield glob_of(expression) or {"regex": checked(expression)}
        except ValueError as error:
            draft.leave(text.line, what, str(error))

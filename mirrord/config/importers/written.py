"""A draft as the text of a config that loads: what our config refuses of it becomes a leftover with the reason."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct, field
from pydantic import ValidationError

from mirrord.config.document import Block, read_document
from mirrord.config.explain import problems_of
from mirrord.config.images import collisions
from mirrord.config.importers.draft import Draft, Entry, Registry
from mirrord.config.importers.patterns import Rule
from mirrord.config.model import Config
from mirrord.config.problem import InvalidConfigError, Problem
from mirrord.config.rules import has_wildcard
from mirrord.config.section import Origin

_FILE = "imported"
"""What problems of the text call it; each place in it is replaced by that in the other tool's file."""
_PLACE = re.compile(rf"\b{_FILE}:(\d+)")
_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@:-]*")
_TYPED = re.compile(r"true|false|yes|no|on|off|y|n|null|none", re.IGNORECASE)
_WIDTH = 110


class _Page(Struct):
    """Lines as they are written, and whose they are."""

    lines: list[str] = field(default_factory=list)
    owners: dict[int, Entry | Registry] = field(default_factory=dict)
    """By line, counted from 1."""

    def put(self, lines: Iterable[str], owner: Entry | Registry | None = None) -> None:
        """Add lines."""
        for line in lines:
            self.lines.append(line)
            if owner is not None:
                self.owners[len(self.lines)] = owner

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(f"{line}\n" for line in self.lines)


def settled(draft: Draft, root: str) -> str:
    """The config's text. What it can't have leaves ``draft`` and is told there.

    Raises InvalidConfigError for what no entry is to blame for.
    """
    while True:
        draft.drop_unused_registries()
        page = _page(draft, root)
        problems = _problems(page.text)
        if not problems:
            return page.text
        blamed = {id(owner): (owner, problem) for problem in problems if (owner := page.owners.get(problem.line))}
        if not blamed:
            raise InvalidConfigError(problems)
        for owner, problem in blamed.values():
            _take_out(draft, owner, _translated(problem.message, draft, page))


def _take_out(draft: Draft, owner: Entry | Registry, reason: str) -> None:
    if isinstance(owner, Entry):
        draft.images.remove(owner)
        draft.leave(owner.line, owner.name, reason)
        return
    host = next(host for host, registry in draft.registries.items() if registry is owner)
    del draft.registries[host]
    draft.leave(owner.line, host, reason)


def _translated(message: str, draft: Draft, page: _Page) -> str:
    """A message with the places of the other tool's file in it."""

    def origin(place: re.Match[str]) -> str:
        owner = page.owners.get(int(place[1]))
        return f"{draft.file}:{owner.line}" if owner else draft.file

    return _PLACE.sub(origin, message)


def _problems(text: str) -> list[Problem]:
    """What is wrong with a config, as loading it would say."""
    try:
        root, problems = read_document(text, _FILE, {})
    except InvalidConfigError as error:
        return list(error.problems)
    if problems or not isinstance(root, Block):
        return problems or [Problem(_FILE, 1, "", "is no mapping")]
    try:
        config = Config.model_validate(root, context=Origin(_FILE, Path("/")), by_alias=True, by_name=False)
    except ValidationError as error:
        return list(problems_of(error, root, _FILE, Config))
    return list(collisions(config))


def _page(draft: Draft, root: str) -> _Page:
    page = _Page()
    page.put([f"# From {_comment(draft.file)} ({draft.tool}), by mirrord import."])
    page.put(f"# {_comment(hint)}" for hint in draft.hints)
    page.put(["", f"root: {scalar(root)}"])
    common, usual = draft.common(), draft.usual_schedule()
    defaults = {**({"schedule": usual} if usual else {}), **common}
    if defaults:
        page.put(["", "defaults:", *(f"  {key}: {flow(value)}" for key, value in defaults.items())])
    if draft.registries:
        page.put(["", "registries:"])
    for host, registry in sorted(draft.registries.items()):
        page.put((f"  # {_comment(said)}" for said in registry.said), registry)
        keys = [f"    {key}: {flow(value, key)}" for key, value in registry.keys.items()]
        page.put([f"  {scalar(host)}:", *keys] if keys else [f"  {scalar(host)}: {{}}"], registry)
    _put_images(page, draft, common, usual)
    return page


def _put_images(page: _Page, draft: Draft, common: Mapping[str, object], usual: str) -> None:
    schedules = list(dict.fromkeys(each.schedule for each in draft.images if each.schedule not in {"", usual}))
    own = [each for each in draft.images if each.schedule in {"", usual}]
    if own or not schedules:
        page.put(["", "images:" if own else "images: []"])
    for entry in own:
        page.put((f"  {line}" for line in _entry(entry, common)), entry)
    if schedules:
        page.put(["", "groups:"])
    for number, schedule in enumerate(schedules, 1):
        page.put([f"  - name: schedule-{number}", f"    schedule: {scalar(schedule)}", "    images:"])
        for entry in (each for each in draft.images if each.schedule == schedule):
            page.put((f"      {line}" for line in _entry(entry, common)), entry)


def _entry(entry: Entry, common: Mapping[str, object]) -> Iterator[str]:
    for said in entry.said:
        yield f"# {_comment(said)}"
    options = {key: value for key, value in entry.options.items() if key not in common}
    rules = entry.rules
    if not options and not entry.served_as and len(rules) <= 1 and not any(map(_needs_list, rules)):
        yield f"- {scalar(':'.join([entry.name, *map(str, rules)]))}"
        return
    yield f"- name: {scalar(entry.name)}"
    if entry.served_as:
        yield f"  as: {scalar(entry.served_as)}"
    for key, value in options.items():
        yield f"  {key}: {flow(value)}"
    if rules:
        written = flow(rules)
        yield from (
            [f"  tags: {written}"] if len(written) < _WIDTH else ["  tags:", *(f"    - {flow(r)}" for r in rules)]
        )


def _needs_list(rule: Rule) -> bool:
    return not isinstance(rule, str) or has_wildcard(rule)


def flow(value: object, key: str = "") -> str:
    """A value on one line of YAML."""
    match value:
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "{" + ", ".join(f"{name}: {flow(each, str(name))}" for name, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(each, key) for each in value) + "]"
    return scalar(str(value), is_raw=key == "regex")


def scalar(text: str, *, is_raw: bool = False) -> str:
    """A text as YAML, in quotes where another reader might take it for something else. ``$`` begins no variable."""
    text = text if is_raw else text.replace("$", "$$")
    if _PLAIN.fullmatch(text) and not text.endswith(":") and not _TYPED.fullmatch(text):
        return text
    if text.isprintable() and "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    """A text that stays on its line."""
    return "".join(each if each.isprintable() else " " for each in text)

"""regsync's steps: images, repositories and whole registries, with their filters, as images of ours.

What narrows a step and can't be said here leaves the whole step over: nothing is mirrored that was kept out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from mirrord.config.aliases import origin_name
from mirrord.config.document import Block, Items, Text
from mirrord.config.entries import is_free_name
from mirrord.config.importers.draft import Draft, Entry
from mirrord.config.importers.logins import is_template
from mirrord.config.importers.patterns import Rule, glob_of, rules_of
from mirrord.config.importers.source import Leftover, is_true, text_of, texts_of
from mirrord.config.rules import SEMVER
from mirrord.errors import InvalidReferenceError
from mirrord.oci.reference import HUB, Reference, Repository

STEP_LEFT: Final[Mapping[str, str]] = {
    "backup": "a copy before overwriting; mirrord keeps what it published as snapshots (retention:), and goes back by "
    "mirrord snapshots rollback",
    "ratelimit": "mirrord never uses up Docker Hub's pulls by itself: what is left waits for a later run",
    "mediaTypes": "mirrord takes the four kinds of manifest there are",
    "forceRecursive": "mirrord looks at each run whether what it serves is whole",
    "fastCheck": "a held tag costs one question in any case",
    "hooks": "commands of regsync's; mirrord tells of changes by notify:",
    "referrerSrc": "referrers in another repository",
    "referrerTgt": "referrers in another repository",
    "referrerSource": "referrers in another repository",
    "referrerTarget": "referrers in another repository",
    "referrerSlow": "mirrord finds out by itself whether a registry lists referrers",
    "abortOnError": "one image's failure never stops another's success here",
}
_SETTINGS: Final = {"referrers", "digestTags", "referrerFilters", "includeExternal", "platform", "platforms"}
_STEP: Final = {"source", "target", "type", "tags", "tagSets", "repos", "schedule", "interval", *_SETTINGS}
_LAYOUTS: Final = ("ocidir://", "ocifile://")
_GO_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:h|m|s|ms))+")


class _UnfitError(Exception):
    """A step that can't be carried over: what of it, and why."""

    def __init__(self, line: int, what: str, reason: str) -> None:
        super().__init__(reason)
        self.leftover = Leftover(line, what, reason)


def settings_left(draft: Draft, block: Block, path: str, known: Iterable[str]) -> None:
    """Tell of the keys of a step, or of the defaults, that mirrord has no use for."""
    for key in block.keys() - _SETTINGS - set(known):
        draft.leave(block.lines[key], f"{path}.{key}", STEP_LEFT.get(key, "no key of regsync that mirrord knows"))


def import_step(draft: Draft, step: Block, defaults: Block, path: str) -> None:
    """Take over one step; what its own keys don't say, ``defaults`` does."""
    settings_left(draft, step, path, _STEP)
    try:
        entries = list(_entries(draft, step, path))
        options = _options(draft, step, defaults, path)
    except _UnfitError as unfit:
        draft.leftovers.append(unfit.leftover)
        return
    schedule = _schedule(draft, step, defaults, path)
    for entry in entries:
        entry.schedule, entry.options = schedule, dict(options)
        draft.add(entry, path)


def _entries(draft: Draft, step: Block, path: str) -> Iterable[Entry]:
    source, target, kind = text_of(step, "source"), text_of(step, "target"), text_of(step, "type")
    line = step.lines.get("source", step.line)
    if not source or is_template(source):
        words = "the source is a template, which only regsync works out" if source else "it has no source"
        raise _UnfitError(line, path, words)
    if source.startswith(_LAYOUTS):
        raise _UnfitError(
            line, path, "the source is a directory; its bytes can be taken over: mirrord adopt oci-layout:DIR"
        )
    said = [f"{draft.file}:{step.line}: {source} → {target}"]
    if kind == "registry":
        return _registry(draft, step, path, said)
    if kind not in {"image", "repository"}:
        raise _UnfitError(
            step.lines.get("type", step.line),
            path,
            f"a step of type {kind!r}; registry, repository and image are known",
        )
    try:
        reference = Reference.parse(source)
    except InvalidReferenceError as error:
        raise _UnfitError(line, path, str(error)) from error
    entry = Entry(step.line, source, said=said)
    if kind == "repository":
        entry.name, entry.rules = _without_tag(source, reference), _tags(step, path)
    elif reference.digest is None:
        entry.name, entry.rules = _without_tag(source, reference), [reference.tag or "latest"]
    entry.served_as = _served_as(draft, step, reference, path)
    return [entry]


def _without_tag(text: str, reference: Reference) -> str:
    name = text.partition("@")[0]
    return name[: -len(reference.tag) - 1] if reference.tag else name


def _served_as(draft: Draft, step: Block, source: Reference, path: str) -> str:
    """The name on the mirror, where the target had another than the source's own."""
    target, line = text_of(step, "target"), step.lines.get("target", step.line)
    if is_template(target) or target.startswith(_LAYOUTS) or not target:
        if is_template(target):
            draft.leave(line, f"{path}.target", "a template; the image has the name that its source has")
        return ""
    try:
        copied = Reference.parse(target)
    except InvalidReferenceError as error:
        draft.leave(line, f"{path}.target", f"{error}; the image has the name that its source has")
        return ""
    if text_of(step, "type") == "image" and (copied.tag or "latest") != (
        source.tag or ("" if source.digest else "latest")
    ):
        kept = f"tag {source.tag}" if source.tag else "digest" if source.digest else "tag latest"
        draft.leave(
            line, f"{path}.target", f"another tag ({copied.tag or 'latest'}); mirrord serves it by its own {kept}"
        )
    registry = draft.registries.get(source.repository.host)
    prefix = registry.keys.get("as") if registry else None
    name = copied.repository.path
    own = _own_name(source.repository, prefix if isinstance(prefix, str) else None)
    if name == own or _is_alias(name, source.repository):
        return ""
    if not is_free_name(name):
        draft.leave(line, f"{path}.target", f"{name} can't be a name on the mirror; the image has that of its source")
        return ""
    return name


def _own_name(repository: Repository, prefix: str | None) -> str:
    if prefix is None:
        return origin_name(repository)
    path = origin_name(repository) if repository.host == HUB else repository.path
    return f"{prefix}/{path}" if prefix else path


def _is_alias(name: str, repository: Repository) -> bool:
    """Whether clients find ``repository`` by ``name`` in any case: library/alpine is alpine."""
    try:
        return Repository.parse(name) == repository
    except InvalidReferenceError:
        return False


def _registry(draft: Draft, step: Block, path: str, said: list[str]) -> list[Entry]:
    host, line = text_of(step, "source").rstrip("/"), step.lines.get("source", step.line)
    repos = step.get("repos")
    filters = repos if isinstance(repos, Block) else Block(step.line)
    if denied := texts_of(filters, "deny"):
        words = "a catalog leaves no repository out; name the repositories, and the step becomes as many entries"
        raise _UnfitError(denied[0].line, f"{path}.repos.deny", words)
    for key in filters.keys() - {"allow", "deny"}:
        raise _UnfitError(
            filters.lines[key], f"{path}.repos.{key}", "a filter of repositories that mirrord does not know"
        )
    rules = _tags(step, path)
    registry = draft.registry(host, line, path)
    if registry is None:
        raise _UnfitError(line, path, f"{host!r} is no registry's host")
    _serve_as(draft, step, host, path)
    entries = []
    for allowed in texts_of(filters, "allow") or [Text.at(step.line, ".*")]:
        glob = glob_of(str(allowed))
        is_whole = glob is not None and (glob == "*" or glob.endswith("/*")) and not set(glob[:-1]) & set("*?")
        if glob is None or (set(glob) & set("*?") and not is_whole):
            words = f"{str(allowed)!r}: many repositories are all below a prefix here, e.g. team/*; name them"
            draft.leave(allowed.line, f"{path}.repos.allow", words)
            continue
        entries.append(Entry(allowed.line, f"{host}/{glob}", list(rules), list(said)))
    return entries


def _serve_as(draft: Draft, step: Block, host: str, path: str) -> None:
    """Give a whole registry the names that it had where it was copied to: without its host, perhaps below a prefix."""
    target = text_of(step, "target").rstrip("/")
    prefix = target.partition("/")[2]
    registry = draft.registry(host, step.line, path)
    is_plain = registry is not None and not is_template(target) and not target.startswith(_LAYOUTS) and target
    if registry is None or not is_plain or (host == HUB and not prefix):
        return
    if registry.keys.get("as", prefix) != prefix:
        line = step.lines.get("target", step.line)
        draft.leave(
            line, f"{path}.target", f"{host} has the prefix {registry.keys['as']!r} by another step: that holds"
        )
        return
    registry.keys["as"] = prefix
    if f"{draft.file}:{step.line}" not in registry.said:
        registry.said.append(f"{draft.file}:{step.line}: its names were copied to {target}")


def _tags(step: Block, path: str) -> list[Rule]:
    """The rules of a step's filters. Raises _UnfitError where one of them can't be said."""
    sets = [(f"{path}.tags", step["tags"])] if "tags" in step else []
    listed = step.get("tagSets")
    sets += [(f"{path}.tagSets[{at}]", each) for at, each in enumerate(listed if isinstance(listed, Items) else ())]
    rules: list[Rule] = []
    for where, found in sets or [(path, Block(step.line))]:
        if not isinstance(found, Block):
            raise _UnfitError(step.line, where, "allow: and deny: were expected")
        rules += [rule for rule in _filter(found, where) if rule not in rules]
    return rules


def _filter(found: Block, where: str) -> list[Rule]:
    for key in found.keys() - {"allow", "deny", "semverRange"}:
        raise _UnfitError(found.lines[key], f"{where}.{key}", "a filter of tags that mirrord does not know")
    allow, deny = list(map(str, texts_of(found, "allow"))), list(map(str, texts_of(found, "deny")))
    ranges = texts_of(found, "semverRange")
    try:
        if not ranges:
            rules = rules_of(allow, deny)
        elif allow or any(glob_of(each) is None for each in deny):
            raise _UnfitError(
                found.line, where, "a range of versions together with expressions; write it as a rule of both"
            )
        else:
            shut = {"exclude": [glob_of(each) for each in deny]} if deny else {}
            rules = [{"semver": SEMVER(str(each)), **shut} for each in ranges]
    except ValueError as error:
        raise _UnfitError(found.line, where, str(error)) from error
    if not rules:
        raise _UnfitError(found.line, where, "deny leaves nothing of what allow lets in")
    return rules


def _options(draft: Draft, step: Block, defaults: Block, path: str) -> dict[str, object]:
    def holder(key: str) -> Block:
        return step if key in step else defaults

    options: dict[str, object] = {}
    wanted = [*texts_of(holder("platform"), "platform"), *texts_of(holder("platforms"), "platforms")]
    if wanted and [str(each) for each in wanted] != ["all"]:
        platforms = draft.platforms(list(map(str, wanted)), wanted[0].line, f"{path}.platform")
        if platforms is None:
            raise _UnfitError(wanted[0].line, path, "its platforms can't be said, so the step is left over")
        options["platforms"] = platforms
    block = holder("referrerFilters")
    filters = block.get("referrerFilters")
    options["referrers"] = is_true(holder("referrers"), "referrers") or is_true(holder("digestTags"), "digestTags")
    if options["referrers"] and isinstance(filters, Items):
        types = [text_of(each, "artifactType") for each in filters if isinstance(each, Block)]
        if all(types) and all(each.keys() == {"artifactType"} for each in filters if isinstance(each, Block)):
            options["referrers"] = {"types": types}
        else:
            words = "referrers are chosen by type here, not by annotations: all of them come"
            draft.leave(block.lines["referrerFilters"], f"{path}.referrerFilters", words)
    if is_true(holder("includeExternal"), "includeExternal"):
        options["foreign_layers"] = "follow"
    return options


def _schedule(draft: Draft, step: Block, defaults: Block, path: str) -> str:
    for block, where in ((step, path), (defaults, "defaults")):
        cron, interval = text_of(block, "schedule"), text_of(block, "interval")
        if not cron and not interval:
            continue
        line = block.lines["schedule" if cron else "interval"]
        if not cron and not _GO_DURATION.fullmatch(interval):
            draft.leave(line, f"{where}.interval", f"{interval!r} is no duration; write schedule: every 60m")
            continue
        every = cron.removeprefix("@every ") if cron else interval
        text = cron if every == cron else f"every {every}"
        if found := draft.schedule(text, line, f"{where}.{'schedule' if cron else 'interval'}"):
            return found
    return ""

"""Which tags the rules select: a pure function from rules and a repository's tags to the tags that are wanted."""

import fnmatch
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mirrord.config.rules import TagRule, has_wildcard
from mirrord.errors import ConfigError
from mirrord.oci.reference import is_follower, is_tag


@dataclass(frozen=True, slots=True)
class Selection:
    """What rules select of one list of tags."""

    tags: tuple[str, ...]
    """Sorted. Literal tags are among them whether or not the list has them: asking for one tells."""
    idle: tuple[TagRule, ...] = ()
    """Rules that select nothing of the list: probably a slip of the pen."""
    refused: tuple[str, ...] = ()
    """Names in the list that are no tags by the grammar: never asked for, never a file's name."""


def needs_list(rules: Sequence[TagRule]) -> bool:
    """Whether the rules can't be applied without the repository's list of tags."""
    return any(not rule.is_literal and not rule.unbuilt for rule in rules)


def select(rules: Sequence[TagRule], tags: Iterable[str]) -> Selection:
    """Apply ``rules`` to a repository's ``tags``: each tag that one of them wants.

    Tags that follow an image by its digest (signatures) are never selected: they come with their image.
    Raises ConfigError for a rule that can't be applied yet.
    """
    for rule in rules:
        if rule.unbuilt:
            raise ConfigError(f"tags: rules by {', '.join(rule.unbuilt)} are not built yet; write tags or globs")
    held, refused = set[str](), list[str]()
    for tag in tags:
        if not is_tag(tag):
            refused.append(tag)
        elif not is_follower(tag):
            held.add(tag)
    chosen, idle = set[str](), list[TagRule]()
    for rule in rules:
        found = _selected(rule, held)
        chosen |= found
        if not found:
            idle.append(rule)
    return Selection(tuple(sorted(chosen)), tuple(idle), tuple(refused))


def _selected(rule: TagRule, held: set[str]) -> set[str]:
    globs = [glob for glob in rule.glob if has_wildcard(glob)]
    wanted = _matching(globs, held) if rule.glob else held
    return wanted.union(rule.literals).difference(_matching(rule.exclude, wanted.union(rule.literals)))


def _matching(globs: Sequence[str], tags: Iterable[str]) -> set[str]:
    if not globs:
        return set()
    pattern = _compiled(tuple(globs))
    return {tag for tag in tags if pattern.match(tag)}


@functools.lru_cache(maxsize=1024)
def _compiled(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, globs)))  # each ends in \Z, and so matches a whole tag

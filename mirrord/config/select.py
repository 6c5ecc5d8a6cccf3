"""Which tags the rules select, and why each is or is not: pure, from rules and a repository's tags."""

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum

from msgspec import Struct, field

from mirrord.config.rules import TagRule
from mirrord.errors import ConfigError
from mirrord.oci.ranges import Range
from mirrord.oci.reference import is_follower, is_tag
from mirrord.oci.version import Version, begins_as_prerelease, parse_version


class Reach(IntEnum):
    """How far a tag gets in a rule."""

    PATTERN = 0
    """It does not fit the glob or the expression."""
    VERSION = 1
    """It is no version."""
    RANGE = 2
    VARIANT = 3
    PRERELEASE = 4
    EXCLUDED = 5
    NEWEST = 6
    """It fits, and is not among the newest."""
    SELECTED = 7


class Verdict(Struct, frozen=True):
    """What a rule says of one tag."""

    reach: Reach
    reason: str

    @property
    def is_selected(self) -> bool:
        """Whether the rule wants it."""
        return self.reach is Reach.SELECTED


class Selection(Struct, frozen=True):
    """What rules select of one list of tags."""

    tags: tuple[str, ...]
    """Sorted. Literal tags are among them whether or not the list has them: asking for one tells."""
    idle: tuple[TagRule, ...] = ()
    """Rules that select nothing of the list: probably a slip of the pen."""
    refused: tuple[str, ...] = ()
    """Names in the list that are no tags by the grammar: never asked for, never a file's name."""
    outranked: tuple[str, ...] = ()
    """Tags that fit a rule and are not among its newest; the newest of them first."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """By tag: the rule's that wants it, else of the rule that it comes nearest to."""


def needs_list(rules: Sequence[TagRule]) -> bool:
    """Whether the rules can't be applied without the repository's list of tags."""
    return any(not rule.is_literal for rule in rules)


def needs_push_times(rules: Sequence[TagRule]) -> bool:
    """Whether the rules can't be applied without knowing when each tag was pushed."""
    return any(rule.needs_push_times for rule in rules)


def select(rules: Sequence[TagRule], tags: Iterable[str], pushed: Mapping[str, float] | None = None) -> Selection:
    """Apply ``rules`` to a repository's ``tags``: each tag that one of them wants.

    Tags that follow an image by its digest (signatures) are never selected: they come with their image. ``pushed`` is
    when each tag was pushed, in seconds. Raises ConfigError where a rule needs that of a tag and nobody knows.
    """
    offered, refused = set[str](), list[str]()
    for tag in tags:
        if not is_tag(tag):
            refused.append(tag)
        elif not is_follower(tag):
            offered.add(tag)
    verdicts: dict[str, Verdict] = {}
    idle, outranked = list[TagRule](), list[str]()
    for rule in rules:
        is_said = bool(verdicts) and rule.is_literal  # of each tag offered: here it could only be "not the one named"
        found = judge(rule, () if is_said else offered, pushed or {})
        outranked += [tag for tag, verdict in found.items() if verdict.reach is Reach.NEWEST]
        if not any(verdict.is_selected for verdict in found.values()):
            idle.append(rule)
        for tag, verdict in found.items():
            if tag not in verdicts or verdict.reach > verdicts[tag].reach:
                verdicts[tag] = verdict
    chosen = tuple(sorted(tag for tag, verdict in verdicts.items() if verdict.is_selected))
    left = tuple(tag for tag in dict.fromkeys(outranked) if not verdicts[tag].is_selected)
    return Selection(chosen, tuple(idle), tuple(refused), left, verdicts)


def judge(rule: TagRule, tags: Iterable[str], pushed: Mapping[str, float]) -> dict[str, Verdict]:
    """What ``rule`` says of each of ``tags``, and of those it names itself. Raises ConfigError (see `select`)."""
    words = "" if rule.is_literal else str(rule)
    named = frozenset(rule.literals)
    checks = _checks(rule)
    found: dict[str, Verdict] = {}
    fitting: list[str] = []
    for tag in {*tags, *named}:
        refusal = next((refusal for check in checks if (refusal := check(tag)) is not None), None)
        if refusal is not None:
            found[tag] = refusal
        else:
            fitting.append(tag)
    newest = fitting if rule.newest is None else sorted(fitting, key=_age(rule, fitting, pushed), reverse=True)
    for place, tag in enumerate(newest):
        if rule.newest is not None and place >= rule.newest:
            by = "time of push" if rule.needs_push_times else "version"
            found[tag] = Verdict(Reach.NEWEST, f"not among the {rule.newest} newest by {by}")
        else:
            found[tag] = Verdict(Reach.SELECTED, "named" if tag in named else words)
    return found


_Check = Callable[[str], Verdict | None]
"""Why a tag does not fit; None where this does not stand in its way."""


def _checks(rule: TagRule) -> Sequence[_Check]:
    checks: list[_Check] = []
    if rule.glob or rule.regex:
        checks.append(functools.partial(_of_pattern, rule))
    if rule.needs_version:
        reader = _Reader(rule, Range.parse(rule.semver) if rule.semver else None, _compiled((rule.suffix or "",)))
        checks.append(reader.check)
    if rule.exclude:
        checks.append(functools.partial(_of_exclude, rule))
    return checks


def _of_pattern(rule: TagRule, tag: str) -> Verdict | None:
    if rule.glob and not (tag in rule.glob or _compiled(rule.glob).match(tag)):
        return Verdict(Reach.PATTERN, f"not {' or '.join(rule.glob)}")
    if rule.regex and not _expression(rule.regex).fullmatch(tag):
        return Verdict(Reach.PATTERN, f"does not match /{rule.regex}/")
    return None


def _of_exclude(rule: TagRule, tag: str) -> Verdict | None:
    if not _compiled(rule.exclude).match(tag):
        return None
    by = next(glob for glob in rule.exclude if _compiled((glob,)).match(tag))
    return Verdict(Reach.EXCLUDED, f"excluded by {by}")


class _Reader(Struct, frozen=True):
    """Checks a tag as the version that a rule wants."""

    rule: TagRule
    range: Range | None
    suffix: re.Pattern[str]

    def check(self, tag: str) -> Verdict | None:
        version = parse_version(tag)
        if version is None:
            return Verdict(Reach.VERSION, "no version")
        if self.range is not None and not self.range.includes(version):
            return Verdict(Reach.RANGE, f"not in {self.rule.semver}")
        names_prerelease = begins_as_prerelease((self.rule.suffix or "").lstrip("-_"))
        if self.rule.suffix and names_prerelease and self.suffix.match(version.suffix):
            return None
        if not self._is_wanted_variant(version):
            wanted = f", not {self.rule.suffix}" if self.rule.suffix else "; suffix: would name it"
            return Verdict(Reach.VARIANT, f"variant {version.variant or 'without suffix'}{wanted}")
        if version.prerelease and not self.rule.prerelease:
            return Verdict(Reach.PRERELEASE, f"pre-release {version.prerelease}; prerelease: true would let it in")
        return None

    def _is_wanted_variant(self, version: Version) -> bool:
        if not self.rule.suffix:
            return not version.variant
        return self.suffix.match(version.variant) is not None


def _age(rule: TagRule, tags: Sequence[str], pushed: Mapping[str, float]) -> Callable[[str], tuple[object, ...]]:
    """What sorts tags from the oldest to the newest."""
    if not rule.needs_push_times:
        return _version_key
    unknown = sorted(tag for tag in tags if tag not in pushed)
    if unknown:
        raise ConfigError(
            f"by: pushed: the registry does not tell when {unknown[0]} was pushed (the protocol has no such thing; of "
            "the public ones only Google's tell); use by: version, or name the tags"
        )
    return lambda tag: (pushed[tag], _version_key(tag))


def _version_key(tag: str) -> tuple[object, ...]:
    version = parse_version(tag)
    return (True, version.key) if version else (False, tag)


@functools.lru_cache(maxsize=1024)
def _compiled(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, globs)))  # each ends in \Z, and so matches a whole tag


@functools.lru_cache(maxsize=1024)
def _expression(text: str) -> re.Pattern[str]:
    return re.compile(text)

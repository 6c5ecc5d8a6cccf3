"""Tag rules: which of a repository's tags an image is about, as the config says it. They are applied in `select`."""

import re
from typing import Annotated, Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from mirrord.config.document import shown
from mirrord.config.expressions import check_expression
from mirrord.config.scalars import BOOLEAN, INTEGER, text_like
from mirrord.config.section import ONE_OR_MANY, Section
from mirrord.oci.ranges import Range
from mirrord.oci.reference import is_follower, is_tag

WILDCARDS = frozenset("*?[")
_GLOB = re.compile(r"(?:[A-Za-z0-9_.*?-]|\[[!^]?[A-Za-z0-9_.-]+\])+")
_GLOB_LENGTH = 255


def has_wildcard(text: str) -> bool:
    """Whether ``text`` is a glob and not a tag: no glob character can be in a tag."""
    return not WILDCARDS.isdisjoint(text)


def _tag_or_glob(text: str) -> str:
    if text[:1] in {">", "<", "=", "^", "~"}:
        raise ValueError(f"{shown(text)} is not a tag; a range of versions is written {{semver: {shown(text)}}}")
    if is_follower(text):
        raise ValueError(f"{shown(text)} follows its image; name the image, and its signatures come with it")
    return _glob(text)


def _glob(text: str) -> str:
    if not is_tag(text) and not (has_wildcard(text) and len(text) <= _GLOB_LENGTH and _GLOB.fullmatch(text)):
        raise ValueError
    return str(text)


def _suffix(text: str) -> str:
    if len(text) > _GLOB_LENGTH or text[:1] not in {"-", "_", "*", "["} or not _GLOB.fullmatch(text):
        raise ValueError
    return str(text)


def _regex(text: str) -> str:
    check_expression(text)
    return str(text)


def _semver(text: str) -> str:
    Range.parse(text)
    return str(text)


TAG = text_like("a tag", "a tag such as 1.27, or a glob such as 1.*", _tag_or_glob)
GLOB = text_like("a glob", "e.g. v* or *-rc*", _glob)
SUFFIX = text_like("a suffix", "what comes after the version, from its - or _ on, e.g. -alpine or -alpine3.*", _suffix)
REGEX = text_like("a regular expression", r"one that matches the whole tag, e.g. 3\.\d+", _regex)
SEMVER = text_like("a range of versions", 'comparisons, e.g. ">=2.50 <4", "^1.2" or "1.2 - 1.4"', _semver)
Globs = Annotated[tuple[Annotated[str, GLOB], ...], ONE_OR_MANY]


class TagRule(Section):
    """One rule: every tag that fits all of its conditions. A plain text is short for ``{glob: text}``."""

    glob: Annotated[tuple[Annotated[str, TAG], ...], ONE_OR_MANY] = ()
    """Literal tags and globs, any of them."""
    semver: Annotated[str, SEMVER] | None = None
    """Versions in this range."""
    regex: Annotated[str, REGEX] | None = None
    """Must match the whole tag."""
    suffix: Annotated[str, SUFFIX] | None = None
    """The variant of a version, e.g. -alpine; a glob may stand for several."""
    newest: Annotated[int, INTEGER.within(1, 100_000)] | None = None
    """Of what fits, only so many."""
    by: Literal["version", "pushed"] | None = None
    """What newest means."""
    prerelease: Annotated[bool, BOOLEAN] = False
    """Whether pre-releases are versions."""
    exclude: Globs = ()
    """Globs of tags that are left out."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, written: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever was written
        return {"glob": [written]} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _selects(self) -> "TagRule":
        if not (self.glob or self.semver or self.regex or self.newest or self.exclude or self.suffix):
            raise ValueError(
                "a rule needs one of glob, semver, regex, suffix, newest or exclude; every tag is written *, in quotes"
            )
        if self.by and not self.newest:
            raise ValueError('"by" says what newest means; add newest: and a number')
        return self

    @model_serializer(mode="wrap")
    def _short(self, handler: SerializerFunctionWrapHandler) -> object:
        if len(self.glob) == 1 and not self._is_conditional and not self.prerelease:
            return self.glob[0]
        return {key: value for key, value in handler(self).items() if value not in ([], None, False)}

    @property
    def literals(self) -> tuple[str, ...]:
        """Its tags that can be asked for without the repository's list."""
        return tuple(glob for glob in self.glob if not has_wildcard(glob))

    @property
    def is_literal(self) -> bool:
        """Whether it names tags and nothing else, so that the repository's list is not needed."""
        return bool(self.glob) and len(self.literals) == len(self.glob) and not self._is_conditional

    @property
    def needs_version(self) -> bool:
        """Whether only versions can fit it."""
        return bool(self.semver or self.suffix or (self.newest and self.by != "pushed"))

    @property
    def needs_push_times(self) -> bool:
        """Whether it can't be applied without knowing when each tag was pushed."""
        return self.by == "pushed"

    @property
    def _is_conditional(self) -> bool:
        return bool(self.semver or self.regex or self.suffix or self.newest or self.exclude)

    def __str__(self) -> str:
        globs = tuple(glob for glob in self.glob if has_wildcard(glob))
        named = [f"tag {', '.join(self.literals)}"] if self.literals else []
        named += [f"tags like {', '.join(globs)}"] if globs else []
        parts = [" or ".join(named)] if named else []
        parts += [f"versions {self.semver}"] if self.semver else []
        parts += [f"tags matching /{self.regex}/"] if self.regex else []
        words = " and ".join(parts) or "all tags"
        words += f" with suffix {self.suffix}" if self.suffix else ""
        words += ", pre-releases too" if self.prerelease else ""
        if self.newest:
            words += f", the {self.newest} newest by {'time of push' if self.by == 'pushed' else 'version'}"
        return words + (f", except {', '.join(self.exclude)}" if self.exclude else "")

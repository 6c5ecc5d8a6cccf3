"""Other tools' filters of tags, which are regular expressions of Go, as rules of ours."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mirrord.config.expressions import check_expression

Rule = str | Mapping[str, object]
"""A tag, a glob, or a mapping of conditions, as the config writes it."""

EVERY: Final = "*"
_FLAGS = re.compile(r"\(\?[a-zA-Z]+\)")
_STEP = re.compile(r"(\.\*)|(\.)|\\([.\-_])|([A-Za-z0-9_/-])")
_QUANTIFIERS = ("*", "+", "?", "{")
_OTHERWISE = (("[[:", "a character class such as [[:digit:]]"), ("{,", "{, which Go takes as it stands"))
"""What both grammars take and read differently."""


def glob_of(expression: str) -> str | None:
    """The tag or glob that fits exactly what ``expression`` matches as a whole; None where there is none."""
    text = expression.removeprefix("^")
    if text.endswith("$") and not text.endswith("\\$"):
        text = text[:-1]
    glob, at = "", 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            return None
        at = step.end()
        if not step[1] and text.startswith(_QUANTIFIERS, at):
            return None
        glob += "*" if step[1] else "?" if step[2] else step[3] or step[4]
    return glob or None


def searching(expression: str) -> str:
    """An expression that matches as a whole the tags in which ``expression`` is found somewhere."""
    flags = found[0] if (found := _FLAGS.match(expression)) else ""
    body = expression[len(flags) :]
    if "|" in body:
        return f"{flags}.*(?:{body}).*"
    head = "" if body.startswith("^") else ".*"
    is_closed = body.endswith("$") and not body.endswith("\\$")
    return flags + head + body.removeprefix("^")[: -1 if is_closed else None] + ("" if is_closed else ".*")


def checked(expression: str) -> str:
    """``expression`` of Go, if Python's means the same. Raises ValueError that says why not."""
    for sign, words in _OTHERWISE:
        if sign in expression:
            raise ValueError(f"{words} is understood otherwise here; write the expression anew")
    check_expression(expression)
    return expression


def rules_of(allow: Sequence[str], deny: Sequence[str]) -> list[Rule]:
    """The rules for tags that one of ``allow`` (none: all tags) and none of ``deny`` match as a whole.

    Raises ValueError for an expression that has no meaning here.
    """
    denied = [glob_of(each) for each in deny]
    globs = [glob for glob in denied if glob is not None]
    if len(globs) < len(deny):
        shut = "|".join(f"(?:{checked(each)})" for each in deny)
        return _joined(_excepting(each, shut) for each in (allow or [".*"]))
    plain: list[Rule] = []
    for each in allow or [".*"]:
        glob = glob_of(each)
        if glob is not None and not set(glob) & set("*?"):
            if not any(re.compile(checked(other)).fullmatch(glob) for other in deny):
                plain.append(glob)
            continue
        condition: dict[str, object] = {"regex": checked(each)} if glob is None else {"glob": glob}
        if globs:
            condition = {} if glob == EVERY else condition
            plain.append({**condition, "exclude": globs})
        else:
            plain.append(glob if glob is not None else condition)
    return _joined(plain)


def _excepting(expression: str, shut: str) -> Rule:
    return {"regex": checked(f"(?!(?:{shut})$)(?:{checked(expression)})")}


def _joined(rules: Iterable[Rule]) -> list[Rule]:
    """Each rule once, in order."""
    found: list[Rule] = []
    for rule in rules:
        if rule not in found:
            found.append(rule)
    return found

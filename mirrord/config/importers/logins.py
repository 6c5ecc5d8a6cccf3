"""Logins of other tools' files: names come over, passwords never do; where each belongs is said beside it."""

import re
from typing import Final

from mirrord.config.importers.draft import Draft, Registry

_TEMPLATE = re.compile(r"""\{\{\s*(env|file)\s+(?:"([^"\\]+)"|\\"([^"\\]+)\\")\s*\}\}""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SIGNS: Final = ("{{", "${")


def is_template(text: str) -> bool:
    """Whether a text stands for another that only its tool works out."""
    return any(sign in text for sign in _SIGNS)


def add_login(draft: Draft, registry: Registry, host: str, user: str, password: str, places: tuple[int, int]) -> None:
    """Take a login over: the user's name, and where the password is to be found.

    ``places`` are the lines of both. A name that only a variable has is written as a comment: a config whose
    variable is not set does not load.
    """
    if not user or not password:
        words = "a name without a password" if user else "a password without a name"
        draft.leave(places[not user], f"{host}: login", f"{words} is no login here")
        return
    key, value = _password(draft, host, password, places[1])
    variable = _variable(user)
    if variable is None and not is_template(user):
        registry.keys |= {"username": user, key: value}
        return
    name = f"${{{variable}}}" if variable else "NAME"
    registry.said.append(f"log in: {{username: {name}, {key}: {value}}}")
    where = f"the variable {variable}" if variable else "a template"
    draft.leave(
        places[0],
        f"{host}: login",
        f"its name comes from {where}, and a config does not load while that is unset: the login is a comment; "
        "write the name into it, or set the variable, and put it in force",
    )


def _password(draft: Draft, host: str, password: str, line: int) -> tuple[str, str]:
    """The key and the value that say where the password is."""
    found = _TEMPLATE.fullmatch(password.strip())
    if found:
        named = found[2] or found[3]
        if found[1] == "file":
            return "password_file", named
        if _NAME.fullmatch(named):
            return "password_env", named
    placeholder = _placeholder(host)
    if found or is_template(password):
        reason = f"comes from a template; have it in the variable {placeholder}, or say password_file:"
    else:
        reason = f"stands in the file, and is not copied; have it in the variable {placeholder}, or say password_file:"
    draft.leave(line, f"{host}: password", reason)
    return "password_env", placeholder


def _placeholder(host: str) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "_", host).strip("_").upper()
    return f"{'REGISTRY_' if name[:1].isdigit() else ''}{name}_PASSWORD"


def _variable(text: str) -> str | None:
    """The environment variable that a template is."""
    found = _TEMPLATE.fullmatch(text.strip())
    if found and found[1] == "env":
        name = found[2] or found[3]
        return name if _NAME.fullmatch(name) else None
    return None

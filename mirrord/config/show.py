"""The config shown again: everything that is in force, as one document without secrets."""

from collections.abc import Mapping
from typing import Any

from mirrord.config.model import Config, Options, merged

_LAST = ("registries", "images", "groups")
"""In the order a person would write them."""


def effective(config: Config) -> dict[str, Any]:
    """Everything that holds, defaults included, secrets as dots. Loading it again (but for them) gives the same."""
    resolved = merged(config.defaults)
    defaults = Options.model_construct(**{name: getattr(resolved, name) for name in Options.model_fields})
    whole = config.model_copy(update={"defaults": defaults, "include": ()})  # what was included is in it
    document = whole.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: _escaped(document[key]) for key in [*(key for key in document if key not in _LAST), *_LAST]}


def _escaped(value: object) -> object:
    """``value`` as a file would have it: a dollar doubled where one would begin a variable."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: inner if key == "regex" else _escaped(inner) for key, inner in value.items()}
    return [_escaped(inner) for inner in value] if isinstance(value, list) else value

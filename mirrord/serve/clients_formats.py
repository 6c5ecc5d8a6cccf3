"""Values as TOML, YAML and JSON: whatever they hold, reading it back gives them again."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from mirrord.errors import ConfigError

TomlValue = str | bool | Sequence[str]

_BARE: Final = frozenset({"host", "registry", "header"})
"""Parts of tables' names that are keywords of the client: written without quotes, as people write them."""
_UNSAID: Final = dict.fromkeys([0x7F, *range(0x80, 0xA0)])


def toml_string(text: str) -> str:
    """A basic string of TOML 1.0. Raises ConfigError for bytes that are no UTF-8, which TOML can't hold."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            message = f"{text!r} can't stand in a client's configuration; expected plain text"
            raise ConfigError(message) from error
    # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is
    return json.dumps(text, ensure_ascii=False).translate({code: f"\\u{code:04x}" for code in _UNSAID})


def toml_pairs(pairs: Mapping[str, TomlValue], indent: str = "") -> str:
    """Lines of keys and values. Keys are bare ones; the caller's own."""
    return "".join(f"{indent}{key} = {_toml(value)}\n" for key, value in pairs.items())


def toml_table(name: Sequence[str], pairs: Mapping[str, TomlValue], indent: str = "") -> str:
    """A table under a header; keywords in its name are bare, hosts and URLs are quoted."""
    parts = [part if part in _BARE else toml_string(part) for part in name]
    return f"[{'.'.join(parts)}]\n{toml_pairs(pairs, indent)}"


def toml_item(name: str, pairs: Mapping[str, TomlValue]) -> str:
    """One item of an array of tables."""
    return f"[[{name}]]\n{toml_pairs(pairs)}"


def yaml(*documents: object) -> str:
    """YAML documents: keys in their own order, texts of several lines as such."""
    import yaml as library

    class Dumper(library.SafeDumper):
        """Writes for people."""

    def represent(dumper: Dumper, text: str) -> library.ScalarNode:
        is_block = "\n" in text and all(line.isascii() and line.isprintable() for line in text.split("\n"))
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if is_block else None)

    Dumper.add_representer(str, represent)
    written = library.dump_all(documents, Dumper=Dumper, sort_keys=False, width=1000)
    return str(written)


def json_document(document: Mapping[str, object]) -> str:
    """An indented JSON document."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def comment(*lines: str) -> str:
    """Lines that TOML and YAML take for comments."""
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _toml(value: TomlValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return toml_string(value)
    return f"[{', '.join(map(toml_string, value))}]"

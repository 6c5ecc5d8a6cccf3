"""Values as TOML, YAML and JSON: whatever a parser of the format reads is what was given."""

import json
import tomllib

import pytest
import yaml as library
from hypothesis import given
from hypothesis import strategies as st

from mirrord.errors import ConfigError
from mirrord.serve.clients_formats import comment, json_document, toml_item, toml_pairs, toml_string, toml_table, yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXTS)
def test_any_text_survives_toml(text: str) -> None:
    """Quotes, backslashes, line ends and control characters are escaped, not written."""
    written = toml_pairs({"key": text, "list": [text, "b"], "flag": True})
    assert tomllib.loads(written) == {"key": text, "list": [text, "b"], "flag": True}
    assert written.count("\n") == 3


@given(TEXTS)
def test_any_text_can_name_a_table(text: str) -> None:
    """A URL or host in a header can't end it, nor make another."""
    assert tomllib.loads(toml_table(("host", f"x{text}", "header"), {"a": "b"})) == {
        "host": {f"x{text}": {"header": {"a": "b"}}}
    }


def test_items_of_an_array_are_added_up() -> None:
    """Each is one of its own."""
    assert tomllib.loads(toml_item("registry", {"a": "1"}) + toml_item("registry", {"a": "2"})) == {
        "registry": [{"a": "1"}, {"a": "2"}]
    }


def test_bytes_that_are_no_text_are_refused() -> None:
    """A surrogate stands for a byte of a file's name that is no UTF-8; TOML has no way to say it."""
    with pytest.raises(ConfigError, match="plain text"):
        toml_string("a\udcff")


@given(st.lists(st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS) | st.booleans()), min_size=1))
def test_any_documents_survive_yaml(documents: list[object]) -> None:
    """Texts that look like numbers or booleans stay texts; a tag 3.10 stays 3.10."""
    assert list(library.safe_load_all(yaml(*documents))) == documents


def test_a_text_of_several_lines_can_be_read() -> None:
    """Certificates are written as they are, not with an empty line after each line."""
    assert yaml({"ca": "one\ntwo\n"}) == "ca: |\n  one\n  two\n"


@given(st.dictionaries(TEXTS, TEXTS))
def test_any_document_survives_json(document: dict[str, object]) -> None:
    """And ends with a line end, as files do."""
    assert json.loads(json_document(document)) == document
    assert json_document(document).endswith("}\n")


def test_a_comment_is_one_for_both_formats() -> None:
    """A parser reads nothing of it."""
    assert tomllib.loads(comment("a = 1", "", "[b]")) == {}
    assert library.safe_load(comment("a: 1", "")) is None

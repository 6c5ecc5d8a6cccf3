"""The example, the reference, the schema and `config show`: each holds every key, and each is true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.configs import config_of, write_config

from mirrord.config.images import images_of
from mirrord.config.loader import load
from mirrord.config.model import Config
from mirrord.config.problem import HIDDEN
from mirrord.config.schema import json_schema
from mirrord.config.show import effective

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "config" / "mirrord.yaml"
REFERENCE = PROJECT / "docs" / "reference" / "config.md"


def definitions() -> Iterator[tuple[str, dict[str, dict[str, object]]]]:
    """Every section of the schema with its keys."""
    schema = json_schema()
    yield "Config", schema["properties"]
    for name, section in schema["$defs"].items():
        yield name, (section if "properties" in section else section["anyOf"][1])["properties"]


KEYS = sorted({(section, key) for section, keys in definitions() for key in keys})
DEFAULTS = sorted(
    (section, key, str(value["default"]).replace("True", "true").replace("False", "false"))
    for section, keys in definitions()
    for key, value in keys.items()
    if isinstance(value.get("default"), str | int | float)
)


def all_switched_on() -> str:
    """The example with every setting that is commented out."""
    return re.sub(r"^( *)#(?=[^ \n#])", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_is_in_the_example_and_in_the_reference(section: str, key: str) -> None:
    """No key is left for the reader to find out."""
    assert re.search(rf"(?<![\w.-]){key}:", EXAMPLE.read_text()) or key == "name", section
    assert re.search(rf"^\| `{key}` \|", REFERENCE.read_text(), re.MULTILINE), section


@pytest.mark.parametrize(("section", "key", "default"), DEFAULTS)
def test_the_reference_has_the_defaults_of_the_model(section: str, key: str, default: str) -> None:
    """A default in the reference is the one that holds."""
    rows = re.findall(rf"^\| `{key}` \| ([^|]*) \|", REFERENCE.read_text(), re.MULTILINE)
    same = {"1d": "24h", "1m": "60s"}.get(default, default)
    assert any(f"`{same}`" in row or f'`"{same}"`' in row for row in rows), (section, rows)


def test_the_example_is_right_as_it_is_and_with_everything_switched_on(tmp_path: Path) -> None:
    """A person may begin with it, and may switch on any part."""
    assert len(images_of(load(EXAMPLE))) == 2
    everything = config_of(tmp_path, all_switched_on())
    assert len(images_of(everything)) > 8
    assert everything.registries["registry.lan:5000"].as_ == "lab"


def test_yaml_in_the_reference_is_right(tmp_path: Path) -> None:
    """Every piece of config that the reference shows can be used."""
    blocks = re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        config_of(tmp_path, block if "images:" in block else f"images: [nginx]\n{block}")


def test_what_is_shown_is_what_is_in_force(tmp_path: Path) -> None:
    """`config show` has every default, no secret, and means the same when it is loaded again."""
    config = config_of(tmp_path, all_switched_on().replace("include:", "#"))
    shown = effective(config)
    assert shown["registries"]["gitlab.lan"]["password"] == HIDDEN
    assert shown["registries"]["registry.lan:5000"]["proxy"] == HIDDEN
    assert shown["notify"][0]["url"] == HIDDEN
    dumped = yaml.safe_dump(shown, allow_unicode=True, sort_keys=False).replace("••••", "https://x")
    again = load(write_config(tmp_path, dumped, "again.yaml"))
    assert effective(again) == shown
    assert [(i.local_name, i.tags, i.digest, i.platforms) for i in images_of(again)] == [
        (i.local_name, i.tags, i.digest, i.platforms) for i in images_of(config)
    ]


def test_defaults_are_shown_where_nothing_is_said(tmp_path: Path) -> None:
    """What is in force does not depend on what was written."""
    shown = effective(config_of(tmp_path, "images: [nginx]"))
    assert shown["defaults"]["schedule"] == "23 */6 * * *"
    assert shown["limits"]["manifest_size"] == "8MiB"
    assert shown["images"] == ["nginx"]


def test_the_schema_says_what_each_key_means() -> None:
    """An editor can tell every key, and knows the short forms."""
    for section, keys in definitions():
        for key, value in keys.items():
            assert value.get("description"), (section, key)
    schema = json_schema()
    json.dumps(schema)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["publish_every"]["default"] == "5m"
    assert schema["$defs"]["ImageConfig"]["anyOf"][0] == {"type": "string"}
    assert set(schema["properties"]) == set(Config.model_fields)


def test_the_recipes_for_tags_are_right(tmp_path: Path) -> None:
    """What the page about choosing tags shows can be pasted into a config."""
    page = (PROJECT / "docs" / "how-to" / "choosing-tags.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        content = block if block.startswith("images:") else f"images:\n{block}"
        assert images_of(config_of(tmp_path, content))

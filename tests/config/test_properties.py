"""Whatever a file holds, loading it ends in a config or in a ConfigError."""

import string
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirrord.config.explain import known_keys
from mirrord.config.images import images_of
from mirrord.config.loader import load
from mirrord.config.model import Config
from mirrord.config.show import effective
from mirrord.errors import ConfigError

SECTIONS: tuple[list[str | int], ...] = (
    ["limits"],
    ["registries", "x"],
    ["groups", 0],
    ["images", 0],
    ["images", 0, "tags", 0],
)
KEYS = sorted(
    {
        *Config.model_fields,
        *(key for place in SECTIONS for key in known_keys(Config, place)),
        "as_",
        "where",
        "<<",
        "*",
    }
)
VALUES = (
    *("", "none", "true", "0", "0s", "5m", "-1", "8MiB", "50MB/s", "25%", "*", "v*", "[", "3.10", "latest", "all"),
    *("nginx", "nginx:1.27", "quay.io/x/y", "harbor.lan/*", "a@sha256:" + "0" * 64, "x:y:z", "https://x", "[::1]:1"),
    *("@daily", "every 1s", "* * * * 7", "${HOME}", "${", "$$", "\u0000", "\ud800", "\u2028", "a" * 300, "9" * 5000),
    *("linux/amd64", "keep", "follow", ">=1 <2", "(", "conf.d/*", ".", "~nobody/x", "~", "10.0.0.0/8", "docker.io"),
)
scalars = st.one_of(st.sampled_from(VALUES), st.text(max_size=8))
keys = st.one_of(st.sampled_from(KEYS), st.sampled_from(VALUES))
nodes = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=25,
)
documents = st.dictionaries(st.sampled_from(KEYS), nodes, max_size=6)
quick = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def loads_or_tells(path: Path, content: bytes) -> None:
    """Load ``content`` and show what came of it; any exception but ConfigError is the test's failure."""
    path.write_bytes(content)
    try:
        config = load(path)
    except ConfigError as error:
        told = str(error)
    else:
        told = str(path)
        images_of(config)
        effective(config)
    assert str(path).encode() in told.encode()


@quick
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_are_a_config_or_a_config_error(tmp_path: Path, content: bytes) -> None:
    """No file, whatever its bytes, ends in anything else."""
    loads_or_tells(tmp_path / "mirrord.yaml", content)


@quick
@given(st.text(alphabet=string.ascii_lowercase + " \n\t-:[]{}'\"#&*!|>%@`,.?$~<", max_size=120))
def test_any_text_of_yaml_s_own_characters_is_a_config_or_a_config_error(tmp_path: Path, content: str) -> None:
    """Broken YAML of every kind is told, never raised as the parser's error."""
    loads_or_tells(tmp_path / "mirrord.yaml", content.encode())


@quick
@given(documents)
def test_any_structure_is_a_config_or_a_config_error(tmp_path: Path, document: dict[str, object]) -> None:
    """Right keys in wrong places, wrong values at right keys: told, each with the file's name."""
    content = yaml.dump(document, Dumper=yaml.Dumper, allow_unicode=False)
    loads_or_tells(tmp_path / "mirrord.yaml", content.encode())


@quick
@given(st.lists(nodes, min_size=1, max_size=3), st.dictionaries(st.sampled_from(KEYS), nodes, max_size=4))
def test_any_images_and_registries_are_a_config_or_a_config_error(
    tmp_path: Path, images: list[object], registry: dict[str, object]
) -> None:
    """The parts with shorthand forms meet every shape."""
    document = {"images": images, "groups": [{"name": "g", "images": images}], "registries": {"quay.io": registry}}
    loads_or_tells(tmp_path / "mirrord.yaml", yaml.dump(document).encode())


@pytest.mark.parametrize("loader", ["CBaseLoader", "BaseLoader"])
def test_both_parsers_of_yaml_tell_the_same_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loader: str) -> None:
    """Without libyaml, the slower parser gives the same config and the same places."""
    monkeypatch.setattr("mirrord.config.document._LOADER", getattr(yaml, loader))
    path = tmp_path / "mirrord.yaml"
    for content, line in (
        ("images:\n\t- nginx", 2),
        ('images:\n- "nginx', 2),
        ("images: [nginx\nroot: /a", 2),
        ("images: [nginx]\nroot: a: b", 2),
        ("images: [nginx]\nroot:", 2),
        ("images: [nginx]\nfoo: 1", 2),
        ("images: [@x]", 1),
    ):
        path.write_text(content)
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}:{line}: ")

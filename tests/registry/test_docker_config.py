"""Docker's config.json: where the login of a registry stands in it, and what of it is no good."""

import base64
import json
from pathlib import Path

import pytest

from mirrord.errors import ConfigError
from mirrord.registry.docker_config import Helper, read_docker_config
from mirrord.registry.login import Login

KEY = "registries.r.test.docker_config"


def encoded(text: str) -> str:
    """As ``auth`` has it."""
    return base64.b64encode(text.encode()).decode()


def read(directory: Path, document: object, host: str = "r.test") -> Login | Helper:
    """What a config.json says about a host."""
    path = directory / "config.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_docker_config(KEY, path, host)


@pytest.mark.parametrize(
    ("host", "entry"),
    [
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "index.docker.io"),
        ("docker.io", "docker.io"),
        ("r.test", "r.test"),
        ("r.test", "https://r.test"),
        ("r.test", "https://r.test/v1/"),
        ("r.test", "https://r.test/v2/"),
        ("r.test:5000", "r.test:5000"),
        ("r.test:5000", "https://r.test:5000"),
    ],
)
def test_a_login_is_found_under_each_of_its_names(tmp_path: Path, host: str, entry: str) -> None:
    """Tools differ in how they name a registry; all of its names are looked for, and no other's."""
    other = {"other.test": {"auth": encoded("x:y")}}
    found = read(tmp_path, {"auths": {**other, entry: {"auth": encoded("me:p:w")}}}, host)
    assert found == Login("me", "p:w")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"auths": {"r.test": {"username": "me", "password": "pw"}}}, Login("me", "pw")),
        ({"auths": {"r.test": {"auth": encoded("me:pw\0\0")}}}, Login("me", "pw")),
        (
            {"auths": {"r.test": {"auth": encoded("<token>:"), "identitytoken": "idt"}}},
            Login("<token>", "idt", is_identity=True),
        ),
        ({"auths": {"r.test": {"registrytoken": "rt"}}}, Login("", "rt", is_bearer=True)),
        ({"auths": {"r.test": {"auth": encoded("me:pw"), "registrytoken": "rt"}}}, Login("", "rt", is_bearer=True)),
        ({"credsStore": "pass", "auths": {"r.test": {}}}, Helper("pass", "r.test")),
        ({"credHelpers": {"r.test": "ecr-login"}, "credsStore": "pass"}, Helper("ecr-login", "r.test")),
        ({"credHelpers": {"x.test": "ecr-login"}, "credsStore": "pass"}, Helper("pass", "r.test")),
        ({"credsStore": "pass", "auths": {"r.test": {"auth": encoded("me:pw")}}}, Login("me", "pw")),
    ],
)
def test_what_it_says_is_taken_in_its_order(tmp_path: Path, document: object, expected: Login | Helper) -> None:
    """A helper of the registry's own, then a login in the file, then the store for all."""
    assert read(tmp_path, document) == expected


def test_a_store_is_asked_about_docker_hub_by_its_old_name(tmp_path: Path) -> None:
    """Docker keeps Hub's login under a URL of its own."""
    assert read(tmp_path, {"credsStore": "pass"}, "docker.io") == Helper("pass", "https://index.docker.io/v1/")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("canary", "no JSON object"),
        ("[]", "no JSON object"),
        ("{" * 100_000, "no JSON object"),
        ('{"auths": "canary"}', "no login for r.test .*docker login r.test"),
        ('{"auths": {"r.test": {"auth": "canary!"}}}', "no user:password in base64"),
        ('{"auths": {"r.test": {"auth": "Y2FuYXJ5"}}}', "no user:password in base64"),
        ('{"auths": {"r.test": {"registrytoken": "canary\\n"}}}', "is no token; expected one without"),
        ('{"auths": {"other.test": {"auth": "Y2FuYXJ5"}}}', "no login for r.test"),
        (" " * (2 << 20), "no JSON object"),
    ],
)
def test_what_is_no_login_is_told(tmp_path: Path, document: str, words: str) -> None:
    """The key, the file and what to do; nothing that stands in it."""
    with pytest.raises(ConfigError, match=f"{KEY}: .*config.json.*{words}") as raised:
        read(tmp_path, document)
    assert "canary" not in str(raised.value)
    assert "Y2FuYXJ5" not in str(raised.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(ConfigError, match="No such file"):
        read_docker_config(KEY, tmp_path / "none.json", "r.test")

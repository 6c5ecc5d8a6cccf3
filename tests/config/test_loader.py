"""Finding the config, reading it whatever state its file is in, including others, and keeping secrets to itself."""

import os
import traceback
from pathlib import Path

import pytest
from support.configs import config_of, write_config

from mirrord.config import loader
from mirrord.config.loader import MAX_SIZE, find, load, locate
from mirrord.config.problem import InvalidConfigError
from mirrord.errors import ConfigError


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and no config elsewhere on this host."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIRRORD_CONFIG", raising=False)
    monkeypatch.setattr(loader, "PLACES", (Path("mirrord.yaml"), tmp_path / "etc/mirrord.yaml"))
    return tmp_path


def test_the_config_is_looked_for_in_order(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config, $MIRRORD_CONFIG, ./mirrord.yaml, the host's, none: the first that is given or there."""
    assert find(None) is None
    with pytest.raises(ConfigError, match=r"--config and \$MIRRORD_CONFIG name none.*mirrord init DIR"):
        locate(None)
    system = write_config(somewhere / "etc", "")
    assert find(None) == system
    write_config(somewhere, "")
    assert find(None) == Path("mirrord.yaml")
    named = write_config(somewhere, "", "named.yaml")
    monkeypatch.setenv("MIRRORD_CONFIG", str(named))
    assert find(None) == named
    assert find(Path("x")) == Path("x")
    monkeypatch.setenv("MIRRORD_CONFIG", "")
    assert locate(None) == Path("mirrord.yaml")


def test_a_variable_that_names_no_file_is_said(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A $MIRRORD_CONFIG that is wrong never falls back to another file."""
    write_config(somewhere, "images: [nginx]")
    monkeypatch.setenv("MIRRORD_CONFIG", "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"^\$MIRRORD_CONFIG names nowhere.yaml, and no such file"):
        find(None)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    """Missing, a directory, not UTF-8, too large: each one line, the file's name first."""
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"images: [nginx]\n# caf\xe9\n")
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_SIZE + 1))
    for path, said in {
        tmp_path / "none.yaml": ": no such file; give --config another, or write one with: mirrord init DIR",
        tmp_path: ": is a directory; give the file in it",
        latin: ":2: the byte 0xe9 is not UTF-8; save the file as UTF-8",
        large: ": is larger than 4 MiB; split it with include:",
        latin / "x": ": can't be read: Not a directory",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert str(caught.value) == f"{path}{said}"


def test_a_file_of_another_user_says_so(tmp_path: Path) -> None:
    """A config without read permission is not said to be missing."""
    path = write_config(tmp_path, "images: [nginx]")
    path.chmod(0)
    user = os.geteuid()
    try:
        os.seteuid(user or 65534)  # root may read everything
        with pytest.raises(ConfigError, match="may not be read by this user"):
            load(path)
    finally:
        os.seteuid(user)


def test_values_are_text_before_they_are_anything_else(tmp_path: Path) -> None:
    """A tag that looks like a number, a date or a boolean stays what was written; a byte order mark is no matter."""
    path = tmp_path / "mirrord.yaml"
    path.write_bytes(b"\xef\xbb\xbfimages: [{name: nginx, tags: [3.10, 2024-01-01, true, 1_000, 0x10]}]")
    tags = load(path).images[0].tags
    assert [rule.glob[0] for rule in tags or ()] == ["3.10", "2024-01-01", "true", "1_000", "0x10"]


def test_everything_of_the_design_is_read(tmp_path: Path) -> None:
    """Values arrive typed: seconds, bytes, shares, paths beside the file."""
    config = config_of(
        tmp_path,
        """
root: mirror
images: [nginx]
publish_every: 90s
reserve: 10GiB
limits: {bandwidth: 50MB/s, manifest_size: 1MiB, connect_timeout: 2s, attempts: 3}
defaults: {platforms: [linux/amd64], referrers: {types: application/x, recheck: 1h}, immutable: v*, cooldown: 3d}
registries:
  Registry.LAN:5000: {plain_http: true, ca_file: own.pem, auth_realms: auth.lan, as: ""}
  docker.io: {endpoint: "http://127.0.0.1:5000/", username: me, password: "a$$b"}
delete: {max: 10%}
retention: {grace: 2h}
notify: {url: "https://h.example/x", on: failed}
serve: {allow: "::1", requests_per_second: 0.5, connections: none}
log: {level: debug, format: json}
""",
    )
    assert config.root == tmp_path / "mirror"
    assert (config.publish_every, config.reserve.bytes_of(1), config.delete.max) == (90.0, 10 << 30, 0.1)
    assert (config.limits.bandwidth, config.limits.manifest_size, config.limits.connect_timeout) == (
        5 * 10**7,
        1 << 20,
        2,
    )
    assert str(config.defaults.platforms) == "linux/amd64"
    assert config.defaults.immutable == ("v*",)
    lan, hub = config.registries["registry.lan:5000"], config.registries["docker.io"]
    assert (lan.ca_file, lan.auth_realms, lan.as_) == (tmp_path / "own.pem", ("auth.lan",), "")
    assert lan.origins("registry.lan:5000") == ("http://registry.lan:5000",)
    assert hub.origins("docker.io") == ("http://127.0.0.1:5000",)
    assert hub.password is not None
    assert hub.password.get_secret_value() == "a$b"
    assert config.registries.get("quay.io") is None
    assert config.notify[0].on == ("failed",)
    assert config.serve.requests_per_second == 0.5


def test_the_environment_is_read_but_in_expressions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """${NAME} is replaced, $$ is a dollar, a lone dollar stays, and a regex is left as it is."""
    monkeypatch.setenv("PLACE", "/srv/m")
    config = config_of(
        tmp_path,
        "root: ${PLACE}/a$$b$c\nimages: [{name: nginx, tags: [{regex: '1.\\d+$$'}]}]",
    )
    assert config.root == Path("/srv/m/a$b$c")
    assert (config.images[0].tags or ())[0].regex == r"1.\d+$$"


def test_anchors_and_aliases_repeat_values(tmp_path: Path) -> None:
    """What is said once may be used again."""
    config = config_of(
        tmp_path,
        "images:\n- {name: nginx, platforms: &p [linux/amd64]}\n- {name: redis, platforms: *p}\n",
    )
    assert config.images[0].platforms == config.images[1].platforms


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    """A small file never becomes a large one in memory."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match=r":6: a5\[\d\]: aliases make more than 500,000 values"):
        config_of(tmp_path, "\n".join(lines))


def test_included_files_add_images_groups_and_registries(tmp_path: Path) -> None:
    """Globs are relative to the file, in order of name; the file itself and directories are left out."""
    write_config(tmp_path, "images: [redis]\nregistries: {quay.io: {concurrency: 2}}", "conf.d/b.yaml")
    write_config(tmp_path, "groups: [{name: g, images: [busybox]}]", "conf.d/a.yaml")
    write_config(tmp_path, "# all of it commented out\n", "conf.d/c.yaml")
    (tmp_path / "conf.d/d.yaml").mkdir()
    config = config_of(tmp_path, "images: [nginx]\ninclude: [conf.d/*.yaml, '*.yaml', none.d/*, conf.d/a.yaml]")
    assert [str(image.name) for image in config.images] == ["nginx", "redis"]
    assert [group.name for group in config.groups] == ["g"]
    assert config.registries["quay.io"].concurrency == 2
    assert config.images[1].where == f"{tmp_path}/conf.d/b.yaml:1"


def test_included_files_alone_may_say_what_to_mirror(tmp_path: Path) -> None:
    """The main file needs no images of its own."""
    write_config(tmp_path, "images: [redis]", "more.yaml")
    assert len(config_of(tmp_path, "include: more.yaml").images) == 1


def test_errors_of_included_files_name_the_right_file_all_at_once(tmp_path: Path) -> None:
    """Errors of the main file and of each included one are told together, each with its own file and line."""
    write_config(tmp_path, "images:\n- Nginx\n", "conf.d/a.yaml")
    write_config(tmp_path, "\nroot: /x\nregistries: {quay.io: {}}\n", "conf.d/b.yaml")
    write_config(tmp_path, "images: [*x]", "conf.d/c.yaml")
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, "imagess: []\ninclude:\n- conf.d/*.yaml\n- none.yaml\n")
    lines = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
    assert lines[0] == "5 errors:"
    assert lines[1].startswith("conf.d/a.yaml:2: images[0]: 'Nginx' is not a repository name")
    assert lines[2] == "conf.d/b.yaml:2: root: unknown key; the keys here are registries, images, groups"
    assert lines[3].startswith("conf.d/c.yaml:1: images[0]: a value that begins with")
    assert lines[4] == 'mirrord.yaml:1: imagess: unknown key; did you mean "images"?'
    assert lines[5] == 'mirrord.yaml:4: include: no file "none.yaml"; a glob such as conf.d/*.yaml may match none'


def test_what_two_files_say_of_one_registry_or_group_is_an_error(tmp_path: Path) -> None:
    """Neither file wins in silence."""
    write_config(tmp_path, "registries: {quay.io: {}}\ngroups: [{name: g, images: [redis]}]", "a.yaml")
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, "include: a.yaml\nregistries:\n  quay.io: {}\ngroups:\n- name: g\n  images: [nginx]\n")
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines()[1:] == [
        "a.yaml:1: registries.quay.io: given twice; the first is at mirrord.yaml:3",
        "a.yaml:2: groups.g: given twice; the first is at mirrord.yaml:5",
    ]


CANARY = "hunter2:hunter2"
LEAKS = (
    "password: [{S}]",
    "password: {{a: {S}}}",
    "password: *{S}",
    "password: !{S} x",
    "password: '{S}${{}}'",
    "password: '{S}${{NOWHERE_{S}}}'",
    'password: "{S}\\u0007"',
    "password: '{S}",
    "password: {S}: x",
    "password: @{S}",
    "password: {S}",
    "pasword: {S}",
    "username: '{S}'",
    "username: '{S}'\n    password: x",
    "password_env: '{S}'",
    "password_credential: '{S}/'",
    "proxy: 'me:{S}@proxy:3128'",
    "proxy: 'http://me:{S}@proxy:x'",
    "endpoint: 'https://me:{S}@r.lan'",
    "endpoint: 'me:{S}@r.lan'",
    "ca_file: ['{S}']",
    "username: me\n    password: '{S}'\n    password_env: X",
    "username: me\n    password: '{S}'\n    password: '{S}'",
    "username: me\n    password: '{S}'\n    nonsense: 1",
    "username: me\n    password: ${{CANARY}}\n    nonsense: ${{CANARY}}",
    "username: ${{CANARY}}",
    "password_env: ${{CANARY}}",
    "as: ${{CANARY}}",
    "plain_http: ${{CANARY}}",
)


@pytest.mark.parametrize("lines", LEAKS)
def test_no_error_shows_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """Whatever is wrong about a password, a proxy or a webhook, neither the error nor its traceback shows it."""
    monkeypatch.setenv("CANARY", CANARY)
    content = f"images: [nginx]\nregistries:\n  r.lan:\n    {lines.format(S=CANARY)}\n"
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, content)
    told = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in told


def test_a_value_in_the_place_of_a_mapping_is_not_shown(tmp_path: Path) -> None:
    """`docker.io: me:password` is a likely slip."""
    with pytest.raises(ConfigError) as caught:
        config_of(tmp_path, "images: [nginx]\nregistries: {docker.io: 'me:hunter2'}\nnotify: ['hunter2']")
    assert "hunter2" not in str(caught.value)


def test_a_loaded_config_shows_no_secret(tmp_path: Path) -> None:
    """Neither `repr` nor a dump of the model has a password, a proxy or a webhook's URL in it."""
    config = config_of(
        tmp_path,
        "images: [nginx]\nnotify: [{url: 'https://h/hunter2'}]\n"
        "registries: {r.lan: {username: me, password: hunter2, proxy: 'http://a:hunter2@p'}}",
    )
    assert "hunter2" not in repr(config) + str(config) + str(config.model_dump()) + config.model_dump_json()


def test_an_included_directory_is_told_where_it_is_named(tmp_path: Path) -> None:
    """Not at the directory, which has no line to mend."""
    (tmp_path / "conf.d").mkdir()
    file = tmp_path / "mirrord.yaml"
    file.write_text("include: conf.d\nimages: [nginx]\n")
    with pytest.raises(InvalidConfigError) as caught:
        load(file)
    (problem,) = caught.value.problems
    words = 'include: "conf.d" is a directory; name the files in it, e.g. conf.d/*.yaml'
    assert str(problem) == f"{file}:1: {words}"

"""What the config comes to: options merged, names on the mirror, entries of one repository united."""

from pathlib import Path

import pytest
from support.configs import config_of

from mirrord.config.images import Image, config_for, images_of
from mirrord.config.model import Config, RegistryConfig
from mirrord.errors import ConfigError, InvalidReferenceError
from mirrord.oci.reference import Repository

D = "sha256:" + "a" * 64
E = "sha256:" + "b" * 64


def images_in(directory: Path, content: str) -> dict[str, Image]:
    """The images of a config, by local name."""
    return {image.local_name: image for image in images_of(config_of(directory, content))}


@pytest.mark.parametrize(
    ("written", "repository", "rules", "digest"),
    [
        ("nginx", "docker.io/library/nginx", ["tag latest"], None),
        ("nginx:1.27", "docker.io/library/nginx", ["tag 1.27"], None),
        ("prom/prometheus:3.10", "docker.io/prom/prometheus", ["tag 3.10"], None),
        ("nginx:1.2*", "docker.io/library/nginx", ["tags like 1.2*"], None),
        ("r.lan:5000/x/y", "r.lan:5000/x/y", ["tag latest"], None),
        ("r.lan:5000/x/y:1", "r.lan:5000/x/y", ["tag 1"], None),
        (f"quay.io/x/y@{D}", "quay.io/x/y", [], D),
        (f"nginx:1.27@{D}", "docker.io/library/nginx", ["tag 1.27"], D),
    ],
)
def test_shorthand_names_a_repository_its_tag_and_its_digest(
    written: str, repository: str, rules: list[str], digest: str | None
) -> None:
    """A bare name is latest; a digest alone has no tag; both are a pin."""
    (image,) = images_of(config_for([written], None))
    assert str(image.repository) == repository
    assert [str(rule) for rule in image.tags] == rules
    assert (str(image.digest) if image.digest else None) == digest
    assert (image.group, image.where) == ("default", "command line")


def test_the_image_says_more_than_its_group_and_the_group_more_than_the_defaults(tmp_path: Path) -> None:
    """Options merge one by one; `all` takes back a narrower choice; built-in ones hold where nobody speaks."""
    images = images_in(
        tmp_path,
        """
defaults: {platforms: [linux/amd64], cooldown: 1h, immutable: v*}
images: [nginx]
groups:
- name: g
  platforms: [linux/arm64]
  referrers: false
  images:
  - redis
  - {name: busybox, platforms: all, cooldown: 0s, immutable: []}
""",
    )
    nginx, redis, busybox = images["nginx"], images["redis"], images["busybox"]
    assert [str(image.platforms) for image in (nginx, redis, busybox)] == ["linux/amd64", "linux/arm64", "all"]
    assert [image.cooldown for image in (nginx, redis, busybox)] == [3600, 3600, 0]
    assert [image.immutable for image in (nginx, redis, busybox)] == [("v*",), ("v*",), ()]
    assert [image.referrers for image in (nginx, redis, busybox)] == [True, False, False]
    assert (nginx.foreign_layers, nginx.missing_children) == ("skip", "fail")
    assert [image.group for image in (nginx, redis, busybox)] == ["default", "g", "g"]
    assert redis.where == f"{tmp_path}/mirrord.yaml:9"


def test_names_on_the_mirror_follow_docker_s_habit_or_as(tmp_path: Path) -> None:
    """Docker Hub's host is left out, others stay, a port's colon is _; `as` of an image or a registry chooses."""
    images = images_in(
        tmp_path,
        """
registries: {lab.lan: {as: lab}, bare.lan: {as: ""}}
images: [nginx, prom/prometheus, quay.io/coreos/flannel, 'r.lan:5000/app', lab.lan/x/y, bare.lan/x/z,
         {name: quay.io/a/b, as: team/app}, {name: lab.lan/x/w, as: w}]
""",
    )
    assert sorted(images) == sorted(
        ["nginx", "prom/prometheus", "quay.io/coreos/flannel", "r.lan_5000/app", "lab/x/y", "x/z", "team/app", "w"]
    )


def test_docker_hub_may_have_a_prefix_too() -> None:
    """`as` on docker.io comes before the name that Docker's habit gives."""
    config = config_for(["nginx", "prom/prometheus"], None).model_copy(
        update={"registries": {"docker.io": RegistryConfig(as_="hub")}}
    )
    assert [image.local_name for image in images_of(config)] == ["hub/nginx", "hub/prom/prometheus"]


def test_a_registry_s_as_that_makes_no_name_is_an_error_at_the_image(tmp_path: Path) -> None:
    """`as: ""` must not let a repository pass for one of Docker Hub's aliases."""
    with pytest.raises(ConfigError, match=r":2: images: r.lan/library/x: 'library/x', as its registry's as: has it"):
        config_of(tmp_path, 'registries: {r.lan: {as: ""}}\nimages: [r.lan/library/x]')


def test_entries_of_one_repository_are_one_image(tmp_path: Path) -> None:
    """Rules are united in order, each once; a digest and a pin stay images of their own."""
    config = config_of(
        tmp_path,
        f"images: [nginx:1.27, {{name: nginx, tags: ['1.2*', '1.27']}}, "
        f"nginx@{D}, nginx@{D}, nginx@{E}, nginx:1.9@{D}]",
    )
    found = [([str(rule) for rule in image.tags], str(image.digest)) for image in images_of(config)]
    assert found == [
        (["tag 1.27", "tags like 1.2*"], "None"),
        ([], D),
        ([], E),
        (["tag 1.9"], D),
    ]


def test_one_upstream_may_have_two_names(tmp_path: Path) -> None:
    """Under another name, it may be in another group and have other options."""
    images = images_in(
        tmp_path,
        "images: [nginx]\ngroups: [{name: g, images: [{name: nginx, as: edge/nginx, platforms: linux/amd64}]}]",
    )
    assert {name: str(image.repository) for name, image in images.items()} == {
        "nginx": "docker.io/library/nginx",
        "edge/nginx": "docker.io/library/nginx",
    }


def test_the_command_line_makes_a_config_of_its_own(tmp_path: Path) -> None:
    """Images and a root are enough; every wrong name is told, all at once."""
    config = config_for(["alpine:3.20", "quay.io/x/y:1"], tmp_path)
    assert config.root == tmp_path
    assert [image.local_name for image in images_of(config)] == ["alpine", "quay.io/x/y"]
    with pytest.raises(ConfigError) as caught:
        config_for(["Alpine", "ok", "https://x/y"], None)
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 errors:"
    assert lines[1].startswith('command line: "https://x/y" begins with https://')
    assert lines[2].startswith("command line: 'Alpine' is not a repository name")


def test_a_catalog_covers_what_is_below_its_prefix() -> None:
    """Its own repositories, at any depth, and no other's; each becomes an image by the catalog's rules."""
    catalog, plain = images_of(config_for(["harbor.lan:5000/team/*", "nginx"], None))
    covered = Repository("harbor.lan:5000", "team/deep/app")
    assert catalog.covers(covered)
    for host, path in (("harbor.lan", "team/app"), ("harbor.lan:5000", "teams/app"), ("harbor.lan:5000", "team")):
        assert not catalog.covers(Repository(host, path))
    assert not plain.covers(plain.repository)
    member = catalog.member(covered)
    assert (member.local_name, member.tags, member.is_catalog) == (
        "harbor.lan_5000/team/deep/app",
        catalog.tags,
        False,
    )


@pytest.mark.parametrize(
    ("served_as", "pattern", "name"), [("lab", "lab/team/*", "lab/team/app"), ("", "team/*", "team/app")]
)
def test_a_catalogs_registry_may_have_another_name(served_as: str, pattern: str, name: str) -> None:
    """`as:` of the registry holds for what its catalog brings."""
    config = {"images": ["harbor.lan/team/*"], "registries": {"harbor.lan": {"as": served_as}}}
    (catalog,) = images_of(Config.model_validate(config))
    assert catalog.local_name == pattern
    assert catalog.member(Repository("harbor.lan", "team/app")).local_name == name


def test_a_name_that_a_catalog_brings_and_that_can_be_none_is_refused() -> None:
    """A repository too deep for the mirror is an error of itself."""
    (catalog,) = images_of(config_for(["harbor.lan/*"], None))
    with pytest.raises(InvalidReferenceError, match="can't be a name on the mirror"):
        catalog.member(Repository("harbor.lan", "a/b/c/d/e/f/g/h/i/j"))


@pytest.mark.parametrize(
    ("name", "host", "path"),
    [
        ("harbor.lan/team/*", "harbor.lan", "team/*"),
        ("harbor.lan/*", "harbor.lan", "*"),
        ("prom/*", "docker.io", "prom/*"),
    ],
)
def test_a_catalog_is_a_prefix(name: str, host: str, path: str) -> None:
    """`/*` at the end means every repository below."""
    (image,) = images_of(config_for([name], None))
    assert (image.repository, image.is_catalog) == (Repository(host, path), True)

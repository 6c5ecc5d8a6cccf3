"""Names that `as:` gives: which other names lead to them, and which configs are refused."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.configs import config_of

from mirrord.config.images import images_of
from mirrord.config.problem import InvalidConfigError
from mirrord.oci.reference import HUB
from mirrord.serve.aliases import Aliases
from mirrord.serve.names import local_name
from mirrord.serve.nginx_aliases import render_aliases


def refusal(directory: Path, content: str) -> str:
    """What the config is refused with, without the directory."""
    with pytest.raises(InvalidConfigError) as refused:
        images_of(config_of(directory, content))
    return str(refused.value).replace(f"{directory}/", "")


def test_a_config_without_as_needs_no_aliases(tmp_path: Path) -> None:
    """What nearly every mirror has costs its requests nothing."""
    config = config_of(
        tmp_path,
        "registries: {quay.io: {as: quay.io}, docker.io: {as: ''}}\nimages: [nginx, quay.io/x/y, {name: x, as: x}]",
    )
    assert not Aliases.of(config)
    assert render_aliases(Aliases.of(config)) == ""
    assert not Aliases.of(None)


def test_a_registrys_images_need_no_lines_of_their_own(tmp_path: Path) -> None:
    """What is added to such a registry later is found without a new configuration of nginx."""
    config = config_of(tmp_path, "registries: {r.lan:5000: {as: lab}}\nimages: [r.lan:5000/a, r.lan:5000/b]")
    assert Aliases.of(config) == Aliases({}, {"r.lan_5000": "lab"})


HOSTS = ["docker.io", "quay.io", "r.lan:5000"]
PATHS = ["nginx", "library/nginx", "a/b", "lab/a", "quay.io/x", "team/app/deep"]


@settings(max_examples=150)
@given(
    prefixes=st.fixed_dictionaries({}, optional={host: st.sampled_from(["", "lab", "a/b", "hub"]) for host in HOSTS}),
    entries=st.lists(
        st.tuples(
            st.sampled_from(HOSTS), st.sampled_from(PATHS), st.sampled_from([None, "one", "a/b", "lab/a", "web"])
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_every_image_is_found_by_its_own_and_by_its_origins_name(
    tmp_path_factory: pytest.TempPathFactory, prefixes: dict[str, str], entries: list[tuple[str, str, str | None]]
) -> None:
    """In every config that is accepted: by its name on the mirror, and by ``ns`` and path, never another's image."""
    registries = "".join(f"  {host}: {{as: '{prefix}'}}\n" for host, prefix in prefixes.items())
    images = "".join(
        f"  - {{name: {host}/{path}:1{f', as: {name}' if name else ''}}}\n" for host, path, name in entries
    )
    content = f"registries:\n{registries}images:\n{images}" if prefixes else f"images:\n{images}"
    try:
        config = config_of(tmp_path_factory.mktemp("config"), content)
        found = images_of(config)
    except InvalidConfigError:
        return
    aliases = Aliases.of(config)
    for image in found:
        assert local_name(image.local_name, "", aliases) == image.local_name
        upstream = image.repository.host.replace(":", "_")
        first = image.repository.path.partition("/")[0]
        if first == image.repository.host or (image.repository.host == HUB and "." in first):
            continue  # a host named twice is named once; and Docker Hub has no such name
        names = {other.local_name for other in found if other.repository == image.repository}
        assert local_name(image.repository.path, upstream, aliases) in names


def test_a_name_that_anothers_origin_has_is_refused(tmp_path: Path) -> None:
    """docker.io/library/nginx would be either of the two: both lines are named."""
    assert refusal(tmp_path, "images:\n- {name: nginx:1, as: web}\n- {name: quay.io/my/nginx:1, as: nginx}\n") == (
        "mirrord.yaml:3: images: quay.io/my/nginx would have the name nginx, by which docker.io/library/nginx "
        "(mirrord.yaml:2, there as web) is asked for too; give one of them another with as:"
    )


def test_a_name_below_a_host_that_is_served_elsewhere_is_refused(tmp_path: Path) -> None:
    """What is asked for below that host is looked for where its registry's `as:` says."""
    said = refusal(
        tmp_path,
        "registries:\n  quay.io: {as: q}\nimages:\n- quay.io/x/y\n- {name: ghcr.io/a/b:1, as: quay.io/a/b}\n",
    )
    assert said == (
        "mirrord.yaml:5: images: ghcr.io/a/b would have the name quay.io/a/b, but what is asked for below quay.io is "
        "served q/… (as: of the registry at mirrord.yaml:2); choose a name that does not begin so"
    )


@pytest.mark.parametrize("name", ["library/x", "docker.io/x", "docker.io/library/x", "index.docker.io/x"])
def test_a_name_that_means_docker_hubs_is_refused(tmp_path: Path, name: str) -> None:
    """`library/x` is how Docker asks for x: no repository of the mirror can have that name."""
    assert "already means x of Docker Hub" in refusal(tmp_path, f"images: [{{name: redis:1, as: {name}}}]")


def test_a_group_of_names_is_never_too_long_for_nginx() -> None:
    """Nginx reads no parameter of more than 4,096 bytes."""
    names = {f"quay.io/{'x' * 200}/app-{number}": f"app-{number}" for number in range(300)}
    rendered = render_aliases(Aliases(names, {}))
    assert max(map(len, rendered.splitlines())) < 4096
    assert rendered.count("$mirrord_alias_") > 2

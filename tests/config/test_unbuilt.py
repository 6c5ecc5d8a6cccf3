"""One warning for each key that is set and has no effect yet, with its place."""

from pathlib import Path

import pytest
from support.configs import config_of, write_config

from mirrord.config.unbuilt import unbuilt_keys

NO_EFFECT = "not built yet: it has no effect"
NO_IMAGE = "not built yet: what it selects is not mirrored, and the image fails"


def warnings_of(directory: Path, content: str) -> list[str]:
    """The warnings, without the directory."""
    return [line.replace(f"{directory}/", "") for line in unbuilt_keys(config_of(directory, content))]


def test_a_config_of_what_is_built_has_no_warning(tmp_path: Path) -> None:
    """What works is not warned of, and neither is a value that asks for nothing."""
    assert not warnings_of(
        tmp_path,
        """
root: /srv/m
public_url: https://m.example
publish_every: 1m
reserve: 1GiB
limits: {concurrency: 4, bandwidth: none, redirects: 1}
log: {level: debug}
defaults: {platforms: [linux/amd64], referrers: true, cooldown: 0s, foreign_layers: skip, immutable: v*}
registries: {r.lan: {endpoint: [https://x.lan], ca_file: x, username: a, password_env: B, requests_per_second: none}}
images: [nginx, {name: redis, tags: ["7*", {glob: "6*", exclude: "*-rc"}], as: x}]
groups: [{name: g, together: false, images: [busybox]}]
""",
    )


@pytest.mark.parametrize(
    ("lines", "place", "words"),
    [
        ("control: x", "control", NO_EFFECT),
        ("timezone: UTC", "timezone", NO_EFFECT),
        ("limits: {bandwidth: 1MB/s}", "limits.bandwidth", NO_EFFECT),
        ("delete: {upstream: remove}", "delete.upstream", NO_EFFECT),
        ("verify: {schedule: '@daily'}", "verify.schedule", NO_EFFECT),
        ("notify: [{url: https://x.lan}, {url: https://y.lan}]", "notify", NO_EFFECT),
        ("metrics: {per_repository: false}", "metrics", NO_EFFECT),
        ("serve: {htpasswd: x}", "serve.htpasswd", NO_EFFECT),
        ("serve: {allow: [10.0.0.0/8, 10.1.0.0/16]}", "serve.allow", NO_EFFECT),
        ("defaults: {schedule: '@daily'}", "defaults.schedule", NO_EFFECT),
        ("defaults: {jitter: 1m}", "defaults.jitter", NO_EFFECT),
        ("defaults: {stale_after: 1d}", "defaults.stale_after", NO_EFFECT),
        ("defaults: {cooldown: 3d}", "defaults.cooldown", NO_EFFECT),
        ("defaults: {referrers: {types: x}}", "defaults.referrers", NO_EFFECT),
        ("defaults: {foreign_layers: follow}", "defaults.foreign_layers", NO_EFFECT),
        ("defaults: {missing_children: keep}", "defaults.missing_children", NO_EFFECT),
        ("groups: [{name: g, together: true, images: []}]", "groups[0].together", NO_EFFECT),
        ("groups: [{name: g, images: [{name: x, cooldown: 1d}]}]", "groups[0].images[0].cooldown", NO_EFFECT),
        ("registries: {r.lan: {endpoint: [https://a, https://b]}}", "registries.r.lan.endpoint", NO_EFFECT),
        ("registries: {r.lan: {docker_config: x}}", "registries.r.lan.docker_config", NO_EFFECT),
        ("registries: {r.lan: {credential_helper: x}}", "registries.r.lan.credential_helper", NO_EFFECT),
        ("registries: {r.lan: {requests_per_second: 2}}", "registries.r.lan.requests_per_second", NO_EFFECT),
        ("registries: {r.lan: {bandwidth: 1MB/s}}", "registries.r.lan.bandwidth", NO_EFFECT),
        ("registries: {r.lan: {proxy: 'http://p'}}", "registries.r.lan.proxy", NO_EFFECT),
        (
            "groups: [{name: g, images: [{name: x, tags: {semver: '>=1'}}]}]",
            "groups[0].images[0].tags.semver",
            NO_IMAGE,
        ),
        (
            "groups: [{name: g, images: [{name: x, tags: [y, {regex: z}]}]}]",
            "groups[0].images[0].tags[1].regex",
            NO_IMAGE,
        ),
        ("groups: [{name: g, images: [h.lan/*]}]", "groups[0].images[0]", NO_IMAGE),
        ("groups: [{name: g, images: [{name: h.lan/*}]}]", "groups[0].images[0].name", NO_IMAGE),
    ],
)
def test_a_key_without_effect_is_named(tmp_path: Path, lines: str, place: str, words: str) -> None:
    """The warning has the file, the line and the key, and says what follows."""
    assert warnings_of(tmp_path, f"images: [nginx]\n{lines}") == [f"mirrord.yaml:2: {place}: {words}"]


def test_a_key_that_is_set_often_has_one_warning(tmp_path: Path) -> None:
    """Five hundred images with a cooldown are one line, included files counted in."""
    write_config(tmp_path, "images: [{name: busybox, cooldown: 1d}]", "more.yaml")
    assert warnings_of(
        tmp_path,
        "include: more.yaml\nimages:\n- {name: nginx, cooldown: 1d}\n- {name: redis, cooldown: 2d}\n",
    ) == [f"mirrord.yaml:3: images[0].cooldown: {NO_EFFECT} (and 2 more such)"]

"""Other tools' files: what each comes to as a config that loads, and every single thing that was left over."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from mirrord.config.images import Image, images_of
from mirrord.config.importers.recognise import Imported, import_config
from mirrord.config.loader import load
from mirrord.config.model import Config
from mirrord.config.problem import InvalidConfigError

SAMPLES = Path(__file__).parent / "imports"
INVENTORY = """
all:
  hosts:
    localhost:
      ansible_connection: local
  vars:
    working_dir: /home/artifacts
    docker_images_dir: '{{ working_dir }}/docker_images'
    registry_dir: '{{ working_dir }}/v2'
    retries: 3
    reexported_images:
     - name: 'nginx'
       tags:
        - 1.16.1-alpine
        - alpine
     - name: 'prom/prometheus'
       tags:
        - v2.15.2
     - name: 'k8s.gcr.io/pause'
       tags:
        - '3.1'
        - 3.10
     - name: 'quay.io/coreos/flannel'
       tags:
        - v0.11.0
       arch: amd64
     - name: redis
     - tags: [1]
     - alpine
  children:
    ungrouped:
"""


def imported(text: str, file: str = "its.yml") -> Imported:
    """Import ``text``."""
    return import_config(text, file, "/srv/mirror")


def loaded(done: Imported, tmp_path: Path) -> Config:
    """The config, read from a file as any other."""
    path = tmp_path / "mirrord.yaml"
    path.write_text(done.text)
    return load(path)


def said(config: Config) -> Mapping[str, tuple[list[str], str]]:
    """By its name on the mirror (and digest), the rules in words and the group of each image."""

    def key(image: Image) -> str:
        return f"{image.local_name}@{image.digest}" if image.digest else image.local_name

    return {key(image): ([str(rule) for rule in image.tags], image.group) for image in images_of(config)}


def told(done: Imported) -> list[str]:
    """Each leftover in a line, its reason cut."""
    return [f"{left.line} {left.what}: {left.reason[:34].strip()}" for left in done.leftovers]


def test_a_rich_regsync_config(tmp_path: Path) -> None:
    """Steps, filters, schedules, platforms, referrers and logins come over; all else is told, line by line."""
    done = imported((SAMPLES / "regsync.yml").read_text(), "regsync.yml")
    config = loaded(done, tmp_path)
    ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    images = said(config)
    assert images == {
        "busybox": (["tag latest", "tag 1.36"], "schedule-1"),
        "mirrors/alpine": (
            [
                "tag latest",
                "tag edge",
                "tag 3",
                r"tags matching /3\.\d+/, except 3.0, *-rc*",
            ],
            "schedule-2",
        ),
        "quay.io/prometheus/prometheus": (["versions >=2.50 <4, except *-rc*"], "default"),
        "org/app": (["tag v1"], "default"),
        "org/tool@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef": ([], "default"),
        "lan/team/*": ([r"tags matching /(?!(?:(?:v1|v2))$)(?:v\d+(\.\d+)*)/"], "default"),
        "lan/tools/cli": ([r"tags matching /(?!(?:(?:v1|v2))$)(?:v\d+(\.\d+)*)/"], "default"),
        "app": (["tag 1"], "default"),
        "quay.io/x/z": (["tag main", "tags like release-*"], "default"),
    }
    by_name = {image.local_name: image for image in images_of(config)}
    assert str(by_name["mirrors/alpine"].platforms) == "linux/amd64"
    assert str(by_name["quay.io/prometheus/prometheus"].platforms) == "linux/amd64, linux/arm64"
    assert by_name["quay.io/prometheus/prometheus"].referrers is True
    assert by_name["busybox"].referrers is False
    assert by_name["org/app"].foreign_layers == "follow"
    assert getattr(by_name["org/app"].referrers, "types", None) == (
        "application/spdx+json",
        "application/vnd.dev.cosign.artifact.sig.v1+json",
    )
    assert {group.name: group.schedule for group in config.groups} == {
        "schedule-1": "every 1h",
        "schedule-2": "15 01 * * *",
    }
    quay, lan = config.registries["quay.io"], config.registries["registry.lan"]
    assert (quay.username, quay.password_env, quay.requests_per_second, quay.concurrency) == (
        "robot",
        "QUAY_IO_PASSWORD",
        2.5,
        3,
    )
    assert config.registries["ghcr.io"].password_env == "GHCR_TOKEN"  # noqa: S105 - a variable's name
    assert config.registries["docker.io"].username is None
    assert (lan.endpoint, lan.tls_verify, lan.as_) == (("https://10.0.0.7:5000",), False, "lan")
    assert config.registries[ecr].credential_helper == "ecr-login"
    assert str(config.root) == "/srv/mirror"
    assert told(done) == REGSYNC_LEFT


REGSYNC_LEFT = [
    "7 localhost:5000: no image comes from this registry:",
    "10 docker.io: login: its name comes from the variable H",
    "12 creds[1].repoAuth: nothing to say: a token is asked f",
    "15 quay.io: password: stands in the file, and is not cop",
    "24 creds[4].pathPrefix: a path before all names; write the",
    "25 creds[4].mirrors: names of other registries, with lo",
    "26 creds[4].priority: the order of mirrors; endpoint: ta",
    "27 creds[4].regcert: a certificate or key in the file i",
    "31 creds[4].clientCert: a certificate or key in the file i",
    "32 creds[4].clientKey: a certificate or key in the file i",
    "33 creds[4].blobChunk: about uploads, and mirrord makes n",
    "34 creds[4].blobMax: about uploads, and mirrord makes n",
    "35 creds[4].apiOpts: switches of regsync's own client",
    "36 creds[4].surprise: no key of regsync that mirrord kno",
    "39 creds[5].credExpire: a helper is asked at each run, and",
    "40 creds[5].credHost: a helper is asked for the registry",
    "41 plain.lan:5000: no image comes from this registry:",
    "43 creds[7]: the registry's name is a template,",
    "46 defaults.ratelimit: mirrord never uses up Docker Hub's",
    "49 defaults.parallel: how many images at a time; mirrord",
    "50 defaults.cacheCount: of regsync's own client; mirrord a",
    "51 defaults.cacheTime: of regsync's own client; mirrord a",
    "52 defaults.skipDockerConfig: nothing to say: only a registry's",
    "53 defaults.userAgent: mirrord says its own name",
    "54 defaults.hooks: commands of regsync's; mirrord tel",
    "60 sync[0].backup: a copy before overwriting; mirrord",
    "76 sync[1].mediaTypes: mirrord takes the four kinds of ma",
    "77 sync[1].forceRecursive: mirrord looks at each run whether",
    "85 sync[2].fastCheck: a held tag costs one question in a",
    "87 sync[3].target: another tag (stable); mirrord serv",
    "95 sync[4].target: another tag (pinned); mirrord serv",
    "98 sync[4].referrerFilters: referrers are chosen by type here,",
    "107 sync[5].repos.allow: 'x(a|b)': many repositories are al",
    "116 sync[6].repos.deny: a catalog leaves no repository out",
    "120 sync[8]: line 56 has the same repository on",
    "124 sync[9]: line 61 has the same repository wi",
    "131 sync[10].tags: a character class such as [[:digit",
    "133 sync[11].target: a template; the image has the name",
    "138 sync[11].interval: 'soon' is no duration; write sched",
    "139 sync[12]: the source is a template, which on",
    "142 sync[13]: the source is a directory; its byt",
    "145 sync[14]: 'quay.io/Upper/Case' is not a repo",
    "150 sync[15]: a step of type 'tarball'; registry",
    "151 redis: docker.io/library/redis would have",
    "154 sync[17]: it has no source",
    "156 sync[18]: a step is a mapping with source, t",
    "157 other: no key of regsync that mirrord kno",
]


def test_the_documentations_skopeo_file_and_more(tmp_path: Path) -> None:
    """Tags, digests, expressions, versions, TLS and logins come over; what is odd is told."""
    done = imported((SAMPLES / "skopeo.yml").read_text(), "sync.yml")
    config = loaded(done, tmp_path)
    here = "registry.example.com"
    assert said(config) == {
        f"{here}/busybox": (["tags like *"], "default"),
        f"{here}/redis": (["tag 1.0", "tag 2.0"], "default"),
        f"{here}/redis@sha256:0000000000000000000000000000000011111111111111111111111111111111": ([], "default"),
        f"{here}/nginx": ([r"tags matching /1\.13\.[12]-alpine-perl/"], "default"),
        f"{here}/httpd": (["tags like *2.4*"], "default"),
        f"{here}/postgres": ([r"tags matching /.*(?:^1[67]$|^latest$).*/"], "default"),
        f"{here}/caddy": ([r"tags matching /(?i)V2\.[0-9]+/"], "default"),
        f"{here}/alpine": (["versions 3.12 - 3.13", "versions >= 3.17"], "default"),
        f"{here}/node": (["versions ~20.1 || ^22"], "default"),
        "quay.io/coreos/etcd": (["tag latest"], "default"),
        "nginx": (["tag 1.27", "tag 1.28"], "default"),
        "127.0.0.1_5000/app": (["tag v1"], "default"),
    }
    registry = config.registries[here]
    assert (registry.username, registry.password_env) == ("john", "REGISTRY_EXAMPLE_COM_PASSWORD")
    assert (registry.tls_verify, config.registries["quay.io"].tls_verify) == (True, False)
    assert "secret" not in done.text
    assert told(done) == SKOPEO_LEFT


SKOPEO_LEFT = [
    '8 registry.example.com.images.redis: not a tag: "not a tag" is not a tag; write a',
    '14 registry.example.com.images-by-tag-regex.broken: "(1.*" is not a regular expression',
    "15 registry.example.com.images-by-tag-regex.posix: a character class such as [[:digit",
    '21 registry.example.com.images-by-semver.odd: "=> 1" is not a range of versions;',
    "22 registry.example.com.images-by-semver.none: a range of versions was expected",
    "25 registry.example.com: password: stands in the file, and is not cop",
    "27 registry.example.com.cert-dir: a directory of certificates; name",
    "28 registry.example.com.unknown: no key of skopeo sync that mirrord",
    "38 docker.io.images.Upper/Case: 'docker.io/Upper/Case' is not a re",
    "39 unused.example: no image comes from this registry:",
    "44 127.0.0.1:5000: login: a name without a password is no lo",
    "45 text: a registry is a mapping with image",
]


def test_the_ancestors_inventory(tmp_path: Path) -> None:
    """Every image with its tags as text; what else the inventory says is told, so is an image without name or tags."""
    done = imported(INVENTORY, "inventory.yaml")
    assert said(loaded(done, tmp_path)) == {
        "nginx": (["tag 1.16.1-alpine", "tag alpine"], "default"),
        "prom/prometheus": (["tag v2.15.2"], "default"),
        "k8s.gcr.io/pause": (["tag 3.1", "tag 3.10"], "default"),
        "quay.io/coreos/flannel": (["tag v0.11.0"], "default"),
    }
    assert told(done) == INVENTORY_LEFT


INVENTORY_LEFT = [
    "3 all.hosts: which host the playbook works on;",
    "7 all.vars.working_dir: where the playbook works; what is",
    "8 all.vars.docker_images_dir: where its images lie; what is ther",
    "9 all.vars.registry_dir: where its registry lies; what is t",
    "10 all.vars.retries: a variable of the playbook that sa",
    "26 all.vars.reexported_images[3].arch: the playbook knows name and tags o",
    "27 all.vars.reexported_images[4]: redis has no tags, so nothing was",
    "28 all.vars.reexported_images[5]: it has no name",
    "29 all.vars.reexported_images[6]: an image is a mapping with a name",
    "30 all.children: a variable of the playbook that sa",
]


def test_a_list_of_images(tmp_path: Path) -> None:
    """As kubeadm prints it, with comments and blank lines; a line that is no reference is told with its number."""
    digest = f"sha256:{'a' * 64}"
    text = f"""# what the cluster needs
registry.k8s.io/kube-apiserver:v1.30.0
registry.k8s.io/pause:3.9   # the sandbox
registry.k8s.io/pause:3.10

nginx
docker://quay.io/coreos/etcd:v3.5.0
alpine@{digest}
busybox:1.36@{digest}
I1205 10:00:00 version.go:256] remote version is much newer
nginx:latest
"""
    done = imported(text, "images.txt")
    assert said(loaded(done, tmp_path)) == {
        "registry.k8s.io/kube-apiserver": (["tag v1.30.0"], "default"),
        "registry.k8s.io/pause": (["tag 3.9", "tag 3.10"], "default"),
        "nginx": (["tag latest"], "default"),
        "quay.io/coreos/etcd": (["tag v3.5.0"], "default"),
        f"alpine@{digest}": ([], "default"),
        f"busybox@{digest}": (["tag 1.36"], "default"),
    }
    assert [(left.line, left.reason) for left in done.leftovers] == [
        (
            10,
            '"I1205 10:00:00 version.go:256] remote version is much newer" has a space in it; write one image an entry',
        )
    ]


def test_every_entry_says_where_it_came_from() -> None:
    """A comment with file and line stands above each image and registry."""
    done = imported((SAMPLES / "skopeo.yml").read_text(), "sync.yml")
    assert "  # sync.yml:3: images\n" in done.text
    assert "  # sync.yml:1\n" in done.text
    lines = done.text.splitlines()
    images = [at for at, line in enumerate(lines) if line.startswith("  - ")]
    assert all(lines[at - 1].startswith("  # sync.yml:") for at in images)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "none of the files that can be imported"),
        ("just some words\nand more of them\n", "none of the files that can be imported"),
        ("a: 1\nb: {c: 2}\n", "none of the files that can be imported"),
        ("sync: [\n", "its.yml:"),
        ("sync:\n- a: &x\n  - *x\n", "what it stands in itself"),
        ("sync: []\nsync: []\n", "given twice; the first is on line 1"),
        ("[" * 100 + "]" * 100, "nested more than"),
        ("? [a]\n: 1\n", "a key must be plain text"),
        ("\x00", "its.yml"),
    ],
)
def test_what_is_no_known_file_is_said(text: str, words: str) -> None:
    """With what is known, or with the line at which it is no YAML."""
    with pytest.raises(InvalidConfigError, match=words):
        imported(text)


def test_what_our_config_refuses_is_left_over_with_the_reason(tmp_path: Path) -> None:
    """Two images that would have one name: the config loads without the second, which is told with the first's line."""
    text = """
sync:
  - {source: "quay.io/a/app:1", target: "r:5000/app:1", type: image}
  - {source: "ghcr.io/b/app:1", target: "r:5000/app:1", type: image}
  - {source: "quay.io/a/other:1", target: "r:5000/library/nginx:1", type: image}
"""
    done = imported(text)
    assert set(said(loaded(done, tmp_path))) == {"app", "quay.io/a/other"}
    reasons = {left.what: left.reason for left in done.leftovers}
    assert "would have the name app that quay.io/a/app (its.yml:3) has" in reasons["ghcr.io/b/app"]
    assert "library/nginx can't be a name on the mirror" in reasons["sync[2].target"]


@pytest.mark.parametrize(
    "secret", ["hunter2", "p:${HOME}", "a'b\"c\\", "{{env `X`}}", '{{ file "/a" | default "" }}', "$$", "ünïcode"]
)
def test_no_password_is_ever_copied(secret: str, tmp_path: Path) -> None:
    """Whatever its form: neither config nor leftovers show it, and the config loads."""
    quoted = yaml.safe_dump(secret, default_style='"', allow_unicode=True).strip()
    regsync = (
        f"creds: [{{registry: quay.io, user: me, pass: {quoted}}}]\nsync: [{{source: quay.io/x/y, type: image}}]\n"
    )
    skopeo = f"quay.io: {{images: {{x/y: [a]}}, credentials: {{username: me, password: {quoted}}}}}\n"
    for text in (regsync, skopeo):
        done = imported(text)
        config = loaded(done, tmp_path)
        assert config.registries["quay.io"].password is None
        assert config.registries["quay.io"].password_env == "QUAY_IO_PASSWORD"  # noqa: S105 - a variable's name
        assert secret not in done.text + str(done.leftovers)


def test_odd_values_survive_quoting(tmp_path: Path) -> None:
    """Expressions, digits, words that YAML takes for others and dollars are in the config what they were there."""
    text = """
sync:
  - source: quay.io/x/y
    type: repository
    tags:
      allow: ["yes", "1_0", "0x10", "null", "~?x", "it's", "a$|b", "^v1$"]
"""
    assert said(loaded(imported(text), tmp_path)) == {
        "quay.io/x/y": (
            [
                "tag yes",
                "tag 1_0",
                "tag 0x10",
                "tag null",
                "tags matching /~?x/",
                "tags matching /it's/",
                "tags matching /a$|b/",
                "tag v1",
            ],
            "default",
        )
    }

"""Real clients, configured by what `mirrord clients` wrote and by nothing else, against real nginx.

The names they pull by are the origins'; no origin can be reached (no DNS has them), so what arrives is the mirror's.
Plain HTTP and TLS by a private authority, with and without a password; by tag and by digest; an index and a single
image; of Docker Hub, of a host with a port, and with other names on the mirror (`as:`).
"""

import base64
import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml as library
from support import nginx
from support.clients import Ctr, Home, containerd, podman, run, skopeo
from support.docker_registry import DockerRegistry
from support.dockerd import dockerd
from support.mirror import Mirror
from support.private import PrivateTls, htpasswd, private_tls
from support.programs import program
from support.tree import readable_directory

from mirrord.config.loader import load
from mirrord.demo.images import AMD64, ARM64, BuiltImage, image, index, layer
from mirrord.oci.digest import Digest
from mirrord.oci.manifest import Kind
from mirrord.oci.platform import Platform
from mirrord.serve.aliases import Aliases
from mirrord.serve.nginx import NginxSite

USER, PASSWORD = "reader", "p:ss word"
FORMS = ("plain", "plain-login", "tls", "tls-login")


def multi() -> BuiltImage:
    """An index of three platforms."""
    platforms = (AMD64, ARM64, Platform("linux", "s390x"))
    return index(*(image("clients", layers=(layer(f"c{p}"),), platform=p) for p in platforms))


CORPUS = {
    "docker.io/library/mirrord-clients:1": multi(),
    "docker.io/mirrord/clients:1": image("hub"),
    "quay.test/clients/multi:1": multi(),
    "quay.test/clients/single:2": image("docker", docker=True),
    "lab.test:5000/clients/app:1": image("lab"),
    "quay.test/clients/renamed:1": image("renamed"),
}
"""By the name that clients know them by."""

CONFIG = """\
root: {root}
registries:
  docker.io: {{endpoint: "{url}"}}
  quay.test: {{endpoint: "{url}"}}
  lab.test:5000: {{endpoint: "{url}", as: lab}}
images:
  - mirrord-clients:1
  - mirrord/clients:1
  - quay.test/clients/multi:1
  - quay.test/clients/single:2
  - lab.test:5000/clients/app:1
  - {{name: "quay.test/clients/renamed:1", as: cache/other}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """The mirror as nginx serves it in one form, and what `mirrord clients` wrote for it."""

    form: str
    port: int
    written: Path
    tls: PrivateTls
    place: Path

    @property
    def authority(self) -> str:
        """Where it is, as images name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self.has_tls else 'http'}://{self.authority}"

    @property
    def has_tls(self) -> bool:
        """Whether it has a certificate."""
        return self.form.startswith("tls")

    @property
    def has_login(self) -> bool:
        """Whether it wants a password."""
        return self.form.endswith("login")

    def home(self) -> Home:
        """A home directory as the pages tell to make it."""
        home = Home(Path(tempfile.mkdtemp(dir=self.place)))
        home.configure(self.written / "podman")
        if self.has_login:
            home.log_in(self.authority, USER, PASSWORD)
        return home

    def hosts_dir(self) -> Path:
        """Containerd's directory of hosts.toml, with the password put in where its comments say."""
        directory = self.written / "containerd" / "certs.d"
        if self.has_login:
            directory = Path(shutil.copytree(directory, Path(tempfile.mkdtemp(dir=self.place)) / "certs.d"))
            secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            for file in directory.rglob("hosts.toml"):
                said = file.read_text().replace("# [", "[").replace("#   auth", "  auth").replace("BASE64", secret)
                file.write_text(said)
        return directory


@pytest.fixture(scope="module")
def mirrored(docker_registry: DockerRegistry) -> Iterator[tuple[Mirror, PrivateTls]]:
    """The corpus, pushed under its paths and mirrored by one command."""
    for name, built in CORPUS.items():
        repository, _, tag = name.partition("/")[2].rpartition(":")
        docker_registry.push(repository, built, tag)
    with readable_directory() as place:
        mirror = Mirror(place, docker_registry.url)
        mirror.config.write_text(CONFIG.format(root=mirror.root, url=docker_registry.url))
        done = mirror.run("sync", "--json")
        assert done.status == 0, done.out + done.err
        yield mirror, private_tls(place)


@pytest.fixture(scope="module", params=FORMS)
def served(request: pytest.FixtureRequest, mirrored: tuple[Mirror, PrivateTls]) -> Iterator[Served]:
    """The same mirror in each form, with the clients' files that the real command wrote for it."""
    mirror, tls = mirrored
    form: str = request.param
    place = mirror.place / form
    (place / "nginx").mkdir(parents=True)
    serve = []
    if form.startswith("tls"):
        serve.append(f"tls: {{certificate: {tls.certificate}, key: {tls.key}}}")
    if form.endswith("login"):
        serve.append(f"htpasswd: {htpasswd(place / 'htpasswd', USER, PASSWORD)}")
    config = place / "mirrord.yaml"
    config.write_text(mirror.config.read_text() + (f"serve: {{{', '.join(serve)}}}\n" if serve else ""))
    read = load(config)
    site = NginxSite(mirror.root, serve=read.serve, aliases=Aliases.of(read))
    with nginx.running(site, place / "nginx") as running:
        served = Served(form, running.port, place / "written", tls, place)
        ca = ("--ca", str(tls.authority)) if served.has_tls else ()
        options = ("--config", str(config), "--url", served.url, "--write", str(served.written), *ca)
        done = mirror.run("clients", *options, with_config=False)
        assert done.status == 0, done.err
        yield served
        assert running.error_log() == ""


def by_tag_and_digest() -> Iterator[tuple[str, Digest]]:
    """Each image of the corpus by its tag and by its digest."""
    for name, built in CORPUS.items():
        yield name, built.digest
        yield f"{name.rpartition(':')[0]}@{built.digest}", built.digest


def test_skopeo_inspects_lists_copies_and_syncs(served: Served, tmp_path: Path) -> None:
    """By the origins' names through registries.conf; lists and syncs, which know no mirrors, by the mirror's name."""
    home = served.home()
    for name, digest in by_tag_and_digest():
        raw = skopeo("inspect", "--raw", f"docker://{name}", home=home)
        assert Digest.of(raw.encode()) == digest, name
    plain = () if served.has_tls else ("--src-tls-verify=false",)
    listed = json.loads(skopeo("list-tags", f"docker://{served.authority}/quay.test/clients/multi", home=home))
    assert listed["Tags"] == ["1"]
    target = tmp_path / "all"
    skopeo("copy", "--all", "--preserve-digests", "docker://quay.test/clients/multi:1", f"dir:{target}", home=home)
    assert Digest.of((target / "manifest.json").read_bytes()) == CORPUS["quay.test/clients/multi:1"].digest
    assert len(list(target.glob("*.manifest.json"))) == 3
    source = f"{served.authority}/quay.test/clients/single"
    skopeo("sync", *plain, "--src", "docker", "--dest", "dir", source, tmp_path / "synced", home=home)
    assert (tmp_path / "synced" / "single:2" / "manifest.json").is_file()


def test_podman_and_buildah_pull_by_the_origins_names(served: Served) -> None:
    """Each digest is the origin's, and the image keeps the name it was asked for by."""
    with podman(served.home()) as client:
        for name, digest in by_tag_and_digest():
            assert client.pull_as_configured(name) in _held(name, digest), name
        assert client.pull_as_configured(f"{served.authority}/quay.test/clients/single:2")
        container = client.buildah("from", "--pull-always", "quay.test/clients/multi:1").strip()
        kept = json.loads(client.buildah("inspect", container))
    assert kept["FromImage"] == "quay.test/clients/multi:1"


def test_containerd_pulls_by_the_origins_names(served: Served, ctr: Ctr) -> None:
    """With `--hosts-dir` and what was written: containerd adds `ns`, and the mirror finds what it means."""
    hosts = ("--hosts-dir", str(served.hosts_dir()))
    for name, digest in by_tag_and_digest():
        assert ctr.pull(name, *hosts) == str(digest), name
        ctr("images", "rm", "--sync", name)
    own = f"{served.authority}/quay.test/clients/multi:1"
    assert ctr.pull(own, *hosts) == str(CORPUS["quay.test/clients/multi:1"].digest)
    ctr("images", "rm", "--sync", own)


def test_umoci_unpacks_what_skopeo_copied(served: Served, tmp_path: Path) -> None:
    """An OCI layout made from the mirror is one: its layers are what the config says they are."""
    layout = f"{tmp_path / 'layout'}:1"
    source = "docker://quay.test/clients/multi:1"
    skopeo("copy", "--override-arch", "amd64", source, f"oci:{layout}", home=served.home())
    umoci = program("umoci", "umoci")
    assert json.loads(run(umoci, "stat", "--json", "--image", layout))["history"]
    run(umoci, "unpack", "--image", layout, tmp_path / "bundle")
    assert list((tmp_path / "bundle" / "rootfs").iterdir())


def test_curl_gets_the_bytes(served: Served) -> None:
    """Without any client's cleverness; without the password, nothing."""
    curl = [program("curl", "curl"), "--silent", "--show-error", "--cacert", str(served.tls.authority)]
    accept = [item for kind in Kind for item in ("-H", f"Accept: {kind.media_type}")]
    url = f"{served.url}/v2/quay.test/clients/multi/manifests/1"
    login = ["--user", f"{USER}:{PASSWORD}"] if served.has_login else []
    got = run(*curl, *login, *accept, "--fail", url)
    assert Digest.of(got.encode()) == CORPUS["quay.test/clients/multi:1"].digest
    status = run(*curl, "--output", "/dev/null", "--write-out", "%{http_code}", url)
    assert status == ("401" if served.has_login else "200")


def test_what_k3s_and_buildkit_are_told_leads_to_the_images(served: Served) -> None:
    """They are not here: each of their requests is made from the written file by their rules, ``ns`` and all."""
    mirrors = library.safe_load((served.written / "k3s" / "registries.yaml").read_text())["mirrors"]
    registries = tomllib.loads((served.written / "buildkit" / "buildkitd.toml").read_text())["registry"]
    curl = [program("curl", "curl"), "--silent", "--show-error", "--fail", "--cacert", str(served.tls.authority)]
    curl += ["--user", f"{USER}:{PASSWORD}"] if served.has_login else []
    for name, digest in by_tag_and_digest():
        host, _, rest = name.partition("/")
        at = "@" if "@" in rest else ":"
        path, _, reference = rest.partition(at)
        (endpoint,), ((pattern, replacement),) = mirrors[host]["endpoint"], mirrors[host]["rewrite"].items()
        rewritten = re.sub(pattern, replacement.replace("$1", r"\1"), path, count=1)
        authority, _, prefix = registries[host]["mirrors"][0].partition("/")
        assert (endpoint, authority) == (served.url, served.authority)
        for asked in (rewritten, f"{prefix}/{path}"):
            got = run(*curl, f"{served.url}/v2/{asked}/manifests/{reference}?ns={quote(host, safe='')}")
            assert Digest.of(got.encode()) == digest, asked


def test_dockerd_pulls(served: Served) -> None:
    """Of Docker Hub by its names through the written daemon.json; all else by the mirror's name.

    A daemon sends the mirrors of Docker Hub no password: with one, Docker pulls by the mirror's name alone.
    Docker trusts any certificate at 127.0.0.1, so that TLS is spoken is shown here, and no authority.
    """
    with (
        tempfile.TemporaryDirectory(prefix="dockerd-") as place,
        dockerd(Path(place), served.written / "docker") as docker,
    ):
        login = {"username": USER, "password": PASSWORD, "serveraddress": served.authority}
        for name, digest in by_tag_and_digest():
            host, _, path = name.partition("/")
            if host == "docker.io" and not served.has_login:
                assert docker.pull(path.removeprefix("library/")) == str(digest), name
            by_mirror = f"{served.authority}/{host.replace(':', '_')}/{path}"
            assert docker.pull(by_mirror, login if served.has_login else None) == str(digest), name


@pytest.fixture(scope="module")
def ctr() -> Iterator[Ctr]:
    """One containerd for all forms: its hosts come with each pull."""
    with tempfile.TemporaryDirectory(prefix="ctr-") as place, containerd(Path(place)) as running:
        yield running


def _held(name: str, digest: Digest) -> set[str]:
    """What podman may say of an image: its own digest, or that of the platform's manifest, as the pull was."""
    built = CORPUS[name] if name in CORPUS else next(each for each in CORPUS.values() if each.digest == digest)
    return {str(digest), *(str(child.digest) for child in built.children)}

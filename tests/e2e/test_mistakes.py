"""The mistakes people make, as data: each by the real command, which says what is wrong, why, and what to do next."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from support.disk import LET_GO, mounted
from support.mirror import HOST, Finished, Mirror
from support.ordinary import run_ordinary
from support.programs import program
from support.scripted import Scripted, answer
from support.tree import readable_directory

from mirrord.config.reserve import Reserve
from mirrord.demo.images import image, layer
from mirrord.store.store import open_store

BIG = 12 << 20
DENIED = answer(401, headers={"WWW-Authenticate": 'Basic realm="private"'})


@dataclass
class Stage:
    """Where a mistake is made: a place with a mirror, and its upstream."""

    mirror: Mirror
    upstream: Scripted
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def sync(self, *images: str, extra: str = "") -> Finished:
        """A run of ``images``."""
        self.mirror.configure(*images, extra=extra)
        return await self.mirror.command("sync", "--config", str(self.mirror.config), with_config=False)

    async def tls(self) -> None:
        """From now on the upstream is asked by https, with a certificate that nobody here trusts."""
        certificate, key = self.mirror.place / "cert.pem", self.mirror.place / "key.pem"
        command = [
            *(program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ]
        subprocess.run(command, capture_output=True, check=True)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        await self.stack.enter_async_context(self.upstream.served(tls=context))
        self.mirror.url = self.upstream.url


Make = Callable[[Stage], Awaitable[Finished]]


@dataclass(frozen=True)
class Mistake:
    """One mistake, and what is said of it."""

    name: str
    status: int
    what: str
    """What the message names."""
    cause: str
    step: str
    """What to do next, in the message's own words."""
    make: Make | str
    """How it is made; a text is a config that `mirrord check` reads."""


# ---- mistakes of upstreams, hosts and command lines: how each is made ----


async def _wrong_credential(stage: Stage) -> Finished:
    stage.upstream.when("/v2/", then=DENIED)
    stage.mirror.registry = "username: me, password: wrong-canary"
    return await stage.sync("{host}/app:1")


async def _no_credential(stage: Stage) -> Finished:
    stage.upstream.when("/v2/", then=DENIED)
    return await stage.sync("{host}/private:1")


async def _unknown_authority(stage: Stage) -> Finished:
    await stage.tls()
    return await stage.sync("{host}/app:1")


async def _plain_registry_by_https(stage: Stage) -> Finished:
    stage.mirror.url = stage.upstream.url.replace("http:", "https:")
    return await stage.sync("{host}/app:1")


async def _https_registry_by_plain(stage: Stage) -> Finished:
    await stage.tls()
    stage.mirror.url = stage.upstream.url.replace("https:", "http:")
    return await stage.sync("{host}/app:1")


async def _missing_tag(stage: Stage) -> Finished:
    return await stage.sync("{host}/app:nosuch")


async def _missing_repository(stage: Stage) -> Finished:
    return await stage.sync("{host}/no/such:1")


async def _misspelt_host(stage: Stage) -> Finished:
    return await stage.sync("quay.invalid/app:1")


async def _closed_port(stage: Stage) -> Finished:
    stage.mirror.url = f"http://127.0.0.1:{_free_port()}"
    return await stage.sync("{host}/app:1")


async def _rate_limit(stage: Stage) -> Finished:
    stage.upstream.when("/v2/app", then=answer(429, headers={"Retry-After": "3600"}))
    return await stage.sync("{host}/app:1")


async def _full_disk(stage: Stage) -> Finished:
    stage.upstream.push("big", image("big", layers=(layer("big", BIG),)), "1")
    disk = stage.mirror.place / "disk"
    disk.mkdir()
    stage.stack.enter_context(mounted("-t", "tmpfs", "-o", "size=6m", "tmpfs", disk))
    stage.mirror.configure("{host}/big:1", extra="reserve: 0%\n")
    return await stage.mirror.command("sync", "--root", str(disk / "mirror"))


async def _full_reserve(stage: Stage) -> Finished:
    return await stage.sync("{host}/app:1", extra="reserve: 900TiB\n")


async def _unwritable_place(_stage: Stage) -> Finished:
    with readable_directory() as place:
        done = run_ordinary(place, "sync", "--root", str(place / "mirror"), "quay.invalid/app:1")
    return Finished(done.returncode, done.stdout, done.stderr)


async def _unmounted_parent(stage: Stage) -> Finished:
    return await stage.mirror.command("sync", "--root", str(stage.mirror.place / "disk" / "mirror"), "x:1", **NO_CONFIG)


async def _unmounted_disk(stage: Stage) -> Finished:
    (stage.mirror.place / "mirror").mkdir()
    return await stage.sync("{host}/app:1")


async def _denied(stage: Stage) -> Finished:
    """As under SELinux: the owner is right, and the kernel says no."""
    stage.mirror.configure("{host}/app:1")
    await stage.mirror.sync()
    with readable_directory() as place:
        shutil.copytree(stage.mirror.root, place / "mirror", symlinks=True)
        (place / "mirror" / "content").chmod(0o700)
        (place / "mirror" / "snapshots").chmod(0o700)
        done = run_ordinary(place, "images", "--root", str(place / "mirror"))
    return Finished(done.returncode, done.stdout, done.stderr)


async def _another_users_root(stage: Stage) -> Finished:
    stage.mirror.configure("{host}/app:1")
    await stage.mirror.sync()
    os.chown(stage.mirror.layout.mark, 65534, 65534)
    return await stage.mirror.command("sync")


async def _two_processes(stage: Stage) -> Finished:
    stage.mirror.configure("{host}/app:1")
    async with open_store(stage.mirror.root, command="mirrord run", threads=1, reserve=Reserve(size=0)):
        return await stage.mirror.command("sync")


async def _no_root(stage: Stage) -> Finished:
    return await stage.mirror.command("images", "--root", str(stage.mirror.place), **NO_CONFIG)


async def _missing_secret_variable(stage: Stage) -> Finished:
    stage.mirror.registry = "username: me, password_env: NO_SUCH_SECRET"
    return await stage.sync("{host}/app:1")


async def _missing_secret_file(stage: Stage) -> Finished:
    stage.mirror.registry = "username: me, password_file: no-such-file"
    stage.mirror.configure("{host}/app:1")
    return await stage.mirror.command("check")


async def _port_in_use(stage: Stage) -> Finished:
    stage.mirror.configure("{host}/app:1")
    await stage.mirror.sync()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return await stage.mirror.command("serve", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")


async def _no_nginx(stage: Stage) -> Finished:
    stage.mirror.configure("{host}/app:1")
    await stage.mirror.sync()
    nginx = program("nginx", "nginx-light")
    doctor = f"{sys.executable} -m mirrord doctor --config {stage.mirror.config}"
    hidden = f"{LET_GO}; mount --bind /dev/null {nginx} && exec {doctor}"
    command = [program("unshare", "util-linux"), "--mount", "sh", "-c", hidden]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=stage.mirror.place, capture_output=True, text=True, check=False, timeout=60
    )
    return Finished(done.returncode, done.stdout, done.stderr)


async def _wrong_config_path(stage: Stage) -> Finished:
    return await stage.mirror.command("sync", "--config", "mirord.yaml", **NO_CONFIG)


async def _no_config(stage: Stage) -> Finished:
    return await stage.mirror.command("check", **NO_CONFIG)


async def _closed_config(_stage: Stage) -> Finished:
    with readable_directory() as place:
        (place / "mirrord.yaml").write_text("images: [x]\n")
        (place / "mirrord.yaml").chmod(0o600)
        done = run_ordinary(place, "check")
    return Finished(done.returncode, done.stdout, done.stderr)


async def _old_snapshot(stage: Stage) -> Finished:
    stage.mirror.configure("{host}/app:1")
    await stage.mirror.sync()
    return await stage.mirror.command("snapshots", "rollback", "99", "--yes")


async def _unknown_command(stage: Stage) -> Finished:
    return await stage.mirror.command("snapshot", **NO_CONFIG)


async def _unknown_image(stage: Stage) -> Finished:
    stage.mirror.configure("{host}/app:1")
    return await stage.mirror.command("sync", f"{HOST}/ap")


async def _capital_on_the_command_line(stage: Stage) -> Finished:
    return await stage.mirror.command("sync", "--root", "m", "Team/App:1", **NO_CONFIG)


NO_CONFIG = {"with_config": False}

MISTAKES = (
    Mistake("wrong credential", 1, f"{HOST}/app", "user 'me'", "username", _wrong_credential),
    Mistake("no credential for a private image", 1, f"{HOST}/private", "401", "username", _no_credential),
    Mistake("private CA unknown", 1, HOST, "certificate", "ca_file", _unknown_authority),
    Mistake("plain-http registry asked by https", 1, HOST, "TLS", "plain_http", _plain_registry_by_https),
    Mistake("https registry asked by http", 1, HOST, "https", "endpoint", _https_registry_by_plain),
    Mistake("missing tag", 1, f"{HOST}/app", "nosuch", "check the name", _missing_tag),
    Mistake("missing repository", 1, f"{HOST}/no/such", "no such repository", "check the name", _missing_repository),
    Mistake("misspelt host", 1, "quay.invalid", "has no address", "check its name and the DNS", _misspelt_host),
    Mistake("closed port", 1, HOST, "refused", "check that it runs", _closed_port),
    Mistake("rate limit", 0, f"{HOST}/app", "429", "limits.max_wait", _rate_limit),
    Mistake("disk full", 3, "disk", "free", "free some space", _full_disk),
    Mistake("less free than the reserve", 3, "mirror", "reserve", "free some space", _full_reserve),
    Mistake("root not writable", 3, "mirror", "Permission denied", "must belong to the user", _unwritable_place),
    Mistake("parent of the root absent", 3, "disk/mirror", "its parent", "mount its disk first", _unmounted_parent),
    Mistake("mount point without its disk", 3, "mirror", "its disk is not mounted", "mirrord init", _unmounted_disk),
    Mistake("denied by the kernel", 3, "can't be read", "Permission denied", "check its owner, mode", _denied),
    Mistake("another user's root", 3, "belongs to nobody", "and this is", "sudo -u nobody", _another_users_root),
    Mistake("two processes on one root", 3, "is in use by", "`mirrord run`", "one writer at a time", _two_processes),
    Mistake("a directory that is no root", 3, "is not a mirrord root", "root.json", "mirrord init", _no_root),
    Mistake("secret variable not set", 1, "password_env", "is not set", "set it", _missing_secret_variable),
    Mistake("secret file missing", 1, "password_file", "is not there", "make the file", _missing_secret_file),
    Mistake("port in use", 3, "127.0.0.1", "in use", "--listen", _port_in_use),
    Mistake("nginx not installed", 0, "nginx: installed", "no nginx on this host", "apt-get install nginx", _no_nginx),
    Mistake("wrong path of the config", 2, "mirord.yaml", "no such file", "give --config another", _wrong_config_path),
    Mistake("no config at all", 2, "there is no config", "do not exist", "mirrord init DIR", _no_config),
    Mistake("config not readable", 2, "mirrord.yaml", "may not be read", "run as the mirror's user", _closed_config),
    Mistake("snapshot that is gone", 2, "99", "no snapshot", "mirrord snapshots list", _old_snapshot),
    Mistake("unknown command", 2, "snapshot", "No such command", "Did you mean 'snapshots'?", _unknown_command),
    Mistake("image not in the config", 2, f"{HOST}/ap", "config", "did you mean", _unknown_image),
    Mistake(
        "capital on the command line", 2, "Team/App", "repository name", "lower-case", _capital_on_the_command_line
    ),
    Mistake("tab in YAML", 2, "mirrord.yaml:2", "a tab", "indent with spaces", "images:\n\t- alpine\n"),
    Mistake("key given twice", 2, ":2: images", "on line 1", "keep one", "images: [a]\nimages: [b]\n"),
    Mistake("two roots", 2, ":2: root", "given twice", "keep one", "root: a\nroot: b\nimages: [a]\n"),
    Mistake("unquoted star", 2, "mirrord.yaml:3", 'unquoted "*"', "in quotes", "images:\n  - name: a\n    tags: [*]\n"),
    Mistake("missing colon", 2, "mirrord.yaml:2", 'without a ": "', "needs one", "root: m\nimages\n  - a\n"),
    Mistake("unknown key", 2, "imagess", "unknown key", 'did you mean "images"?', "imagess: [a]\n"),
    Mistake(
        "yes for true",
        2,
        "plain_http",
        '"yes"',
        "true or false",
        "images: [a]\nregistries: {r.lan: {plain_http: yes}}\n",
    ),
    Mistake("bad digest", 2, "alpine@sha256:abc", "is not a digest", "64", "images: ['alpine@sha256:abc']\n"),
    Mistake(
        "bad platform", 2, "'amd64'", "is not a platform", "linux/arm64", "images: [{name: a, platforms: [amd64]}]\n"
    ),
    Mistake(
        "bad schedule",
        2,
        "schedule",
        '"99" is no minute',
        "23 */6",
        "defaults: {schedule: '99 * * * *'}\nimages: [a]\n",
    ),
    Mistake("bad duration", 2, "publish_every", "has no unit", "5m", "publish_every: 5\nimages: [a]\n"),
    Mistake("bad size", 2, "reserve", "20 gigs", "20GiB", "reserve: 20 gigs\nimages: [a]\n"),
    Mistake("empty images", 2, "images", "nothing stands here", "give it a value", "images:\n"),
    Mistake("nothing to mirror", 2, "mirrord.yaml", "nothing says what to mirror", "- nginx:1.27", "root: m\n"),
    Mistake(
        "regex that does not compile",
        2,
        "regex",
        "missing )",
        "correct it",
        "images: [{name: a, tags: [{regex: '('}]}]\n",
    ),
    Mistake(
        "capital in a repository", 2, "Team/App", "is not a repository name", "lower-case", "images: [Team/App:1]\n"
    ),
    Mistake("include not found", 2, "include", "more.yaml", "conf.d/*.yaml", "include: more.yaml\nimages: [a]\n"),
    Mistake("variable not set", 2, "root", "${NO_SUCH} is not set", "set it", "root: ${NO_SUCH}\nimages: [a]\n"),
    Mistake(
        "URL for an image",
        2,
        "https://quay.io/x:1",
        "no scheme",
        'write "quay.io/x:1"',
        "images: ['https://quay.io/x:1']\n",
    ),
    Mistake(
        "one name for two images",
        2,
        "the name x",
        "has",
        "another with as:",
        "images: [{name: a, as: x}, {name: b, as: x}]\n",
    ),
)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name.replace(" ", "-"))
async def test_a_mistake_is_told_with_its_cause_and_the_next_step(
    mirror: Mirror, upstream: Scripted, mistake: Mistake
) -> None:
    """Told: the exit status, what is wrong, why, and what to do; no traceback, no secret."""
    upstream.push("app", image("good"), "1")
    stage = Stage(mirror, upstream)
    async with stage.stack:
        if isinstance(mistake.make, str):
            mirror.config.write_text(mistake.make)
            done = await mirror.command("check")
        else:
            done = await mistake.make(stage)
    told = done.out + done.err
    assert done.status == mistake.status, told
    for words in (mistake.what, mistake.cause, mistake.step):
        assert words in told, told
    assert "Traceback" not in told
    assert "wrong-canary" not in told


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("tags: [1.10]", "tag 1.10"),
        ("tags: [3.10, 3.1]", "tags 3.10, 3.1"),
        ("tags: [1e3]", "1e3"),
        ("tags: [no]", "tag no"),
    ],
)
def test_a_number_in_yaml_stays_the_tag_that_was_written(mirror: Mirror, written: str, meant: str) -> None:
    """YAML would make 1.10 the number 1.1 and `no` false: here it is the tag, and check says which."""
    mirror.config.write_text(f"images:\n  - name: alpine\n    {written}\n")
    done = mirror.run("check")
    assert done.status == 0, done.err
    assert meant in done.out


def test_what_is_advised_is_about_the_mirror_that_was_asked_for(mirror: Mirror) -> None:
    """The next step names what only the command line named: a root, a config, and that images are to be named."""
    assert mirror.run("init", "m").out.endswith(f"then: mirrord sync --config {mirror.config}\n")
    mirror.config.unlink()
    lost = mirror.run("sync", "quay.invalid/x:1", "--root", "my mirror", **NO_CONFIG)
    assert lost.status == 1
    bare = ("--root", "my mirror")
    assert mirror.run("images", *bare, **NO_CONFIG).out == (
        "Nothing is mirrored yet: mirrord sync IMAGE… --root 'my mirror'\n"
    )
    (mirror.place / "my mirror" / "status" / "status.json").unlink()
    assert "begin with: mirrord sync IMAGE… --root 'my mirror'\n" in mirror.run("status", *bare, **NO_CONFIG).err
    mirror.configure("{host}/app:1")
    mirror.run("init", str(mirror.root), **NO_CONFIG)
    elsewhere = mirror.config.rename(mirror.place / "other.yaml")
    told = mirror.run("images", "--config", str(elsewhere), **NO_CONFIG).out
    assert told == f"Nothing is mirrored yet: mirrord sync --config {elsewhere}\n"


def test_there_are_thirty_mistakes_at_least() -> None:
    """The list only grows, and each of its names is one."""
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 30

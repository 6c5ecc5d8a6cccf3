"""What people get wrong and what upstreams and hosts do, by the real command: the message, the owner, the exit status.

After each failure the last good tree is still served, closed and true.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.closed import check_tree
from support.disk import mounted
from support.docker_registry import DockerRegistry, free_port, running_registry
from support.mirror import HOST, Finished, Mirror
from support.programs import program
from support.scripted import Scripted, answer, cut

from mirrord.config.reserve import Reserve
from mirrord.demo.images import image, layer
from mirrord.store.store import open_store

BIG = 3 << 20


@pytest.fixture
async def served(mirror: Mirror, upstream: Scripted) -> Mirror:
    """A mirror that already serves one image."""
    upstream.push("app", image("good"), "1")
    mirror.configure("{host}/app:1")
    await mirror.sync()
    return mirror


def assert_last_good(mirror: Mirror) -> None:
    """What was served before is served still, whole."""
    assert mirror.tags("app") == {"1": image("good").digest}
    assert check_tree(mirror.root) == 3


def assert_failed(done: Finished, status: int, owner: str, *words: str) -> None:
    """It ended with ``status``, and said whose move it is and each of ``words``."""
    told = done.out + done.err
    assert done.status == status, told
    assert f"{owner}:" in told
    for word in words:
        assert word in told, told
    assert "Traceback" not in told


async def test_a_tag_that_looks_like_a_number_stays_text(mirror: Mirror, upstream: Scripted) -> None:
    """3.10 in the config is the tag 3.10, never 3.1."""
    pushed = upstream.push("app", image("x"), "3.10")
    upstream.push("app", image("y"), "3.1")
    mirror.configure('{{name: "{host}/app", tags: [3.10]}}')
    done = await mirror.command("sync")
    assert done.status == 0, done.err
    assert mirror.tags("app") == {"3.10": pushed}


async def test_an_unknown_key_is_refused_with_its_line_and_a_suggestion(served: Mirror) -> None:
    """A slip in a key: file, line, key, and the nearest known one; exit 2."""
    served.config.write_text("root: x\nimagess:\n  - alpine\n")
    done = await served.command("sync")
    assert_failed(done, 2, "config", 'mirrord.yaml:2: imagess: unknown key; did you mean "images"?')
    assert_last_good(served)


async def test_a_tab_in_yaml_is_named(served: Mirror) -> None:
    """A tab as indentation: the line and the word tab; exit 2."""
    served.config.write_text("images:\n\t- alpine\n")
    assert_failed(await served.command("sync"), 2, "config", "mirrord.yaml:2", "tab")
    assert_last_good(served)


async def test_a_missing_config_file_is_named(served: Mirror) -> None:
    """--config with a file that is not there: its name; exit 2."""
    served.config.unlink()
    assert_failed(await served.command("sync"), 2, "config", "mirrord.yaml")
    assert_last_good(served)


async def test_several_mistakes_are_told_at_once(served: Mirror) -> None:
    """Each mistake in the config has its line in one answer."""
    served.config.write_text("rot: x\nimages:\n  - Alpine\n  - name: app\n    platform: all\n")
    done = await served.command("check")
    assert done.status == 2
    assert [line.partition(": ")[0] for line in done.err.splitlines() if "mirrord.yaml:" in line][0:1]
    for line in (1, 3, 5):
        assert f"mirrord.yaml:{line}:" in done.err


async def test_an_unreachable_host_is_the_networks(served: Mirror) -> None:
    """Nobody listens there: owner network, the address, exit 1."""
    port = free_port()
    served.url = f"http://127.0.0.1:{port}"
    served.configure("{host}/app:1")
    assert_failed(await served.command("sync"), 1, "network", HOST, str(port))
    assert_last_good(served)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A docker-registry that wants the user ``me`` with the password ``right-pw``."""
    line = subprocess.run(
        [program("htpasswd", "apache2-utils"), "-Bbn", "me", "right-pw"], capture_output=True, text=True, check=True
    )
    with running_registry(tmp_path_factory.mktemp("guarded"), htpasswd=line.stdout) as registry:
        yield registry


async def test_a_wrong_password_is_the_configs_and_is_not_shown(served: Mirror, guarded: DockerRegistry) -> None:
    """Basic access refused: host, user and key are named, the password is not; exit 1."""
    served.url = guarded.url
    served.registry = "username: me, password: wrong-canary"
    served.configure("{host}/app:1")
    done = await served.command("sync", "-v", "-v")
    assert_failed(done, 1, "config", HOST, "me")
    assert "wrong-canary" not in done.out + done.err
    assert_last_good(served)


async def test_the_right_password_is_taken_from_a_file(tmp_path: Path, guarded: DockerRegistry) -> None:
    """Basic access with username and password_file reaches what it guards: the missing tag is what fails."""
    (tmp_path / "pw").write_text("right-pw\n")
    mirror = Mirror(tmp_path, guarded.url, registry=f"username: me, password_file: {tmp_path / 'pw'}")
    mirror.configure("{host}/app:1")
    assert_failed(await mirror.command("sync"), 1, "upstream", "app")


async def test_a_missing_tag_is_named(served: Mirror) -> None:
    """A tag the upstream lacks: repository and tag; exit 1; others published."""
    served.configure("{host}/app:1", "{host}/app:nosuch")
    assert_failed(await served.command("sync"), 1, "upstream", f"{HOST}/app", "nosuch")
    assert_last_good(served)


async def test_a_missing_repository_is_named(served: Mirror) -> None:
    """A repository the upstream lacks: its name; exit 1."""
    served.configure("{host}/app:1", '{{name: "{host}/no/such", tags: ["v*"]}}')
    assert_failed(await served.command("sync"), 1, "upstream", f"{HOST}/no/such")
    assert_last_good(served)


async def test_a_self_signed_certificate_names_ca_file(served: Mirror, tmp_path: Path) -> None:
    """TLS that nobody here trusts: owner network or config, and the key that mends it; with the key it works."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        capture_output=True,
        check=True,
    )
    place = tmp_path / "registry"
    place.mkdir()
    with running_registry(place, tls=(certificate, key)) as registry:
        registry.push("app", image("good"), "1")
        served.url = registry.url
        served.configure("{host}/app:1")
        done = await served.command("sync")
        assert done.status == 1
        assert "ca_file" in done.out + done.err
        assert_last_good(served)
        served.registry = f"ca_file: {certificate}"
        served.configure("{host}/app:1")
        assert (await served.command("sync")).status == 0


async def test_a_digest_that_does_not_match_is_the_upstreams(served: Mirror, upstream: Scripted) -> None:
    """Wrong bytes of the right length: host, expected and got digest; nothing of it on disk; exit 1."""
    upstream.push("bad", image("bad", layers=(layer("big", BIG),)), "1")
    blob = image("bad", layers=(layer("big", BIG),)).manifest.layers[0]
    upstream.when(f"GET /v2/bad/blobs/{blob.digest}", then=answer(200, b"\0" * blob.size))
    served.configure("{host}/app:1", "{host}/bad:1")
    assert_failed(await served.command("sync"), 1, "upstream", HOST, str(blob.digest))
    assert not served.layout.pooled(blob.digest).exists()
    assert_last_good(served)


async def test_a_truncated_blob_is_told_and_not_kept(served: Mirror, upstream: Scripted) -> None:
    """A connection that always ends early: the blob and the repository are named; exit 1."""
    upstream.push("bad", image("bad", layers=(layer("big", BIG),)), "1")
    blob = image("bad", layers=(layer("big", BIG),))
    digest = blob.manifest.layers[0].digest
    upstream.when(f"GET /v2/bad/blobs/{digest}", then=cut(blob.blobs[1], 100_000))
    served.configure("{host}/app:1", "{host}/bad:1")
    done = await served.command("sync")
    assert done.status == 1
    assert str(digest) in done.out
    assert not served.layout.pooled(digest).exists()
    assert_last_good(served)


async def test_a_read_only_root_is_the_hosts(served: Mirror) -> None:
    """A root on a read-only mount: exit 3, and readers go on."""
    with mounted("--bind", served.root, served.root):
        subprocess.run(["mount", "-o", "remount,bind,ro", served.root], check=True)
        assert_failed(await served.command("sync"), 3, "host", "read-only")
        assert_last_good(served)


async def test_a_root_on_two_filesystems_is_the_hosts(served: Mirror) -> None:
    """A pool mounted of its own: exit 3, and both places are named."""
    with mounted("-t", "tmpfs", "tmpfs", served.root / "pool"):
        assert_failed(await served.command("sync"), 3, "host", str(served.root / "pool"), "two filesystems")
    assert_last_good(served)


async def test_a_second_writer_is_the_hosts(served: Mirror) -> None:
    """Another writer holds the root: exit 3 at once, and it is named with its process."""
    async with open_store(served.root, command="mirrord run", threads=1, reserve=Reserve(size=0)):
        assert_failed(await served.command("sync"), 3, "host", "`mirrord run`", str(os.getpid()))
    assert_last_good(served)


async def test_a_directory_without_the_mark_is_not_filled(mirror: Mirror) -> None:
    """An existing directory that is no root (an unmounted disk): exit 3, the words that mark it, nothing written."""
    mirror.root.mkdir()
    mirror.configure("{host}/app:1")
    assert_failed(await mirror.command("sync"), 3, "host", f"mirrord init {mirror.root}")
    assert list(mirror.root.iterdir()) == []


async def test_a_full_disk_is_the_hosts_and_loses_nothing(served: Mirror, upstream: Scripted) -> None:
    """Not enough room for a blob above the reserve: exit 3, what is needed and what is free; others stay served."""
    upstream.push("big", image("big", layers=(layer("big", BIG),)), "1")
    served.configure("{host}/app:1", "{host}/big:1", extra="reserve: 900TiB\n")
    assert_failed(await served.command("sync"), 3, "host", "reserve")
    assert_last_good(served)


async def test_another_users_root_is_refused_with_the_right_sudo(served: Mirror) -> None:
    """A root that belongs to somebody else: exit 3 and the command that would do it."""
    os.chown(served.layout.mark, 65534, 65534)
    assert_failed(await served.command("sync"), 3, "host", "sudo -u nobody mirrord sync")


async def test_a_newer_format_is_refused(served: Mirror) -> None:
    """A root made by a newer mirrord: exit 3, nothing touched."""
    served.layout.mark.write_text(json.dumps({"format": 99}))
    assert_failed(await served.command("sync"), 3, "host", "newer")


async def test_an_image_that_is_not_in_the_config_is_refused(served: Mirror) -> None:
    """Sync IMAGE with a config that does not have it: exit 2 and the nearest name."""
    assert_failed(await served.command("sync", f"{HOST}/ap"), 2, "config", f"did you mean {HOST}/app?")
    assert_last_good(served)

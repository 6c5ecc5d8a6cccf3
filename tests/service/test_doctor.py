"""`mirrord doctor`: what it finds with a real nginx and an upstream, and what it says of facts."""

from collections.abc import AsyncIterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from support import nginx
from support.mirror import HOST, Finished, Mirror
from support.scripted import Scripted, answer
from support.tree import ScratchTree, readable_directory

from mirrord.demo.images import image, layer
from mirrord.serve.nginx import NginxSite, render
from mirrord.service.doctor.facts import (
    Asked,
    Disk,
    Entry,
    Host,
    Lookup,
    Network,
    Nginx,
    Public,
    Reader,
    Service,
    SiteFile,
    Skew,
)
from mirrord.service.doctor.finding import Finding, Grade
from mirrord.service.doctor.judge import judge_disk, judge_host, judge_nginx, judge_reading, judge_service
from mirrord.service.doctor.judge_network import judge_network
from mirrord.store.tree import Tree

Found = dict[tuple[str, str], dict[str, str]]
GRADES = (Grade.OK, Grade.WARN, Grade.FAIL)


@pytest.fixture
async def upstream() -> AsyncIterator[Scripted]:
    """A registry with one image."""
    async with Scripted.running() as running:
        running.push("app", image("app", layers=(layer("small", 2000),)), "1")
        yield running


@pytest.fixture
async def mirror(upstream: Scripted) -> AsyncIterator[Mirror]:
    """A mirror of it that is synced, where nginx may read it, and an nginx directory of its own."""
    with readable_directory() as place:
        made = Mirror(place, upstream.url)
        made.configure("{host}/app:1")
        await made.sync()
        (place / "etc").mkdir()
        (place / "etc" / "nginx.conf").write_text("user nobody;\n")
        (place / "etc" / "mirrord.conf").write_text(render(NginxSite(made.root)))
        yield made


@contextmanager
def served(mirror: Mirror, root: Path | None = None) -> Any:  # noqa: ANN401 - a context
    """An nginx of ``root`` that the config names as public_url."""
    directory = mirror.place / "nginx"
    directory.mkdir()
    with nginx.running(NginxSite(root or mirror.root), directory) as running:
        mirror.configure("{host}/app:1", extra=f"public_url: http://127.0.0.1:{running.port}\n")
        yield


async def examined(mirror: Mirror) -> tuple[Finished, Found]:
    """What it finds, by area and what."""
    done = await mirror.command("doctor", "--json", "--nginx", str(mirror.place / "etc"))
    assert done.document["schema"] == "mirrord.doctor/1", done.err
    return done, {(each["area"], each["what"]): each for each in done.document["findings"]}


def failed(found: Found) -> list[tuple[str, str]]:
    """What has failed."""
    return [key for key, each in found.items() if each["grade"] == Grade.FAIL]


async def test_a_mirror_that_is_well_has_nothing_to_do(mirror: Mirror) -> None:
    """Every area is looked at; a manifest and a blob come through nginx and are verified; exit 0."""
    with served(mirror):
        done, found = await examined(mirror)
        told = await mirror.command("doctor", "--nginx", str(mirror.place / "etc"))
    assert failed(found) == []
    assert done.status == 0
    areas = {area for area, _ in found}
    assert areas == {"host", "disk", "permissions", "nginx", "service", "clock", "dns", "upstream", "public"}
    held = Tree.at(mirror.root).by_tag(f"{HOST}/app", "1")
    assert held is not None
    assert found[("public", f"manifest {HOST}/app:1")]["saw"] == f"{held.digest}, verified"
    assert [each["saw"] for key, each in found.items() if key[1].startswith("blob ")] == ["verified"]
    assert found[("disk", "hardlinks")]["grade"] == Grade.OK
    assert f"ok    disk: root: {mirror.root} is a mirrord root" in told.out
    assert "things looked at" in told.out


async def test_a_wrong_public_url_is_found(mirror: Mirror) -> None:
    """Nobody listens at public_url: said with what to look at; exit 1."""
    url = f"http://127.0.0.1:{nginx.free_port()}"
    mirror.configure("{host}/app:1", extra=f"public_url: {url}\n")
    done, found = await examined(mirror)
    assert (done.status, failed(found)) == (1, [("public", f"{url}/v2/")])
    assert "does public_url say so" in found[("public", f"{url}/v2/")]["do"]


async def test_an_nginx_of_another_root_is_found(mirror: Mirror) -> None:
    """An nginx of a root of before: its configuration is named, and what comes through it is not what is held."""
    other = ScratchTree(mirror.place / "old")
    other.publish({f"{HOST}/app": {"1": image("before")}})
    (mirror.place / "etc" / "mirrord.conf").write_text(render(NginxSite(other.root)))
    with served(mirror, other.root):
        done, found = await examined(mirror)
    assert done.status == 1
    assert failed(found) == [("nginx", "configuration"), ("public", f"manifest {HOST}/app:1")]
    assert str(other.root) in found[("nginx", "configuration")]["saw"]
    assert str(image("before").digest) in found[("public", f"manifest {HOST}/app:1")]["saw"]


async def test_a_damaged_blob_is_found_through_the_public_address(mirror: Mirror) -> None:
    """A flipped byte in a config is seen as a client would see it, with the command that mends it."""
    manifest = image("app", layers=(layer("small", 2000),)).manifest
    least = min(manifest.blobs, key=lambda each: each.size)
    path = mirror.layout.blob(f"{HOST}/app", least.digest)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))
    with served(mirror):
        done, found = await examined(mirror)
    assert (done.status, failed(found)) == (1, [("public", f"blob {least.digest}")])
    assert "mirrord verify --repair" in found[("public", f"blob {least.digest}")]["do"]


async def test_an_upstream_that_is_down_is_the_networks(mirror: Mirror) -> None:
    """Nobody listens there: the registry, the question and whose move it is."""
    mirror.url = f"http://127.0.0.1:{nginx.free_port()}"
    mirror.configure("{host}/app:1")
    done, found = await examined(mirror)
    what = f"manifest {HOST}/app:1 of {HOST}, anonymous"
    assert (done.status, failed(found)) == (1, [("upstream", what)])
    assert "firewall" in found[("upstream", what)]["do"]


async def test_a_login_that_does_not_work_is_the_configs(mirror: Mirror, upstream: Scripted) -> None:
    """An upstream that refuses: said with the login that was tried, never with its password."""
    upstream.when("/v2/app/manifests", then=answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
    mirror.registry = "username: me, password: canary-pw"
    mirror.configure("{host}/app:1")
    done, found = await examined(mirror)
    what = f"manifest {HOST}/app:1 of {HOST}, as me, password from the config"
    assert failed(found) == [("upstream", what)]
    assert "correct the login" in found[("upstream", what)]["do"]
    assert "canary-pw" not in done.out + done.err


async def test_a_clock_that_is_wrong_is_seen_by_the_dates_of_others(mirror: Mirror, upstream: Scripted) -> None:
    """Everybody else says it is an hour later: this host's clock is named, and how to set it."""
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    headers = {"Date": later, "Docker-Distribution-Api-Version": "registry/2.0"}
    upstream.when(r"GET /v2/$", then=answer(200, b"{}", headers))
    done, found = await examined(mirror)
    assert (done.status, failed(found)) == (1, [("clock", "clock")])
    assert "behind" in found[("clock", "clock")]["saw"]
    assert "set-ntp" in found[("clock", "clock")]["do"]


async def test_a_directory_that_nginx_may_not_read_is_named_with_the_command(mirror: Mirror) -> None:
    """One closed directory on the way to the images: its path, its mode, the chmod."""
    closed = mirror.layout.content / HOST
    closed.chmod(0o700)
    done, found = await examined(mirror)
    assert (done.status, failed(found)) == (1, [("permissions", "the tree")])
    assert found[("permissions", "the tree")]["do"] == f"chmod o+rx {closed}"


async def test_a_closed_directory_behind_a_link_is_named(mirror: Mirror) -> None:
    """A root that is a link to another disk: what leads there has to be gone through as well."""
    disk = mirror.place / "disk"
    disk.mkdir()
    mirror.root.rename(disk / "mirror")
    mirror.root.symlink_to(disk / "mirror")
    disk.chmod(0o700)
    _, found = await examined(mirror)
    assert found[("permissions", "the tree")]["do"] == f"chmod o+x {disk}"


async def test_what_is_no_root_is_told_and_the_rest_looked_at_still(tmp_path: Path) -> None:
    """A directory without the mark: the mount is thought of; exit 1."""
    (tmp_path / "plain").mkdir()
    mirror = Mirror(tmp_path, "http://127.0.0.1:1")
    done = await mirror.command("doctor", "--root", str(tmp_path / "plain"), with_config=False)
    assert done.status == 1
    assert "not mounted" in done.out
    assert f"do: mount its disk; if it is meant to become one: mirrord init {tmp_path}/plain" in done.out
    assert "host: open files" in done.out


HEALTHY = Disk(
    Path("/m"),
    is_there=True,
    is_marked=True,
    filesystem="ext4",
    options="rw,noatime",
    mounted_at="/m",
    free=100 << 30,
    reserve=5 << 30,
    inodes=1000,
    inodes_free=900,
    probe="",
)
HERE = SiteFile(Path("/etc/nginx/conf.d/m.conf"), "/m")
WELL = Public("http://m", "", 200, "app:1", "sha256:a", "sha256:a", blob="sha256:b")
RUNNING = Service(answers=True, version="1", process=1, own_version="1")


@pytest.mark.parametrize(
    ("findings", "grade", "words"),
    [
        (judge_host(Host((3, 10), 4096, 16, 0)), Grade.FAIL, "install Python 3.11"),
        (judge_host(Host((3, 12), 256, 16, 0)), Grade.FAIL, "ulimit -n"),
        (judge_host(Host((3, 12), 1024, 16, 0)), Grade.OK, "1,024"),
        (judge_disk(HEALTHY, 0), Grade.OK, "/m is a mirrord root"),
        (judge_disk(replace(HEALTHY, is_there=False), 0), Grade.FAIL, "mirrord init /m"),
        (judge_disk(replace(HEALTHY, problem="can't be looked at"), 0), Grade.FAIL, "as root"),
        (judge_disk(replace(HEALTHY, free=5 << 30), 0), Grade.FAIL, "free some space"),
        (judge_disk(replace(HEALTHY, free=9 << 30), 0), Grade.WARN, "mirrord gc --dry-run"),
        (judge_disk(replace(HEALTHY, inodes_free=0), 0), Grade.FAIL, "more inodes"),
        (judge_disk(replace(HEALTHY, inodes_free=10), 0), Grade.WARN, "tight"),
        (judge_disk(replace(HEALTHY, inodes=0, inodes_free=0), 0), Grade.OK, "as they are needed"),
        (judge_disk(replace(HEALTHY, filesystem="nfs4"), 0), Grade.FAIL, "use a local disk"),
        (judge_disk(replace(HEALTHY, filesystem="overlay"), 0), Grade.WARN, "ext4"),
        (judge_disk(replace(HEALTHY, options="ro"), 0), Grade.FAIL, "remount"),
        (judge_disk(replace(HEALTHY, probe="cannot link x"), 0), Grade.FAIL, "cannot link x"),
        (judge_disk(replace(HEALTHY, probe=None, owner=7), 0), Grade.WARN, "mirror's user"),
        (judge_nginx(Nginx(), "/m"), Grade.WARN, "no nginx on this host"),
        (judge_nginx(Nginx((1, 18, 0), sites=(HERE,)), "/m"), Grade.FAIL, "1.22 or newer"),
        (judge_nginx(Nginx((1, 22, 1), sites=(HERE,)), "/m"), Grade.OK, "serves /m"),
        (judge_nginx(Nginx((1, 22, 1), sites=(HERE,)), "/n"), Grade.FAIL, "not /n"),
        (judge_nginx(Nginx((1, 22, 1)), "/m"), Grade.WARN, "nginx -s reload"),
        (judge_nginx(Nginx((1, 22, 1), unreadable=("/x",)), "/m"), Grade.WARN, "run as root"),
        (judge_reading(Nginx((1, 22, 1), user="ghost"), ()), Grade.WARN, "ghost"),
        (judge_service(RUNNING), Grade.OK, "answers"),
        (judge_service(Service(own_version="1")), Grade.WARN, "mirrord run"),
        (judge_service(Service(problem="says nothing")), Grade.FAIL, "restart it"),
        (judge_service(Service(closed="may not open")), Grade.WARN, "may not open"),
        (judge_service(replace(RUNNING, own_version="2")), Grade.WARN, "systemctl restart"),
        (judge_service(replace(RUNNING, same_config=False)), Grade.WARN, "mirrord reload"),
        (judge_service(replace(RUNNING, has_systemd=True, unit="enabled")), Grade.OK, "is enabled"),
        (judge_service(replace(RUNNING, has_systemd=True, unit="disabled")), Grade.WARN, "systemctl enable"),
        (judge_network(Network()), Grade.WARN, "set public_url"),
        (judge_network(Network(WELL, skews=(Skew("a", 1.0),))), Grade.OK, "within 1 s of a"),
        (judge_network(Network(WELL, skews=(Skew("a", 40.0),))), Grade.WARN, "40 s behind a"),
        (judge_network(Network(WELL, skews=(Skew("a", -900.0),))), Grade.FAIL, "900 s ahead of a"),
        (
            judge_network(Network(WELL, skews=(Skew("a", 0.0), Skew("b", 0.0), Skew("c", 9e9)))),
            Grade.WARN,
            "others agree with this host",
        ),
        (judge_network(Network(WELL, [Lookup("x", "has no address")])), Grade.FAIL, "resolv.conf"),
        (judge_network(Network(WELL, asked=[Asked("x", "y", "anonymous")])), Grade.OK, "answers"),
        (
            judge_network(Network(WELL, asked=[Asked("x", "y", "anonymous", "upstream", "lacks it", is_missing=True)])),
            Grade.WARN,
            "correct the image",
        ),
        (judge_network(Network(replace(WELL, pinged_status=401))), Grade.WARN, "asks for a login"),
        (judge_network(Network(replace(WELL, image=""))), Grade.WARN, "mirrord sync"),
        (judge_network(Network(replace(WELL, manifest="404"))), Grade.FAIL, "another root"),
        (judge_network(Network(replace(WELL, sent="sha256:c"))), Grade.FAIL, "caches"),
    ],
)
def test_facts_come_to_findings(findings: list[Finding], grade: Grade, words: str) -> None:
    """Pure: each standing of each thing has its grade, and whatever is not ok says what to do."""
    found = list(findings)
    assert [each for each in found if each.grade is grade and words in f"{each.saw} {each.do}"], found
    assert all(each.do for each in found if each.grade is Grade.FAIL)
    if grade is not Grade.FAIL:
        assert not [each for each in found if each.grade is Grade.FAIL]


@pytest.mark.parametrize(
    ("mode", "user", "group", "is_directory", "may"),
    [
        (0o755, 1, 1, True, True),
        (0o750, 1, 1, True, False),
        (0o750, 1, 33, True, True),
        (0o711, 1, 1, True, False),
        (0o444, 1, 1, False, True),
        (0o440, 1, 1, False, False),
        (0o500, 33, 1, True, True),
        (0o055, 33, 1, True, False),
    ],
)
def test_who_may_read_is_decided_by_the_first_class_that_fits(
    *, mode: int, user: int, group: int, is_directory: bool, may: bool
) -> None:
    """As the kernel does: the owner's bits for the owner, else the group's, else the others'."""
    reader = Reader("www-data", 33, frozenset({33}))
    assert reader.may(Entry(Path("/x"), mode, user, group, is_directory)) is may
    assert Reader("root", 0, frozenset()).may(Entry(Path("/x"), 0, 1, 1, is_directory))

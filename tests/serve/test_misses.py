"""`mirrord misses`: what clients asked a real nginx for and it lacked, and what a hostile log comes to."""

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import nginx
from support.mirror import Finished
from support.readers import Server
from support.tree import ScratchTree, readable_directory

from mirrord.config.images import images_of
from mirrord.config.loader import load
from mirrord.demo.images import image
from mirrord.errors import HostError
from mirrord.serve.misses.log import Missed, Reading, read_misses, rotated
from mirrord.serve.misses.origin import line_for, origin_of
from mirrord.serve.misses.tally import MOST, MOST_CLIENTS, Tally
from mirrord.serve.nginx import NginxSite
from mirrord.store.blocks import Blocks, parse_block, write_blocks

CONFIG = """root: {root}
registries:
  quay.io: {{as: lab}}
  bare.example: {{as: ""}}
  registry.lan:5000: {{}}
images:
  - app:1
  - app:soon
  - {{name: ghcr.io/org/tool, as: tools/tool}}
  - harbor.lan/team/*
"""
DIGEST = "sha256:" + "d" * 64


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that nginx may read, with a mirror of ``app:1`` and a config."""
    with readable_directory() as made:
        tree = ScratchTree(made / "root")
        tree.publish({"app": {"1": image("one")}})
        for room in (tree.layout.state, tree.layout.status):
            room.mkdir(exist_ok=True)
        (made / "mirrord.yaml").write_text(CONFIG.format(root=tree.root))
        yield made


def run(place: Path, *arguments: str, stdin: bytes = b"") -> Finished:
    """`mirrord misses` as typed."""
    command = [sys.executable, "-m", "mirrord", "misses", "--config", str(place / "mirrord.yaml"), *arguments]
    done = subprocess.run(command, cwd=place, input=stdin, capture_output=True, timeout=60, check=False)
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def line(
    target: str, repository: str, *, status: int = 404, client: str = "10.0.0.1", at: str = "", ns: str = ""
) -> str:
    """A line of the log."""
    at = at or datetime.now(UTC).isoformat(timespec="seconds")
    said = {"time": at, "client": client, "user": "", "method": "GET", "target": target, "ns": ns}
    return (
        json.dumps({**said, "repository": repository, "reference": "", "status": status}, separators=(",", ":")) + "\n"
    )


def missed(repository: str, reference: str, target: str = "", ns: str = "", client: str = "c") -> Missed:
    """One miss."""
    return Missed(repository, reference, datetime.now(UTC), client, target, ns)


def test_what_a_real_nginx_lacked_is_told_with_its_line(place: Path) -> None:
    """Told: every form of a name counts together and has the line that adds it; what is blocked is said to be."""
    directory = place / "nginx"
    directory.mkdir()
    layout = ScratchTree(place / "root").layout
    write_blocks(layout, Blocks((parse_block("app:bad", "CVE-1"),)))
    with nginx.running(NginxSite(place / "root"), directory) as running:
        server = Server(running.port)
        for target in (
            "/v2/redis/manifests/7",
            "/v2/library/redis/manifests/7?ns=docker.io",
            "/docker.io/v2/library/redis/manifests/7",
            "/v2/docker.io/library/redis/manifests/7",
            "/v2/app/manifests/1",
            "/v2/app/manifests/2",
            "/v2/app/manifests/soon",
            "/v2/app/manifests/bad",
            "/v2/ghcr.io/x/y/tags/list",
            f"/v2/x/y/manifests/{DIGEST}?ns=quay.io",
            f"/v2/app/blobs/{DIGEST}",
            "/v2/UPPER/manifests/1",
            "/v2/app/manifests/sha256-" + "a" * 64 + ".sig",
            "/last",
        ):
            server.ask(target)
        running.access_log("/last")
        done = run(place, str(directory / "mirrord.log"), "--json")
    assert (done.status, done.err) == (0, "")
    assert done.document["schema"] == "mirrord.misses/1"
    told = {miss["name"]: miss for miss in done.document["misses"]}
    assert {name: (miss["times"], miss["standing"], miss["line"]) for name, miss in told.items()} == {
        "redis:7": (4, "absent", "- redis:7"),
        "app:2": (1, "unselected", "- app:2"),
        "app:soon": (1, "configured", ""),
        "app:bad": (1, "blocked", ""),
        "ghcr.io/x/y": (1, "absent", "- ghcr.io/x/y"),
        f"quay.io/x/y@{DIGEST}": (1, "nowhere", ""),
    }
    assert "mirrord unblock app:bad" in told["app:bad"]["note"]
    assert "CVE-1" in told["app:bad"]["note"]
    assert "mirrord.yaml:7" in told["app:soon"]["note"]
    assert (told["redis:7"]["clients"], done.document["nameless"]) == (1, 1)
    table = run(place, str(directory / "mirrord.log"))
    assert "redis:7" in table.out
    assert "- redis:7" in table.out


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (missed("nginx", "1.27"), "- nginx:1.27"),
        (missed("prom/prometheus", "3.10"), "- prom/prometheus:3.10"),
        (missed("registry.k8s.io/pause", "3.9"), "- registry.k8s.io/pause:3.9"),
        (missed("registry.lan_5000/x", "1"), "- registry.lan:5000/x:1"),
        (missed("localhost_5000/x", "1"), "- localhost:5000/x:1"),
        (missed("lab/y", "1"), "- quay.io/y:1"),
        (missed("thing", "1", "/v2/bare.example/thing/manifests/1"), "- bare.example/thing:1"),
        (missed("thing", "1", "/v2/thing/manifests/1", ns="bare.example"), "- bare.example/thing:1"),
        (missed("thing", "1", "/v2/thing/manifests/1"), "- thing:1"),
        (missed("tools/tool", "2"), '- {name: "ghcr.io/org/tool:2", as: "tools/tool"}'),
        (missed("nginx", DIGEST), f"- nginx@{DIGEST}"),
        (missed("quay.io/x/y", "1"), None),
    ],
)
def test_a_line_names_the_upstream_that_a_name_would_come_from(
    place: Path, asked: Missed, expected: str | None
) -> None:
    """With its line in the config, an image has the name that was asked for; what can be nowhere has no line."""
    config = load(place / "mirrord.yaml")
    by_name = {each.local_name: each for each in images_of(config) if not each.is_catalog}
    origin = origin_of(asked, by_name, config)
    assert (origin is None) == (expected is None)
    if origin is None:
        return
    written = line_for(origin, asked.reference, by_name.get(asked.repository), config)
    assert written == expected
    (place / "mirrord.yaml").write_text((place / "mirrord.yaml").read_text() + f"  {written}\n")
    assert asked.repository in {each.local_name for each in images_of(load(place / "mirrord.yaml"))}


def test_rotated_and_compressed_logs_count_too(place: Path) -> None:
    """A log, its rotated ones and compressed ones are one history; --since leaves out what is older."""
    old = (datetime.now(UTC) - timedelta(days=9)).isoformat(timespec="seconds")
    log = place / "mirrord.log"
    log.write_text(line("/v2/a/manifests/1", "a"))
    (place / "mirrord.log.1").write_text(line("/v2/a/manifests/1", "a", client="10.0.0.2"))
    (place / "mirrord.log.2.gz").write_bytes(gzip.compress(line("/v2/a/manifests/1", "a", at=old).encode()))
    (place / "mirrord.log.bak").write_text("no log\n")
    files = [str(each) for each in rotated(log)]
    assert [Path(each).name for each in files] == ["mirrord.log.1", "mirrord.log.2.gz", "mirrord.log"]
    assert [(each["times"], each["clients"]) for each in run(place, "--json", *files).document["misses"]] == [(3, 2)]
    assert run(place, "--json", "--since", "7d", *files).document["misses"][0]["times"] == 2
    assert run(place, "--json", "--since", "2199-01-01", *files).document["misses"] == []
    for since in ("yesterday", "9999-12-31T23:59:59-14:00", "99999999999d"):
        wrong = run(place, "--since", since, *files)
        assert (wrong.status, "7d or 12h" in wrong.err) == (2, True), since


def test_what_is_missing_goes_to_the_page_and_names_no_client(place: Path) -> None:
    """--write leaves status/misses.json, public, from standard input too; addresses of clients are not in it."""
    done = run(place, "--write", "-", stdin=line("/v2/a/manifests/1", "a").encode())
    assert done.status == 0, done.err
    note = place / "root" / "status" / "misses.json"
    assert note.stat().st_mode & 0o777 == 0o644
    assert json.loads(note.read_text())["misses"][0]["line"] == "- a:1"
    assert "10.0.0.1" not in note.read_text()


def test_a_log_that_can_not_be_read_says_what_to_do(place: Path) -> None:
    """Absent, damaged, or nginx's alone: the file, why, and the next step; exit 3."""
    absent = run(place, str(place / "none.log"))
    assert (absent.status, "nginx has logged nothing, or logs elsewhere" in absent.err) == (3, True)
    damaged = place / "mirrord.log.1.gz"
    damaged.write_bytes(gzip.compress(b"x" * 5000)[:20])
    done = run(place, str(damaged))
    assert (done.status, "leave this file out" in done.err) == (3, True)


def test_another_users_root_is_written_by_that_user_only(place: Path) -> None:
    """--write refuses a root of another user, and names the command that works."""
    mark = place / "root" / "root.json"
    other = 54321 if os.geteuid() == 0 else None
    assert other is not None, "run the tests as root: another user's file can't be made otherwise"
    os.chown(mark, other, other)
    done = run(place, "--write", "-")
    assert done.status == 3
    assert "sudo -u #54321 mirrord misses --write -" in done.err


def test_a_hostile_log_moves_no_cursor_and_names_nothing_that_can_not_be(tmp_path: Path) -> None:
    """Control characters, long lines, no JSON, JSON of other shapes, names that are none: counted, and no more."""
    log = tmp_path / "log"
    hostile = [
        line("/v2/a/manifests/\x1b[2Jx", "a"),
        line("/v2/a\x1b/manifests/1", "a\x1b"),
        line("/v2/a/manifests/1", "../../etc"),
        line("/v2/a/manifests/1", "_invalid"),
        line("/v2/a/manifests/1", "a", at="never"),
        line("/v2/a/manifests/1", "a", at="9999-12-31T23:59:59-14:00"),
        '{"status":404,\n',
        '["x", {"status":404}]\n',
        '{"status":404,"target":' + "[" * 100_000 + "\n",
        '{"status":404,"target":"' + "x" * 600_000 + '"}\n',
        line("/v2/a/manifests/1", "a", status=200),
        line("/v2/good/manifests/1", "good"),
    ]
    log.write_text("".join(hostile))
    reading = Reading()
    assert [each.repository for each in read_misses(log, reading)] == ["good"]
    assert (reading.nameless, reading.unreadable) == (6, 4)


def test_memory_is_bounded_however_many_names_and_clients_come() -> None:
    """Bounded: of very many different misses the most wanted are kept and the others counted; so with clients."""
    tally = Tally()
    for number in range(3 * MOST):
        tally.add(missed("wanted", "1", client=str(number)))
        tally.add(missed("app", f"t{number}"))
    assert len(tally.counts) < 2 * MOST
    first = tally.sorted()[0]
    assert (first.first.repository, first.times, len(first.clients)) == ("wanted", 3 * MOST, MOST_CLIENTS)
    assert tally.dropped + len(tally.counts) == 3 * MOST + 1


def test_a_compressed_line_without_end_is_not_held_whole(tmp_path: Path) -> None:
    """Bounded: a small file that unpacks to one very long line is read in parts."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as stream:
        for _ in range(64):
            stream.write(b'"status":404,' * 80_000)
    (tmp_path / "log.gz").write_bytes(packed.getvalue())
    reading = Reading()
    assert list(read_misses(tmp_path / "log.gz", reading)) == []
    assert (reading.lines, reading.unreadable) == (0, 1)


def test_an_unreadable_log_is_the_hosts_error(tmp_path: Path) -> None:
    """A directory in place of a log is told as such, not as a traceback."""
    with pytest.raises(HostError, match="can't be read as an access log"):
        list(read_misses(tmp_path, Reading()))

"""A root that somebody tampered with, served: by both servers nothing of a stranger's is sent, and nothing hangs."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import nginx
from support.readers import Answer, Server, embedded
from support.tamper import (
    EVERY,
    SECRET,
    Outside,
    Tamper,
    deep,
    empty,
    fifo,
    link_out,
    link_to_secret,
    loop,
    sparse,
    unreadable,
)
from support.tree import ScratchTree, readable_directory

from mirrord.demo.images import artifact, image
from mirrord.oci.digest import Digest
from mirrord.serve.nginx import NginxSite
from mirrord.store.layout import Layout, flat_name

IMAGE = image("app")
REFERRER = artifact("statement", "application/vnd.test.statement", IMAGE)
BLOB = Digest.of(IMAGE.blobs[0])
ANSWERS = {200, 301, 403, 404, 503}
"""301 is what nginx says of a directory."""
MEMORY = 320 << 20
"""Bytes that the embedded server may take: a GiB in the place of a list is not read."""

Place = Callable[[Layout, str], Path]
PLACES: dict[str, Place] = {
    "list": lambda layout, name: layout.current / flat_name(name) / "list.json",
    "tag": lambda layout, name: layout.current / flat_name(name) / "tags" / "1",
    "referrers": lambda layout, name: layout.current / flat_name(name) / "referrers" / f"{IMAGE.digest}.json",
    "manifest": lambda layout, name: layout.manifest(name, IMAGE.digest, IMAGE.manifest.kind),
    "blob": lambda layout, name: layout.blob(name, BLOB),
    "flat": lambda layout, name: layout.current / flat_name(name),
    "tags": lambda layout, name: layout.current / flat_name(name) / "tags",
    "content": lambda layout, name: layout.content / name,
    "blobs": lambda layout, name: layout.blobs(name),
}
DIRECTORIES = {"flat", "tags", "content", "blobs"}
SENT_WHOLE: set[Tamper] = {sparse, deep, empty, unreadable}
"""What is a regular file: whether its bytes are right is for `verify`, and root reads what nobody may."""


@dataclass(frozen=True, slots=True)
class Case:
    """One place of one repository, and what was put there."""

    place: str
    tamper: Tamper

    @property
    def repository(self) -> str:
        """The repository it is done to."""
        return f"{self.place}/{self.tamper.__name__.replace('_', '')}"

    def __str__(self) -> str:
        return f"{self.place} {self.tamper.__name__}"


CASES = [
    Case(place, tamper)
    for place, tamper in itertools.product(PLACES, EVERY)
    if (place not in DIRECTORIES or tamper not in SENT_WHOLE)
    and (tamper is not unreadable or place == "list")  # of content its mode is the pool's, and so every repository's
]


@dataclass(frozen=True, slots=True)
class Served:
    """Both servers of one root."""

    embedded: Server
    nginx: Server
    process: int
    log: Path


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A root with a repository for each case, tampered with, and one that is whole; and both servers of it."""
    with readable_directory() as place:
        tree = ScratchTree(place / "root")
        names = ["whole", *(case.repository for case in CASES)]
        for name in names:
            tree.add(name, REFERRER)
        tree.publish({name: {"1": IMAGE} for name in names}, {name: {IMAGE.digest: [REFERRER]} for name in names})
        for case in CASES:
            outside = Outside(place / "outside" / case.repository)
            outside.directory.mkdir(parents=True)
            case.tamper(PLACES[case.place](tree.layout, case.repository), outside)
        (place / "nginx").mkdir()
        with (
            embedded(place, "--root", str(tree.root)) as daemon,
            nginx.running(NginxSite(tree.root, daemon=daemon.address), place / "nginx") as stock,
        ):
            yield Served(daemon.server, Server(stock.port), daemon.process.pid, daemon.log)


def ask(server: Server, case: Case) -> dict[str, Answer]:
    """Ask for all of a repository; where a GiB may come, for its headers alone."""
    method = "HEAD" if case.tamper is sparse else "GET"
    base = f"/v2/{case.repository}"
    targets = {
        "list": f"{base}/tags/list",
        "page": f"{base}/tags/list?n=1",
        "tag": f"{base}/manifests/1",
        "manifest": f"{base}/manifests/{IMAGE.digest}",
        "blob": f"{base}/blobs/{BLOB}",
        "referrers": f"{base}/referrers/{IMAGE.digest}",
    }
    return {name: server.ask(target, method) for name, target in targets.items()}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_of_a_strangers_is_sent(served: Served, case: Case) -> None:
    """Each request is answered, by what belongs to the repository or not at all."""
    for server in (served.embedded, served.nginx):
        answers = ask(server, case)
        for name, answer in answers.items():
            assert answer.status in ANSWERS, f"{name}: {answer}"
            assert SECRET.encode() not in answer.body, name
        if case.tamper not in SENT_WHOLE and case.place in {"list", "referrers", "manifest", "blob"}:
            assert answers[case.place].status in {404, 503} or case.place == "referrers", answers[case.place]


@pytest.mark.parametrize("case", [case for case in CASES if case.tamper is link_out], ids=str)
def test_the_embedded_server_walks_no_directory_out_of_the_root(served: Served, case: Case) -> None:
    """Even where the genuine thing lies at the end of the link, it is not sent, and the log says why."""
    of_place = {"flat": "list", "tags": "tag", "content": "manifest", "blobs": "blob"}
    assert ask(served.embedded, case)[of_place.get(case.place, case.place)].status in {404, 503}


def test_what_is_whole_is_served_still(served: Served) -> None:
    """One repository's damage is no other's; the log has words and no traceback; no GiB was read into memory."""
    for case in CASES:  # who else asks may do so in another process of the tests
        ask(served.embedded, case)
    for server in (served.embedded, served.nginx):
        assert server.ask("/v2/whole/manifests/1").body == IMAGE.manifest.raw
        assert server.ask(f"/v2/whole/blobs/{BLOB}").body == IMAGE.blobs[0]
        assert server.ask("/v2/whole/tags/list").json() == {"name": "whole", "tags": ["1"]}
        assert "whole" in server.ask("/v2/_catalog").json()["repositories"]
    log = served.log.read_text()
    assert "Traceback" not in log
    assert '"owner": "host"' in log
    status = Path(f"/proc/{served.process}/status").read_text()
    peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) << 10
    assert peak < MEMORY


@pytest.mark.parametrize(
    ("name", "tamper"),
    [
        ("current", link_out),
        ("current", loop),
        ("current", fifo),
        ("snapshot", link_out),
        ("catalog", link_to_secret),
        ("catalog", fifo),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_whatever_stands_in_the_place_of_current(name: str, tamper: Tamper) -> None:
    """A hostile ``current`` takes tags and lists out of service; what a digest names is served still."""
    with readable_directory() as place:
        tree = ScratchTree(place / "root")
        tree.publish({"app": {"1": IMAGE}})
        layout = tree.layout
        snapshot = layout.current.resolve()
        path = {"current": layout.current, "snapshot": snapshot, "catalog": snapshot / "_catalog.json"}[name]
        tamper(path, Outside(place / "outside"))
        (place / "nginx").mkdir()
        with (
            embedded(place, "--root", str(tree.root)) as daemon,
            nginx.running(NginxSite(tree.root, daemon=daemon.address), place / "nginx") as stock,
        ):
            for server in (daemon.server, Server(stock.port)):
                for target in ("/v2/_catalog", "/v2/_catalog?n=1", "/v2/app/tags/list", "/v2/app/manifests/1"):
                    answer = server.ask(target)
                    assert answer.status in {200, 404, 503}
                    assert SECRET.encode() not in answer.body
                assert server.ask(f"/v2/app/manifests/{IMAGE.digest}").body == IMAGE.manifest.raw
            if tamper is link_out:
                assert daemon.server.ask("/v2/_catalog").status == 503
            assert "Traceback" not in daemon.log.read_text()

"""What holds for nginx alone: its configuration, its log, and paging without the daemon."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from support import nginx
from support.nginx import Nginx, check_configuration, free_port
from support.private import private_tls
from support.readers import Server, embedded
from support.tree import ScratchTree, readable_directory
from support.world import World

from mirrord.config.sections import Serve, Tls
from mirrord.demo import images
from mirrord.oci.digest import Digest
from mirrord.serve.address import Address
from mirrord.serve.aliases import Aliases
from mirrord.serve.nginx import NginxSite, render


def guarded(site: NginxSite, place: Path) -> NginxSite:
    """The site with all that a config can say of it."""
    tls = private_tls(place)
    serve = Serve(
        tls=Tls(certificate=tls.certificate, key=tls.key),
        htpasswd=place / "htpasswd",
        allow=("10.0.0.0/8", "2001:db8::/32", "192.0.2.7"),
        requests_per_second=2.5,
        connections=10,
        status=False,
    )
    return replace(site, serve=serve, aliases=Aliases({"x.test/y": "y", "docker.io/z": None}, {"r.lan_5000": "lab"}))


@pytest.mark.parametrize("public_url", [None, "https://mirror.example", "http://[2001:db8::1]:8080"])
def test_nginx_takes_a_whole_configuration(tmp_path: Path, public_url: str | None) -> None:
    """`nginx -t` passes without a warning, in an empty directory."""
    site = NginxSite(tmp_path / "a root", f"127.0.0.1:{free_port()}", public_url, standalone=True)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(render(site))
    assert "warn" not in check_configuration(configuration, tmp_path)
    configuration.write_text(render(guarded(replace(site, public_url=None), tmp_path)))
    assert "warn" not in check_configuration(configuration, tmp_path)


@pytest.mark.parametrize("is_guarded", [False, True])
def test_nginx_takes_a_site_beside_others(tmp_path: Path, *, is_guarded: bool) -> None:
    """A site stands in the http context of a distribution, whose defaults it does not depend on."""
    site = tmp_path / "mirrord.conf"
    made = NginxSite(tmp_path, f"127.0.0.1:{free_port()}")
    rendered = render(guarded(made, tmp_path) if is_guarded else made)
    site.write_text(rendered.replace("/var/log/nginx/", f"{tmp_path}/"))
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ gzip on; access_log off; open_file_cache max=10; include {site}; }}\n"
    )
    assert "warn" not in check_configuration(configuration, tmp_path)


def test_what_is_not_there_leaves_no_line_in_the_log(stock_nginx: Nginx, world: World) -> None:
    """Bounded: misses, refusals and conditions are ordinary, and a client can't fill the disk with them."""
    server = Server(stock_nginx.port)
    before = stock_nginx.error_log()
    absent = Digest.of(b"absent")
    for path in (
        *("nginx/manifests/absent", "absent/manifests/x", f"nginx/manifests/{absent}", f"absent/manifests/{absent}"),
        *(f"nginx/blobs/{absent}", "absent/tags/list", f"absent/referrers/{absent}", f"nginx/referrers/{absent}"),
        *("a/b/c/d/e/f/g/h/i/j/k/manifests/x", f"{'a' * 255}/manifests/x", f"{'a' * 255}/tags/list", "_x/tags/list"),
        *(f"{'a' * 250}/manifests/x?ns=quay.io", f"{'a/' * 3000}manifests/x", "%2e%2e/x", "nginx/blobs/uploads/"),
    ):
        for method in ("GET", "HEAD", "POST"):
            assert server.ask(f"/v2/{path}", method, {"If-None-Match": "*", "Content-Length": "0"}).status >= 200
    assert server.ask(f"/v2/nginx/blobs/{world.layer[0]}", headers={"Range": "bytes=99999999-"}).status == 416
    assert stock_nginx.error_log() == before == ""


def test_paging_falls_back_to_the_whole_list(world: World) -> None:
    """Last good stays: while the daemon is down, a page is the whole list, without a Link and without a complaint."""
    with readable_directory() as place:
        site = NginxSite(world.tree.root, daemon=Address("127.0.0.1", free_port()))
        with nginx.running(site, place) as stock:
            server = Server(stock.port)
            for path in ("_catalog", "many/tags/list"):
                whole, page = server.ask(f"/v2/{path}"), server.ask(f"/v2/{path}?n=2")
                assert (page.status, page.body) == (200, whole.body)
                assert "link" not in page.headers
            answer = server.ask("/v2/absent/tags/list?n=2")
            assert (answer.status, answer.code) == (404, "NAME_UNKNOWN")
            assert stock.error_log() == ""
            assert "connect() failed" in (place / "daemon.log").read_text()


def test_nothing_is_published_yet() -> None:
    """A new root is an empty registry, from both servers, and what is published then is served without a restart."""
    with readable_directory() as place:
        tree = ScratchTree(place / "root")
        (place / "nginx").mkdir()
        with (
            embedded(place, "--root", str(tree.root)) as daemon,
            nginx.running(NginxSite(tree.root, daemon=daemon.address), place / "nginx") as stock,
        ):
            servers = [daemon.server, Server(stock.port)]
            for server in servers:
                assert server.ask("/v2/").status == 200
                assert server.ask("/v2/_catalog").json() == {"repositories": []}
                assert server.ask("/v2/_catalog?n=1").json() == {"repositories": []}
                assert server.ask("/v2/nginx/manifests/1").code == "MANIFEST_UNKNOWN"
                assert server.ask("/v2/nginx/tags/list").code == "NAME_UNKNOWN"
            image = images.image("first")
            tree.publish({"nginx": {"1": image}})
            for server in servers:
                assert server.ask("/v2/nginx/manifests/1").body == image.manifest.raw

"""The pages for each client: what they show is what `mirrord clients` prints."""

import re
from pathlib import Path

import pytest

from mirrord.serve.clients import ClientsSite, MirrorAddress, render, renderers
from mirrord.serve.clients_upstreams import Upstream

PAGES = Path(__file__).parents[2] / "docs" / "how-to" / "clients"
UPSTREAMS = (Upstream("docker.io", "https://registry-1.docker.io"), Upstream("quay.io", "https://quay.io"))
SITES = [
    ClientsSite(MirrorAddress.parse(url), UPSTREAMS) for url in ("https://mirror.example", "http://mirror.example:5000")
]


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_the_files_of_a_page_are_what_the_command_prints(page: Path) -> None:
    """For a mirror with TLS, or without: whoever copies from the page has what the command would have given."""
    printed = {each.content for site in SITES for setup in render(site) for each in setup.files}
    for shown in re.findall(r"^```(?:json|toml|yaml)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        assert shown in printed, shown


def test_every_client_has_a_page() -> None:
    """And none is of a client that the command does not know; Helm and ORAS share one."""
    assert {page.stem for page in PAGES.glob("*.md")} == set(renderers()) - {"oras"}

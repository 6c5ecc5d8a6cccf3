"""One whole examination: every fact gathered, then judged."""

from collections.abc import Sequence
from pathlib import Path

from mirrord.config.images import images_of
from mirrord.config.model import Config
from mirrord.errors import HostError
from mirrord.oci.reference import is_follower
from mirrord.service.doctor.ask import Sample, look_at_network
from mirrord.service.doctor.finding import Finding, wrong
from mirrord.service.doctor.judge import judge_disk, judge_host, judge_nginx, judge_reading, judge_service
from mirrord.service.doctor.judge_network import judge_network
from mirrord.service.doctor.look import look_at_disk, look_at_entries, look_at_host, look_at_nginx, look_at_service
from mirrord.store.layout import Layout
from mirrord.store.tree import HeldManifest, Tree

NGINX = Path("/etc/nginx")
"""Where nginx's configuration is, unless it is said to be elsewhere."""


async def examine(root: Path, config: Config, nginx_directory: Path) -> Sequence[Finding]:
    """Look at everything. Raises ConfigError where the config contradicts itself."""
    host, disk = look_at_host(config), look_at_disk(root, config)
    findings = [*judge_host(host), *judge_disk(disk, host.euid)]
    layout, sample, held = Layout(root), None, None
    if disk.is_marked and not disk.problem:
        try:
            sample, held = _sample(Tree.at(root))
        except HostError as error:
            findings.append(wrong("disk", "tree", str(error), "mirrord verify says what is damaged; --repair mends it"))
    nginx = look_at_nginx(nginx_directory)
    if disk.is_marked:
        findings += judge_reading(nginx, look_at_entries(layout, held))
    findings += [*judge_nginx(nginx, str(root)), *judge_service(look_at_service(root, config))]
    network = await look_at_network(config, images_of(config), sample)
    return [*findings, *judge_network(network)]


def _sample(tree: Tree) -> tuple[Sample | None, HeldManifest | None]:
    """The first image that is served. Raises HostError."""
    for repository in tree.repositories():
        for tag in tree.tags(repository):
            if not is_follower(tag) and (held := tree.by_tag(repository, tag)) is not None:
                return Sample(repository, tag, held.digest), held
    return None, None

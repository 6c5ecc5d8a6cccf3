"""Every YAML in README and docs: configs load, and the recipes name what the product has."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.blocks import Block, fenced
from support.configs import config_of

PROJECT = Path(__file__).parents[2]
OTHERS = {"k3s.md", "kind.md", "openshift.md", "compose.md", "kubernetes.md"}
"""Pages whose YAML is for other programs."""
ROOT, CONFIG = "/var/lib/mirrord", "/etc/mirrord/mirrord.yaml"


def blocks() -> list[tuple[str, Block]]:
    """Each YAML block, with its page."""
    pages = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
    return [(page.name, each) for page in pages for each in fenced(page.read_text()) if each.language == "yaml"]


def documents(page: str) -> list[Any]:
    """The documents of a recipe."""
    text = (PROJECT / "docs" / "how-to" / page).read_text()
    return [document for each in fenced(text) if each.language == "yaml" for document in yaml.safe_load_all(each.text)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(each.text, id=f"{page}:{each.line}")
        for page, each in blocks()
        if page not in OTHERS or each.file == "mirrord.yaml"
    ],
)
def test_a_config_in_a_page_loads(tmp_path: Path, text: str) -> None:
    """Whole, or as the part of a config that it is: a list of images, or keys beside some."""
    if text.lstrip().startswith("- "):
        text = "images:\n" + textwrap.indent(textwrap.dedent(text), "  ")
    if not re.search(r"^(images|groups):", text, re.MULTILINE):
        text += "images: [alpine:3.20]\n"
    assert config_of(tmp_path, text)


def test_the_compose_file_fits_the_product() -> None:
    """One volume for all of the mirror, nobody but the daemon writes to it, and its commands are mirrord's."""
    compose = next(document for document in documents("compose.md") if "services" in document)
    services = compose["services"]
    assert list(compose["volumes"]) == ["mirror"]
    assert {f"mirror:{ROOT}", f"mirror:{ROOT}:ro"} == {each["volumes"][0] for each in services.values()}
    assert services["nginx"]["volumes"][0].endswith(":ro")
    assert services["init"]["command"] == ["init", ROOT, "--config", CONFIG]
    assert services["daemon"]["command"] == ["run", "--config", CONFIG]
    assert services["daemon"]["user"] == f"{number()}:{number()}"


def number() -> str:
    """The image's user."""
    found = re.search(r"USER (\d+)", (PROJECT / "scripts" / "packaging" / "Containerfile").read_text())
    assert found
    return found[1]


def test_the_deployment_fits_the_product(tmp_path: Path) -> None:
    """One Pod over one volume, not as root, nginx read-only; probes, ports and the config are the product's own."""
    kinds = {document["kind"]: document for document in documents("kubernetes.md")}
    config = config_of(tmp_path, kinds["ConfigMap"]["data"]["mirrord.yaml"])
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    assert kinds["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    assert pod["securityContext"]["runAsUser"] == int(number())
    assert pod["securityContext"]["runAsNonRoot"]
    daemon, nginx = pod["containers"]
    assert pod["initContainers"][0]["args"] == ["init", ROOT, "--config", CONFIG]
    assert daemon["args"] == ["run", "--config", CONFIG]
    port = int(config.listen.rpartition(":")[2])
    health = (PROJECT / "mirrord" / "service" / "health.py").read_text()
    for probe in ("livenessProbe", "readinessProbe"):
        assert daemon[probe]["httpGet"]["port"] == port
        assert f'"{daemon[probe]["httpGet"]["path"]}"' in health
    for container, read_only in ((daemon, None), (nginx, True)):
        mounts = [each for each in container["volumeMounts"] if each["name"] == "mirror"]
        assert [(each["mountPath"], each.get("readOnly")) for each in mounts] == [(ROOT, read_only)]
        assert not container["securityContext"]["allowPrivilegeEscalation"]

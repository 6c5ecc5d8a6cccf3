"""The recipes of docs/how-to for containers: their very files carried out, by Podman and by Docker, offline."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.blocks import fenced, typed
from support.containers import Containers
from support.packages import PROJECT
from support.programs import program, rare_program

HOW_TO = PROJECT / "docs" / "how-to"
STEPS = Path(__file__).parent / "steps"


def steps(name: str) -> str:
    """A script of ours."""
    return (STEPS / f"{name}.sh").read_text()


def written(name: str, text: str) -> str:
    """The command that writes a file."""
    return f"cat >{name} <<'END-OF-FILE'\n{text}\nEND-OF-FILE\n"


@pytest.mark.soak
@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_the_compose_file_works(containers: Containers, engine: str) -> None:
    """From the page's blocks alone: up, a pull through nginx, another config, down and up again from the volume."""
    rare_program(f"{engine}-compose", f"{engine}-compose")
    if engine == "docker":
        program("dockerd", "docker.io")
    else:
        for name in ("netavark", "aardvark-dns"):
            rare_program(f"/usr/lib/podman/{name}", name)
    page = [block.commands for block in typed(HOW_TO / "compose.md")]
    containers.run("\n".join([steps("before"), *page, *([steps("docker")] * (engine == "docker")), steps("compose")]))


@pytest.mark.soak
def test_the_deployment_works(containers: Containers) -> None:
    """The page's YAML as a pod of Podman's: init, both containers over one volume, what probes ask, a stop, a start."""
    rare_program("catatonit", "catatonit")
    text = next(block.text for block in fenced((HOW_TO / "kubernetes.md").read_text()) if block.language == "yaml")
    documents: dict[str, Any] = {each["kind"]: each for each in yaml.safe_load_all(text)}
    # Podman 4.3 has an init container begin again for ever, unless its pod is one that is restarted on failures only.
    grace = "      terminationGracePeriodSeconds"
    assert text.count(grace) == 1
    page = written("page.yaml", text.replace(grace, f"      restartPolicy: OnFailure\n{grace}"))
    config = written("mirrord.yaml", documents["ConfigMap"]["data"]["mirrord.yaml"])
    containers.run("\n".join([steps("before"), page, config, steps("pod")]))

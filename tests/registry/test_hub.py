"""Docker Hub's names, end to end, from a loopback registry that stands for docker.io."""

import pytest
from support.registries import QUICK
from support.scripted import Scripted
from support.sink import MemorySink

from mirrord.config.model import Limits, RegistryConfig
from mirrord.demo import images
from mirrord.demo.access import Tokens
from mirrord.oci.reference import Reference
from mirrord.registry.client import Registries


@pytest.mark.parametrize(
    ("name", "path"), [("nginx:1.27", "library/nginx"), ("docker.io/prom/prometheus:v3", "prom/prometheus")]
)
async def test_hub_names_are_asked_for_in_full(name: str, path: str) -> None:
    """``nginx`` is asked for as ``library/nginx``, ``prom/prometheus`` as itself; both with a token of that scope."""
    reference = Reference.parse(name)
    assert reference.tag
    shared = images.layer("shared", 200_000)
    built = images.index(
        images.image(name, layers=[shared, images.layer(name)]), images.image(name, platform=images.ARM64)
    )
    async with Scripted.running(Tokens(service="registry.docker.io")) as upstream:
        upstream.push(path, built, reference.tag)
        config = RegistryConfig.model_validate({"endpoint": (upstream.url,)})
        async with Registries({"docker.io": config}, Limits(), QUICK) as registries:
            head = await registries.head_manifest(reference.repository, reference.tag)
            assert head.digest == built.digest
            index = await registries.get_manifest(reference.repository, built.digest)
            for child in index.children:
                manifest = await registries.get_manifest(reference.repository, child.digest)
                for layer in manifest.layers:
                    sink = MemorySink()
                    await registries.fetch_blob(reference.repository, layer, sink)
                    assert layer.digest.matches(sink.content)
            assert await registries.list_tags(reference.repository) == (reference.tag,)
    (token,) = [asked for asked in upstream.requests if asked.path == "/token"]
    assert token.query == {"service": "registry.docker.io", "scope": f"repository:{path}:pull"}

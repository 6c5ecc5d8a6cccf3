"""The tree that the contract suite reads: every kind of image, and every kind of name."""

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace
from support.tree import ScratchTree

from mirrord.demo import images
from mirrord.demo.images import BuiltImage
from mirrord.oci.digest import Digest
from mirrord.serve.page_files import put_page

OWN_NAME = "mirror.example"
CONFIG = f"""
public_url: https://{OWN_NAME}
registries:
  reg.lab.test: {{as: lab}}
  bare.test:5000: {{as: ""}}
images:
  - nginx:1.27
  - {{name: httpd:1, as: web}}
  - {{name: quay.io/team/one:1, as: team/app}}
  - reg.lab.test/tools/app:1
  - bare.test:5000/rootless/app:1
"""
"""What only the config knows of names; ``root`` is missing."""
DEEP = "a/b/c/d/e/f/g/h/i/j"


STATUS = {
    "status.json": '{"schema":"a"}\n',
    "runs.jsonl": '{"run":1}\n{"run":2}\n',
    "repositories/nginx.json": '{"name":"nginx"}\n',
    "repositories/quay.io/x/y.json": '{"name":"quay.io/x/y"}\n',
}
"""What the mirror tells of itself, by its name below ``status/``."""


@dataclass(frozen=True, slots=True)
class World:
    """What is served to every test; a test that publishes takes repositories of its own."""

    tree: ScratchTree
    image: BuiltImage
    """``nginx:1.27``, and under the other names that aliases are tried with."""
    docker: BuiltImage
    index: BuiltImage
    docker_list: BuiltImage
    """Its other kinds: ``nginx:docker``, ``nginx:index``, ``nginx:list``."""
    by_sha512: BuiltImage
    """``nginx:sha512``, whose manifest is named by a sha512."""
    big: BuiltImage
    """``nginx:big``, whose one layer is sent in several pieces."""
    referrer: BuiltImage
    """Refers to ``image``."""
    empty: Digest
    long: Digest
    """Blobs of ``nginx``: one of no bytes, and one named by a sha512."""

    @property
    def layer(self) -> tuple[Digest, bytes]:
        """The layer of ``big``."""
        content = self.big.blobs[1]
        return Digest.of(content), content


def build_world(root: Path) -> World:
    """Build and publish it below ``root``."""
    tree = ScratchTree(root)
    variants = [images.image("several", platform=platform) for platform in (images.AMD64, images.ARM64)]
    image = images.image("one")
    other = images.image("by sha512")
    by_sha512 = replace(other, manifest=replace(other.manifest, digest=Digest.of(other.manifest.raw, "sha512")))
    world = World(
        tree=tree,
        image=image,
        docker=images.image("one", docker=True),
        index=images.index(*variants),
        docker_list=images.index(images.image("one", docker=True), docker=True),
        by_sha512=by_sha512,
        big=images.image("big", layers=[images.layer("big", (2 << 20) + 12_345)]),
        referrer=images.artifact("statement", "application/vnd.test.statement", image),
        empty=tree.add_blob("nginx", b""),
        long=tree.add_blob("nginx", b"long", Digest.of(b"long", "sha512")),
    )
    tree.add("nginx", world.referrer)
    tags = {
        "1": image,
        "1.27": image,
        "docker": world.docker,
        "index": world.index,
        "list": world.docker_list,
        "sha512": by_sha512,
        "big": world.big,
    }
    tree.publish(
        {
            "nginx": {**tags, images.signature_tag(image.digest): images.signature(image)},
            "prom/prometheus": {"1": image, "v1": image},
            "quay.io/x/y": {"1": image},
            "lab.test_5000/app": {"1": image},
            DEEP: {"1": image},
            **{name: {"1": image} for name in ("web", "team/app", "lab/tools/app", "lab/later/app", "rootless/app")},
            "many": {f"v{number}": image for number in range(12)},
        },
        {"nginx": {image.digest: [world.referrer]}},
    )
    for name, content in STATUS.items():
        file = tree.layout.status / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    put_page(tree.layout)
    for place in (tree.layout.status, *tree.layout.status.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)
    return world

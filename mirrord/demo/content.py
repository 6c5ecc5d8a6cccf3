"""What the demo's upstream offers: two repositories that share a layer, an index of platforms, a signature."""

from mirrord.demo.images import AMD64, ARM64, image, index, layer, signature, signature_tag
from mirrord.demo.upstream import Upstream

HOST = "registry.demo"
"""The upstream's name in references; its endpoint says where it really is."""

CONFIG = """\
registries:
  registry.demo: {{endpoint: "{url}", plain_http: true}}
images:
  - registry.demo/web/site:1.0
  - name: registry.demo/web/api
    tags: ["2.*"]
"""
"""The config of the demo, for `str.format` with the upstream's ``url``."""


def fill(upstream: Upstream) -> None:
    """Push the demo's images: ``web/site:1.0`` (two platforms, signed) and ``web/api`` (2.0, 2.1 and an old 1.0)."""
    base = layer("base", 4 << 20)
    site = index(
        *(image("site", layers=(base, layer(f"site {each}", 1 << 20)), platform=each) for each in (AMD64, ARM64))
    )
    upstream.push("web/site", site, "1.0", "latest")
    upstream.push("web/site", signature(site), signature_tag(site.digest))
    for version in ("1.0", "2.0", "2.1"):
        upstream.push("web/api", image(f"api {version}", layers=(base, layer(f"api {version}", 300_000))), version)

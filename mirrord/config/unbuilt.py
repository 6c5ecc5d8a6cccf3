"""The keys whose feature is not built yet: parsed, validated, and without effect. One line tells of each."""

from collections.abc import Callable, Iterator, Mapping

from mirrord.config.document import Block, Items, Node, Text
from mirrord.config.model import Config
from mirrord.config.problem import join_path

_NO_EFFECT = "not built yet: it has no effect"
_NO_IMAGE = "not built yet: what it selects is not mirrored, and the image fails"
_INERT = frozenset({"none", "false", "0", "0s"})


def _asks(node: Node) -> bool:
    return not (isinstance(node, Text) and str(node) in _INERT)


def _says(word: str) -> Callable[[Node], bool]:
    return lambda node: isinstance(node, Text) and node == word


def _is_catalog(node: Node) -> bool:
    return isinstance(node, Text) and node.endswith("/*")


_OPTIONS: Mapping[str, Callable[[Node], bool]] = {
    "schedule": _asks,
    "jitter": _asks,
    "stale_after": _asks,
    "cooldown": _asks,
    "referrers": lambda node: isinstance(node, Block),
    "foreign_layers": _says("follow"),
    "missing_children": _says("keep"),
}
_RULES = ("semver", "regex", "newest", "by", "suffix", "prerelease")
_REGISTRY = (
    "client_cert",
    "client_key",
    "docker_config",
    "credential_helper",
    "requests_per_second",
    "bandwidth",
    "proxy",
)
_SERVE = ("tls", "htpasswd", "allow", "requests_per_second", "connections", "status")
_SECTIONS = ("control", "timezone", "verify.schedule", "notify", "metrics")

_UNBUILT: dict[str, Callable[[Node], bool]] = {
    **dict.fromkeys(_SECTIONS, _asks),
    "delete.upstream": _says("remove"),
    "limits.bandwidth": _asks,
    "groups.together": _asks,
    **{f"serve.{key}": _asks for key in _SERVE},
    **{f"registries.*.{key}": _asks for key in _REGISTRY},
    "registries.*.endpoint": lambda node: isinstance(node, Items) and len(node) > 1,
    **{
        f"{scope}.{key}": asks
        for scope in ("defaults", "groups", "images", "groups.images")
        for key, asks in _OPTIONS.items()
    },
    **{f"{scope}.tags.{key}": _asks for scope in ("images", "groups.images") for key in _RULES},
    "images": _is_catalog,
    "groups.images": _is_catalog,
    "images.name": _is_catalog,
    "groups.images.name": _is_catalog,
}
"""By key, without the positions in lists: whether a value of it asks for what is not built."""


def unbuilt_keys(config: Config) -> tuple[str, ...]:
    """A line for each key that the config's files set and that has no effect yet, with its place."""
    return config.unbuilt


def unbuilt_lines(documents: Mapping[str, Block]) -> tuple[str, ...]:
    """A line for each such key in ``documents``, by file; a key that is set often has one line that says how often."""
    found: dict[str, list[str]] = {}
    for file, root in documents.items():
        for key, path, line in _asked(root):
            words = _NO_IMAGE if ".tags." in key or _is_image(key) else _NO_EFFECT
            found.setdefault(_feature(key), []).append(f"{file}:{line}: {path}: {words}")
    return tuple(
        lines[0] + (f" (and {len(lines) - 1} more such)" if len(lines) > 1 else "") for lines in found.values()
    )


def _is_image(key: str) -> bool:
    return key.removesuffix(".name") in {"images", "groups.images"}


def _feature(key: str) -> str:
    """What makes two keys one: the cooldown of an image is that of a group, a proxy is not a bandwidth."""
    if _is_image(key):
        return "catalog"
    scope, _, name = key.rpartition(".")
    return key if scope.startswith(("registries", "limits", "serve")) else name


def _asked(root: Block) -> Iterator[tuple[str, str, int]]:
    """The key without positions, the whole key, and the line of every value that asks for what is not built."""
    todo: list[tuple[str, tuple[str | int, ...], Node, int]] = [("", (), root, root.line)]
    while todo:
        key, path, node, line = todo.pop()
        asks = _UNBUILT.get(key)
        is_item = bool(path) and isinstance(path[-1], int)
        if asks and (_is_image(key) or not is_item) and asks(node):
            yield key, join_path(path), line
        if isinstance(node, Block):
            for name, value in reversed(node.items()):
                part = "*" if key == "registries" else name
                todo.append((f"{key}.{part}" if key else part, (*path, name), value, node.lines[name]))
        elif isinstance(node, Items):
            for index in reversed(range(len(node))):
                value = node[index]
                todo.append((key, (*path, index), value, value.line))

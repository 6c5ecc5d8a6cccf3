"""The aliases of aliases.py as nginx's maps. Rendered only where the config has any: each regex costs every request.

Names are regexes rather than the keys of a map's hash table, whose limits (``map_hash_bucket_size``) only one file of
an nginx may set. A map's regexes are tried one after the other, so names stand in groups: one alternation, which the
regex compiler makes fast, tells whether a group has the name at all.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from mirrord.oci.reference import HUB
from mirrord.serve.aliases import Aliases

_LONGEST: Final = 3000
"""Characters of one alternation: nginx reads no parameter longer than 4,096."""


def render_aliases(aliases: Aliases) -> str:
    """The maps from ``$mirrord_spoken`` to ``$mirrord_repo``; "" without aliases."""
    if not aliases:
        return ""
    groups = list(_groups(sorted(aliases.names)))
    lines: list[str] = []
    gates: list[str] = []
    for number, group in enumerate(groups, 1):
        lines += [f"map $mirrord_spoken $mirrord_alias_{number} {{", '    default "_invalid";']
        lines += [f'    "~^{_literal(name)}$" "{aliases.names[name] or "_invalid"}";' for name in group]
        lines += ["}"]
        gates.append(f'    "~^(?:{"|".join(map(_literal, group))})$" $mirrord_alias_{number};')
    lines += ["map $mirrord_spoken $mirrord_repo {", "    default $mirrord_spoken;", *gates]
    for host, prefix in sorted(aliases.hosts.items()):
        if prefix:
            lines.append(f'    "~^{_literal(host)}/(?<mirrord_r>{_literal(prefix)}/.+)$" $mirrord_r;')
        lines.append(f'    "~^{_literal(host)}/(?<mirrord_r>.+)$" "{f"{prefix}/" if prefix else ""}$mirrord_r";')
    lines += [f'    "~^{_literal(HUB)}/{_literal(prefix)}/" "_invalid";' for prefix in aliases.taken]
    lines += [f'    "~^{_literal(HUB)}/(?<mirrord_r>.+)$" $mirrord_r;', "}"]
    return "\n".join(lines)


def _groups(names: Sequence[str]) -> Iterator[Sequence[str]]:
    group: list[str] = []
    size = 0
    for name in names:
        if group and size + len(name) > _LONGEST:
            yield group
            group, size = [], 0
        group.append(name)
        size += 2 * len(name)  # at most: each character may be escaped
    if group:
        yield group


def _literal(name: str) -> str:
    return name.replace(".", r"\.")

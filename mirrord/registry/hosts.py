"""What is known of a registry by its name alone: which shortcuts are worth trying. Each is proved by its answer."""

from msgspec import Struct

PAGE = 1000
"""Tags asked for at once: ECR refuses more."""


class Habits(Struct, frozen=True):
    """How a registry is best asked. A wrong guess costs a request, never a wrong answer."""

    page: int = PAGE
    """Names of a list asked for at once."""
    lists_digests: bool = False
    """Whether its tag list says what each tag names, so that one list stands for a HEAD a tag."""
    has_referrers: bool = True
    """Whether its referrers API is worth asking."""


_ORDINARY = Habits()
_GOOGLE = Habits(page=10_000, lists_digests=True)
_GITHUB = Habits(has_referrers=False)
"""Its API answers, and not with what it should: the tags are what can be relied on."""

_BY_NAME = {"gcr.io": _GOOGLE, "registry.k8s.io": _GOOGLE, "k8s.gcr.io": _GOOGLE, "ghcr.io": _GITHUB}
_BY_DOMAIN = {".gcr.io": _GOOGLE, ".pkg.dev": _GOOGLE}


def habits_of(host: str) -> Habits:
    """The habits of the registry that images name ``host``, with or without a port."""
    name = host.partition(":")[0]
    if name in _BY_NAME:
        return _BY_NAME[name]
    return next((habits for domain, habits in _BY_DOMAIN.items() if name.endswith(domain)), _ORDINARY)

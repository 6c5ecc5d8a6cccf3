"""What was asked over the network comes to: pure."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from mirrord.service.doctor.facts import Asked, Network, Public, Skew
from mirrord.service.doctor.finding import Finding, fine, note, wrong

SKEWED, WRONG_TIME = 30.0, 300.0
"""Seconds: what is worth knowing, and what breaks tokens and certificates."""
_UNAUTHORIZED: Final = 401
_ACTORS: Final = {
    "network": "look at the connection: name, port, firewall, proxy",
    "config": "correct the login or the registry's entry in the config",
    "upstream": "the registry has to mend it; what is served stays",
    "host": "look at this host",
}


def judge_network(network: Network) -> Iterator[Finding]:
    """Everything that was asked, in the order in which a failure explains the next."""
    yield from _clock(network)
    for lookup in network.lookups:
        if lookup.problem:
            do = "correct the name in the config, or the resolver (/etc/resolv.conf)"
            yield wrong("dns", lookup.host, lookup.problem, do)
        else:
            yield fine("dns", lookup.host, "has an address")
    for asked in network.asked:
        yield _upstream(asked)
    if network.public is None:
        yield note(
            "public", "public_url", "the config has none", "set public_url: what clients type, and it is looked at too"
        )
    else:
        yield from _public(network.public)


def _clock(network: Network) -> Iterator[Finding]:
    if not network.skews:
        yield note("clock", "clock", "nobody said what time it is", "look at timedatectl")
        return
    middle = median(skew.seconds for skew in network.skews)
    apart = abs(middle)
    saw = f"{apart:.0f} s {'behind' if middle > 0 else 'ahead of'} {_sources(network)}"
    do = "set it by NTP: timedatectl set-ntp true"
    if apart >= WRONG_TIME:
        yield wrong("clock", "clock", f"{saw}: certificates and tokens count as expired", do)
    elif apart >= SKEWED:
        yield note("clock", "clock", saw, do)
    else:
        yield fine("clock", "clock", f"within {max(1.0, apart):.0f} s of {_sources(network)}")
    yield from (_other(skew) for skew in network.skews if abs(skew.seconds - middle) >= WRONG_TIME)


def _other(skew: Skew) -> Finding:
    saw = (
        f"it is {abs(skew.seconds):.0f} s {'ahead' if skew.seconds > 0 else 'behind'}, and others agree with this host"
    )
    return note("clock", skew.source, saw, "its clock is wrong: tell whoever runs it")


def _sources(network: Network) -> str:
    return ", ".join(skew.source for skew in network.skews)


def _upstream(asked: Asked) -> Finding:
    what = f"{asked.asked} of {asked.host}, {asked.login}"
    if asked.is_missing:
        return note("upstream", what, asked.problem, "correct the image in the config; the registry itself answers")
    if asked.problem:
        return wrong("upstream", what, asked.problem, _ACTORS.get(asked.owner, _ACTORS["network"]))
    return fine("upstream", what, "answers")


def _public(public: Public) -> Iterator[Finding]:
    ping = f"{public.url}/v2/"
    if public.pinged:
        do = "is nginx up, does it listen there, and does public_url say so? mirrord nginx prints the configuration"
        yield wrong("public", ping, public.pinged, do)
        return
    if public.pinged_status == _UNAUTHORIZED:
        do = "to have images pulled too, give the login: registries: {HOST: {username, password_file}} for that host"
        yield note("public", ping, "it asks for a login", do)
    else:
        yield fine("public", ping, "answers as a registry")
    if not public.image:
        yield note("public", "pull", "nothing is served yet", "mirrord sync")
        return
    if public.manifest:
        if public.pinged_status != _UNAUTHORIZED:
            do = "nginx serves another root, may not read it, or has a configuration of before: make it again"
            yield wrong("public", f"manifest {public.image}", public.manifest, do)
        return
    if public.sent != public.held:
        saw = f"it is {public.sent}, and the root's is {public.held}"
        do = "something in between serves another root or an older copy: look at nginx's root and at caches"
        yield wrong("public", f"manifest {public.image}", saw, do)
        return
    yield fine("public", f"manifest {public.image}", f"{public.sent}, verified")
    if public.blob_problem:
        do = "mirrord verify --repair replaces what is damaged on disk"
        yield wrong("public", f"blob {public.blob}", public.blob_problem, do)
    elif public.blob:
        yield fine("public", f"blob {public.blob}", "verified")

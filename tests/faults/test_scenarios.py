"""Every scenario of a misbehaving upstream, through the real command: status, owner, words, and what is served then."""

import re
from pathlib import Path

import pytest
from faults import access, blobs, documents, lists, redirects, waits
from support.authority import Authority, make_authority
from support.closed import check_tree
from support.scenario import IMAGES, OLD, Scenario, on_stage, owners

SCENARIOS = (
    *blobs.SCENARIOS,
    *redirects.SCENARIOS,
    *access.SCENARIOS,
    *waits.SCENARIOS,
    *lists.SCENARIOS,
    *documents.SCENARIOS,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """For the registries that speak TLS."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_scenario(scenario: Scenario, tmp_path: Path, authority: Authority) -> None:
    """Last good stays, or what is right is served; and who looks is told whose move it is, in these words."""
    tls, more = (authority.server(), f"ca_file: {authority.ca}") if scenario.tls else (None, "")
    with on_stage(scenario, tmp_path, tls, more) as stage:
        upstream, mirror = stage.upstream, stage.mirror
        for tag in scenario.held:
            upstream.push("app", OLD, tag)
        if scenario.held:
            before = stage.command("sync")
            assert (before.status, set(mirror.tags("app").values())) == (0, {OLD.digest}), before
        for tag, built in scenario.has.items():
            upstream.push("app", built, tag)
        for on in scenario.plays:
            upstream.when(on.pattern, *on.plays, then=on.then)
        upstream.forget_requests()
        done = stage.command("sync")

    words = done.out + done.err
    assert (done.status, owners(done.out)) == (scenario.status, {scenario.owner} - {""}), words
    for part in scenario.says:
        assert part in words
    assert "Traceback" not in words
    assert len(words) < 30_000
    for secret in scenario.never:
        assert secret not in words
    wanted = {tag: IMAGES[what].digest if isinstance(what, str) else what for tag, what in scenario.served.items()}
    assert mirror.tags("app") == wanted, words
    check_tree(mirror.root)
    for pattern, most in scenario.asked.items():
        assert 0 < upstream.asked(pattern) <= most, [str(each) for each in upstream.requests]
    if scenario.bare:
        bare = [each for each in upstream.requests if re.search(scenario.bare, str(each))]
        assert bare
        assert all("Authorization" not in each.headers for each in bare)


def test_names_are_told_apart() -> None:
    """Each scenario has a name of its own."""
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)

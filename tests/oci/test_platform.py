"""Platforms: one meaning for many spellings, and choosing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrord.errors import InvalidPlatformError
from mirrord.oci.platform import Platform, PlatformChoice

quick = settings(deadline=None, max_examples=100)
parts = st.from_regex(r"[A-Za-z0-9_.-]{1,6}", fullmatch=True) | st.sampled_from(
    ["linux", "arm64", "arm", "amd64", "aarch64", "armhf", "v7", "v8", "8", "V7", "v1"]
)
platforms = st.builds(Platform, parts, parts, st.just("") | parts)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/aarch64", "linux/arm64/v8"),
        ("linux/arm64/8", "linux/arm64/v8"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/i386", "linux/386"),
        ("Linux/AMD64", "linux/amd64"),
        ("linux/ARM/V7", "linux/arm/v7"),
    ],
)
def test_spellings_of_one_platform_are_one(one: str, other: str) -> None:
    """The usual defaults: arm64 is arm64/v8, arm is arm/v7, and the kernel's names are Go's."""
    assert Platform.parse(one).normalised() == Platform.parse(other).normalised()
    assert PlatformChoice.parse([one]).includes(Platform.parse(other))
    assert PlatformChoice.parse([other]).includes(Platform.parse(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("linux/arm/v6", "linux/arm"),
        ("linux/arm/v6", "linux/arm/v7"),
        ("linux/arm", "linux/arm64"),
        ("linux/amd64/v3", "linux/amd64"),
        ("windows/amd64", "linux/amd64"),
        ("linux/386", "linux/amd64"),
        ("linux/ppc64", "linux/ppc64le"),
        ("linux/arm64/v9", "linux/arm64"),
    ],
)
def test_different_platforms_stay_different(one: str, other: str) -> None:
    """A choice never brings a platform that a machine of the chosen one could not run as such."""
    assert not PlatformChoice.parse([one]).includes(Platform.parse(other))


@quick
@given(platforms)
def test_normalising_twice_changes_nothing(platform: Platform) -> None:
    """There is one spelling, and it is reached in one step."""
    assert platform.normalised().normalised() == platform.normalised()


@quick
@given(platforms)
def test_platforms_read_back_as_themselves(platform: Platform) -> None:
    """What is written of a platform is read as the same platform."""
    assert Platform.parse(str(platform)) == platform


@quick
@given(platforms, st.lists(platforms, max_size=4))
def test_a_choice_includes_exactly_what_it_names(platform: Platform, wanted: list[Platform]) -> None:
    """Included is what is wanted in any spelling; `all` includes everything."""
    choice = PlatformChoice(tuple(wanted))
    assert choice.includes(platform) == any(platform.normalised() == want.normalised() for want in wanted)
    assert PlatformChoice().includes(platform)


@pytest.mark.parametrize(
    "text", ["", "linux", "linux/", "/amd64", "linux//v7", "a/b/c/d", "linux/amd64 ", "l\n/a", "ä/b"]
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    """The message says what a platform looks like."""
    with pytest.raises(InvalidPlatformError, match="expected os/architecture"):
        Platform.parse(text)


def test_a_choice_says_what_it_is() -> None:
    """A choice is shown as it is written in a config."""
    assert str(PlatformChoice.parse(None)) == "all"
    assert str(PlatformChoice.parse(["linux/amd64", "linux/arm64/v8"])) == "linux/amd64, linux/arm64/v8"


def test_build_attestations_are_told_by_their_platform() -> None:
    """unknown/unknown is no platform anybody runs."""
    assert Platform("unknown", "unknown").is_unknown
    assert not Platform("linux", "unknown").is_unknown

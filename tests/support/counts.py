"""What tests counted (points killed, errors injected, cuts), added up over all workers and told at the end."""

from collections import defaultdict
from typing import cast

import pytest

_PROPERTY = "counted"
_MEASURED = "measured"


def count(record: pytest.FixtureRequest, what: str, part: str, done: int, of: int) -> None:
    """Take note that a test did ``done`` of the ``of`` things that there are of one ``part`` of ``what``."""
    record.node.user_properties.append((_PROPERTY, (what, part, done, of)))


def measure(record: pytest.FixtureRequest, words: str) -> None:
    """Take note of what a test measured and does not judge."""
    record.node.user_properties.append((_MEASURED, words))


def told(reports: list[pytest.TestReport]) -> list[str]:
    """A line for each thing counted: how many of how many, altogether and by part."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    measured = [str(value) for report in reports for name, value in report.user_properties if name == _MEASURED]
    for report in reports:
        for name, value in report.user_properties:
            if name == _PROPERTY:
                what, part, done, of = cast("tuple[str, str, int, int]", value)
                found[what][part][0] += done
                found[what][part][1] = of
    return measured + [
        f"{what}: {sum(done for done, _ in parts.values())} of {sum(of for _, of in parts.values())} ("
        + ", ".join(f"{part} {done} of {of}" for part, (done, of) in sorted(parts.items()))
        + ")"
        for what, parts in sorted(found.items())
    ]

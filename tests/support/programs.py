"""Programs that tests run: a missing one is a failure that names its Debian package, never a test passed over."""

import shutil

import pytest


def program(name: str, package: str) -> str:
    """The path of a program; ``package`` is the Debian package that has it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{name} is missing; the Debian package {package} has it: as root, scripts/install --dev")
    return found

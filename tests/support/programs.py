"""Programs that tests run: a missing one is a failure that names its Debian package, never a test passed over."""

import shutil

import pytest


def program(name: str, package: str) -> str:
    """The path of a program; ``package`` is the Debian package that has it."""
    return _found(name, package, "scripts/install --dev")


def rare_program(name: str, package: str) -> str:
    """The path of a program that only soak tests run: ``scripts/install`` spares everybody else its package."""
    return _found(name, package, f"apt-get install --no-install-recommends {package}")


def _found(name: str, package: str, remedy: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{name} is missing; the Debian package {package} has it: as root, {remedy}")
    return found

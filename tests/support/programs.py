"""Programs that tests run: missing ones are skipped on a person's machine, and an error where ``CI`` is set."""

import os
import shutil

import pytest


def program(name: str, package: str) -> str:
    """The path of a program; ``package`` is the Debian package that has it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        message = f"{name} is missing; the Debian package {package} has it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found

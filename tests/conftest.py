"""What tests of every room may need."""

import os
import shutil

import pytest


def pytest_configure() -> None:
    """Keep a person's own box out of the tests: what their environment says of it is forgotten."""
    for name in [name for name in os.environ if name.startswith(("MEMBOX_", "BRAINSTEM_"))]:
        if name != "MEMBOX_CHROMIUM":
            del os.environ[name]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: `$MEMBOX_CHROMIUM`, else the first of its names on PATH (as in .ci/browser)."""
    names = (os.environ.get("MEMBOX_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    for name in filter(None, names):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium: install Debian's chromium or say where it is with MEMBOX_CHROMIUM")

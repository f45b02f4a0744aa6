"""What tests of every room may need."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.storage import Database, open_database

FOR_TESTS = {"MEMBOX_CHROMIUM", "MEMBOX_KILLS", "MEMBOX_SEED"}  # these speak to the tests themselves


def pytest_configure() -> None:
    """Keep a person's own box out of the tests, and let Ctrl-C work in what they start.

    What the environment says of a box is forgotten, and so are the person's login and keyring. A shell starts
    background jobs with SIGINT ignored, and their children would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith(("MEMBOX_", "BRAINSTEM_"))]:
        if name not in FOR_TESTS:
            del os.environ[name]
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="membox-config-")


def pytest_unconfigure() -> None:
    """Clear away what `pytest_configure` made."""
    shutil.rmtree(os.environ["XDG_CONFIG_HOME"])


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: `$MEMBOX_CHROMIUM`, else the first of its names on PATH (as in .ci/browser)."""
    names = (os.environ.get("MEMBOX_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    for name in filter(None, names):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium: install Debian's chromium or say where it is with MEMBOX_CHROMIUM")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed, empty database file of the newest schema; migrated once, since that starts a process."""
    path = tmp_path_factory.mktemp("database") / "membox.db"
    open_database(path).close()
    return path


@pytest.fixture(params=["sqlite"])
def database(request: pytest.FixtureRequest, empty_database: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty store; a further dialect is a further parameter."""
    assert request.param == "sqlite"
    path = tmp_path / "membox.db"
    shutil.copy(empty_database, path)
    opened = open_database(path)
    yield opened
    opened.close()

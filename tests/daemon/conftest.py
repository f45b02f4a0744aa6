"""A home to serve."""

import shutil
from pathlib import Path

import pytest

from appliance.box import open_box
from appliance.lease import COMMAND, Lease


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home, made once: making one takes as long as all the rest of a start."""
    home = tmp_path_factory.mktemp("made") / "box"
    with Lease.acquire(home, COMMAND):
        open_box(home).close()
    return home


@pytest.fixture
def home(tmp_path: Path, made_home: Path) -> Path:
    shutil.copytree(made_home, tmp_path / "box")
    return tmp_path / "box"

"""Boxes with something in them, and a mirror beside them."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.box import Box, open_box
from appliance.config_file import set_value
from appliance.lease import COMMAND, Lease
from appliance.memory.models import NewItem, RememberRequest
from appliance.notebook.models import Note
from appliance.principal import Role

OWNER = "owner"


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "box"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "usb" / "mirror"


def fill(box: Box) -> None:
    """What a person leaves in a box: notes, an edited file, items, a key."""
    for number in range(3):
        box.notebook.capture(Note(text=f"Note {number}: the spare key is in the blue tin"), OWNER)
    box.notebook.save("projects/garden.md", "# Garden\n\nThe plum tree bears every second year.\n", 0, OWNER)
    box.notebook.save("projects/garden.md", "# Garden\n\nThe plum tree bears every third year.\n", 1, OWNER)
    items = [NewItem.model_validate({"type": "fact", "text": f"Fact {n}: rosemary wants dry soil"}) for n in range(5)]
    request = RememberRequest(tenant_id="home", agent_id=OWNER, items=items)
    box.memory.remember(box.access.owner, request)
    box.access.create_key("phone", "home", "phone", Role.CAPTURE)


@pytest.fixture
def opened(clock: Clock) -> Iterator[Callable[[Path], Box]]:
    """Opens boxes as a command does, and closes them at the end."""
    at_end: list[Callable[[], None]] = []

    def opening(home: Path) -> Box:
        held = Lease.acquire(home, COMMAND)
        box = open_box(home, clock)
        at_end.extend([held.release, box.close])
        return box

    yield opening
    for end in reversed(at_end):
        end()


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed home with something in it, made once; tests work on copies."""
    home = tmp_path_factory.mktemp("filled") / "box"
    home.mkdir(mode=0o700)
    box = open_box(home, Clock())
    fill(box)
    box.close()
    return home


@pytest.fixture
def box(home: Path, mirror: Path, filled_home: Path, opened: Callable[[Path], Box]) -> Box:
    """An open box with something in it, its mirror configured, its disk there."""
    shutil.copytree(filled_home, home)
    mirror.parent.mkdir()
    set_value(home, "daemon.backup_mirror_path", str(mirror), {})
    return opened(home)


@pytest.fixture(scope="session")
def restic() -> str:
    """The path of restic; tests that need it are skipped where it is not installed."""
    if path := shutil.which("restic"):
        return path
    pytest.skip("no restic: install Debian's package restic")

"""Two homes that share a database: one keeps the notebook at a time, and files of before take nothing back."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import UnavailableError
from appliance.notebook.service import Notebook
from appliance.storage import open_postgres

GARDEN = "projects/garden.md"
OLD = "# Garden\n\nplum\n\npear\n\nfig\n"
NEW = "# Garden\n\nplum\n\nquince\n\nfig\n"

Keep = Callable[[str], Notebook]


@pytest.fixture
def keep(postgres_dsn: str, tmp_path: Path, index: Any, clock: Any) -> Iterator[Keep]:
    """Opens the notebook in the home of that name, whose turn it is once the one before has ended."""
    with ExitStack() as open_now:

        def opened(home: str) -> Notebook:
            open_now.close()
            database = open_postgres(postgres_dsn)
            open_now.callback(database.close)
            notebook = Notebook(tmp_path / home, database, index, "Europe/Berlin", clock)
            notebook.settle()
            return notebook

        yield opened


@pytest.fixture
def stale(keep: Keep) -> None:
    """The home `one` has kept the garden, and `two` has changed it since."""
    first = keep("one").save(GARDEN, OLD, 0, "ada")
    keep("two").save(GARDEN, NEW, first.version, "ada")


def test_who_takes_over_writes_the_files_into_its_own_home(keep: Keep, tmp_path: Path) -> None:
    keep("one").save(GARDEN, OLD, 0, "ada")
    assert keep("two").read(GARDEN).text == OLD
    assert (tmp_path / "two" / GARDEN).read_text() == OLD


def test_a_file_of_before_is_brought_to_the_newest_version(stale: None, keep: Keep, tmp_path: Path) -> None:
    assert (tmp_path / "one" / GARDEN).read_text() == OLD
    notebook = keep("one")
    assert notebook.read(GARDEN).text == NEW
    assert (tmp_path / "one" / GARDEN).read_text() == NEW
    assert len(notebook.past.history(GARDEN)) == 2


def test_a_file_of_before_that_was_edited_is_merged(stale: None, keep: Keep, tmp_path: Path) -> None:
    (tmp_path / "one" / GARDEN).write_text(OLD.replace("fig", "fig and vine"))
    assert keep("one").read(GARDEN).text == NEW.replace("fig", "fig and vine")


def test_a_file_that_was_deleted_meanwhile_goes_and_one_that_is_missing_comes(keep: Keep, tmp_path: Path) -> None:
    notebook = keep("one")
    notebook.save(GARDEN, OLD, 0, "ada")
    notebook.save("projects/shed.md", "# Shed\n", 0, "ada")
    second = keep("two")
    (tmp_path / "two" / GARDEN).unlink()
    second.notice()
    until_noticed(second, GARDEN)
    (tmp_path / "one" / "projects/shed.md").unlink()
    keep("one")
    assert not (tmp_path / "one" / GARDEN).exists()
    assert (tmp_path / "one" / "projects/shed.md").read_text() == "# Shed\n"


def test_what_was_forgotten_meanwhile_does_not_come_back_with_a_file_of_before(
    keep: Keep, tmp_path: Path, clock: Any
) -> None:
    keep("one").save(GARDEN, OLD, 0, "ada")
    written = clock().timestamp()
    os.utime(tmp_path / "one" / GARDEN, (written, written))
    clock.pass_time(hours=1)
    keep("two").forget(GARDEN, 5, 5, "ada")
    notebook = keep("one")
    assert "pear" not in notebook.read(GARDEN).text
    assert "pear" not in (tmp_path / "one" / GARDEN).read_text()
    assert all("pear" not in notebook.past.version(GARDEN, each.number) for each in notebook.past.history(GARDEN))


def test_without_its_turn_a_home_reads_what_the_other_writes_and_writes_nothing(
    keep: Keep, postgres_dsn: str, tmp_path: Path, index: Any, clock: Any
) -> None:
    keeper = keep("one")
    database = open_postgres(postgres_dsn)
    reader = Notebook(tmp_path / "two", database, index, "Europe/Berlin", clock)
    reader.settle()
    keeper.save(GARDEN, OLD, 0, "ada")
    assert reader.read(GARDEN).text == OLD
    assert GARDEN in [document.path for document in reader.documents()]
    with pytest.raises(UnavailableError) as refused:
        reader.save(GARDEN, NEW, 1, "bob")
    assert refused.value.word == "kept_elsewhere"
    assert not (tmp_path / "two").exists()
    database.close()


def until_noticed(notebook: Notebook, path: str) -> None:
    """Wait until a file that is gone counts as deleted: it must stay away for a second."""
    while path in [document.path for document in notebook.documents()]:
        notebook.notice()
        time.sleep(0.05)

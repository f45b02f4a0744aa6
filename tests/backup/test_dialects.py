"""Copies of a box on SQLite and of one on PostgreSQL: consistent while writes go on, whole, and a box again."""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.backup.restore import restore
from appliance.box import Box, move_to_postgres
from appliance.config_file import set_value
from appliance.memory.models import NewItem, RecallRequest, RememberRequest, Scope
from appliance.memory.registry_models import ModelKind, ModelRequest, RegisterRequest, SignalRequest
from appliance.notebook.models import Note
from appliance.storage.copies import reading
from appliance.storage.schema import audit_log, memory_items, model_events, model_signals
from tests.backup.conftest import OWNER, Clock

ASKED = {"tenant_id": "home", "agent_id": OWNER}
COPIES = int(os.environ.get("MEMBOX_COPIES", "0"))  # to be taken of each dialect, where somebody says how many


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, home: Path, filled_home: Path, mirror: Path) -> Box:
    """An open box with something in it, of each dialect, with a mirror."""
    shutil.copytree(filled_home, home)
    mirror.parent.mkdir()
    set_value(home, "daemon.backup_mirror_path", str(mirror), {})
    if request.param == "postgres":
        move_to_postgres(home, request.getfixturevalue("postgres_dsn"))
    # Asked for last, so that the box is closed before its database goes.
    box: Box = request.getfixturevalue("opened")(home)
    return box


def register(box: Box, version: str) -> None:
    request = RegisterRequest(**ASKED, version=version, rollout_percent=10)
    box.registry.register(box.access.owner, ModelKind.RERANKER, request)
    signal = SignalRequest(**ASKED, version=version, metric="ndcg", value=0.5)
    box.registry.signal(box.access.owner, ModelKind.RERANKER, signal)


def remember(box: Box, text: str) -> None:
    request = RememberRequest(**ASKED, items=[NewItem.model_validate({"type": "fact", "text": text})])
    box.memory.remember(box.access.owner, request)


@pytest.fixture
def busy(either: Box) -> Iterator[Callable[[], int]]:
    """Writes all the time, to every part of the box; says how often it has."""
    stopping, faults, rounds = threading.Event(), list[BaseException](), [0]

    def write(number: int) -> None:
        try:
            while not stopping.is_set():
                rounds[0] += 1
                remember(either, f"Fact {number}.{rounds[0]}: thyme wants sun")
                register(either, f"candidate-{number}-{rounds[0]}")
                either.notebook.capture(Note(text=f"Note {number}.{rounds[0]}"), OWNER)
        except BaseException as fault:  # noqa: BLE001 - told by the test's own thread
            faults.append(fault)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    yield lambda: rounds[0]
    stopping.set()
    for thread in threads:
        thread.join()
    assert not faults


def test_every_copy_taken_under_constant_writes_is_whole(either: Box, busy: Callable[[], int], clock: Clock) -> None:
    wanted = COPIES or (12 if either.database.backend == "sqlite" else 3)
    for _ in range(wanted):
        before = busy()
        either.backup.mirror()
        while busy() < before + 2:  # the next copy has something new
            threading.Event().wait(0.001)
    reports = either.backup.verify()
    assert [report.faults for report in reports] == [[]] * wanted


def test_a_copy_sees_one_moment(either: Box, busy: Callable[[], int]) -> None:
    """What was written later is not in a copy that lacks what was written before it."""
    copy = either.backup.mirror().generation
    (found,) = [each.path for each in either.backup.generations() if each.name == copy]
    with reading(found / "membox.db") as conn:
        registered = [json.loads(row.payload)["version"] for row in conn.execute(model_events.select())]
        judged = [row.version for row in conn.execute(model_signals.select())]
    for number in range(2):
        mine = [version for version in registered if version.startswith(f"candidate-{number}-")]
        since = [version for version in judged if version.startswith(f"candidate-{number}-")]
        assert since in (mine, mine[:-1])


def test_a_restored_box_is_the_same_registry_included(either: Box, tmp_path: Path, opened: Any) -> None:
    register(either, "candidate-7")
    remember(either, "Rosemary wants dry soil, and no frost")
    asked = RecallRequest(**ASKED, scope=Scope.TEAM, query="rosemary soil")
    kind, request = ModelKind.RERANKER, ModelRequest(**ASKED)
    before = either.memory.recall(either.access.owner, asked).items
    state = either.registry.state(either.access.owner, kind, request)
    either.backup.mirror()
    restored = restore(either.backup.required_mirror(), tmp_path / "again")
    assert restored.counts["signals"] == 1
    again: Box = opened(tmp_path / "again")
    assert again.database.backend == "sqlite"
    assert again.memory.recall(again.access.owner, asked).items == before
    assert again.registry.state(again.access.owner, kind, request) == state
    with again.database.read() as conn, either.database.read() as first:
        for table in (memory_items, audit_log, model_events):
            assert set(map(tuple, conn.execute(table.select()))) == set(map(tuple, first.execute(table.select())))

"""Two daemons and three workers on one PostgreSQL: nothing lost, nothing done twice, nobody told of what is not so."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import count, cycle
from pathlib import Path
from typing import Any

import psycopg
import pytest

WHO = {"tenant_id": "home", "agent_id": "tester"}
SECONDS = 60.0

Daemons = tuple[Any, Any]


def until(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` gives once that is something."""
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


@pytest.fixture
def environment(postgres_dsn: str) -> dict[str, str]:
    return {
        "MEMBOX_STORE_BACKEND": "postgres",
        "MEMBOX_POSTGRES_DSN": postgres_dsn,
        "MEMBOX_JOB_WORKER_ENABLED": "false",
    }


@pytest.fixture
def daemons(make_daemon: Callable[..., Any], environment: dict[str, str], tmp_path: Path) -> Daemons:
    """Two daemons with homes of their own; the first keeps the notebook."""
    first = make_daemon(tmp_path / "one", environment=environment).start()
    return first, make_daemon(tmp_path / "two", environment=environment).start()


@pytest.fixture
def start_workers(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[int], list[int]]]:
    """Starts `membox worker` some times; their process ids."""
    running: list[subprocess.Popen[bytes]] = []

    def start(number_of_them: int) -> list[int]:
        for number in range(number_of_them):
            own = {**os.environ, **environment, "MEMBOX_HOME": str(tmp_path / f"worker{number}")}
            (tmp_path / f"worker{number}").mkdir()
            (tmp_path / f"worker{number}" / "config.toml").touch()
            log = (tmp_path / f"worker{number}.log").open("w")
            command = [sys.executable, "-m", "appliance.cli.main", "worker"]
            running.append(subprocess.Popen(command, env=own, stdout=log, stderr=log, cwd=Path(__file__).parents[2]))
        return [process.pid for process in running]

    yield start
    for process in running:
        process.kill()
        process.wait()


def remember(daemon: Any, text: str, **more: Any) -> str:
    item = {"type": "fact", "text": text, **more.pop("item", {})}
    status, answer = daemon.ask("POST", "/v0/memory/remember", {**WHO, "scope": "private", "items": [item], **more})
    assert status == 200, answer
    return str(answer["memory_ids"][0])


def recalled(daemon: Any, query: str) -> list[str]:
    status, answer = daemon.ask("POST", "/v0/memory/recall", {**WHO, "scope": "private", "query": query})
    assert status == 200, answer
    return [item["text"] for item in answer["items"]]


def test_what_one_daemon_is_told_the_other_knows_at_its_next_request(daemons: Daemons) -> None:
    first, second = daemons
    remember(second, "the gate code is 4711")
    assert recalled(first, "gate code") == ["the gate code is 4711"]

    asked = {"name": "phone", "role": "reader", "agent_id": "phone"}
    status, key = first.ask("POST", "/v1/keys", asked)
    assert status in (200, 201), key
    request = {"tenant_id": "home", "agent_id": "phone", "scope": "team", "query": "gate"}

    def by_key() -> int:
        headers = {"Authorization": f"Bearer {key['key']}"}
        return int(second.ask("POST", "/v0/memory/recall", request, headers)[0])

    assert by_key() == 200
    assert first.ask("DELETE", f"/v1/keys/{key['key_id']}")[0] == 200
    assert by_key() == 401

    status, refusal = second.ask("POST", "/note", {"text": "a note at the wrong door"})
    assert (status, refusal) == (503, {"error": "kept_elsewhere"})
    assert first.ask("POST", "/note", {"text": "a note at the right one"})[0] == 200
    seen = {check["check"]: check["sentence"] for check in second.ask("GET", "/v1/status")[1]["checks"]}
    assert "serves memory alone" in seen["keeping"]
    assert [document["path"] for document in second.ask("GET", "/v1/notebook/documents")[1]["documents"]]


def test_a_worker_killed_in_mid_job_loses_nothing_and_nothing_is_done_twice(
    daemons: Daemons,
    start_workers: Callable[[int], list[int]],
    postgres_dsn: str,
) -> None:
    expired = {"expires_at": "2020-01-01T00:00:00Z"}
    for number, daemon in zip(range(30), cycle(daemons), strict=False):
        remember(daemon, f"milk number {number} is in the fridge", item=expired)
    kept = remember(daemons[0], "the fridge is green")

    jobs: list[str] = []
    with (
        psycopg.connect(postgres_dsn) as standing_in_the_way,
        psycopg.connect(postgres_dsn, autocommit=True) as looking,
    ):
        standing_in_the_way.execute("LOCK TABLE memory_items IN ACCESS EXCLUSIVE MODE")
        for asked, other in (daemons, daemons[::-1], daemons, daemons[::-1], daemons, daemons[::-1]):
            status, answer = asked.ask("POST", "/v0/memory/cleanup", {"tenant_id": "home"})
            assert status in (200, 202), answer
            jobs.append(answer["job_id"])
            status, job = other.ask("GET", f"/v0/jobs/{jobs[-1]}?tenant_id=home&agent_id=tester")
            assert (status, job["status"]) == (200, "queued")
        pids = start_workers(3)

        def at_work() -> Any:
            found = looking.execute("SELECT job_id, worker FROM jobs WHERE status = 'running'").fetchall()
            return found if len(found) == len(pids) else None

        job_id, worker = until(at_work, "the workers took no jobs")[0]
        os.kill(int(worker.split(":")[1]), signal.SIGKILL)
        standing_in_the_way.rollback()
        # Its lease ends, without a minute of waiting for that.
        looking.execute("UPDATE jobs SET leased_until = 1 WHERE job_id = %s AND status = 'running'", (job_id,))

    def done() -> Any:
        answers = []
        for asked, daemon in zip(jobs, cycle(daemons), strict=False):
            status, answer = daemon.ask("GET", f"/v0/jobs/{asked}?tenant_id=home&agent_id=tester")
            assert status == 200
            answers.append(answer)
        return answers if all(answer["status"] == "completed" for answer in answers) else None

    answers = until(done, "the jobs did not end")
    assert sum(answer["result"]["purged_count"] for answer in answers) == 30
    assert next(answer["attempts"] for answer in answers if answer["job_id"] == job_id) == 2
    with psycopg.connect(postgres_dsn) as conn:
        assert conn.execute("SELECT memory_id FROM memory_items").fetchall() == [(kept,)]


@dataclass
class Harvest:
    """Three who remember and one who notes at a daemon, all the time, until it is gone."""

    daemon: Any
    stored: dict[str, str] = field(default_factory=dict)  # memory ids by the key each was sent with
    noted: list[str] = field(default_factory=list)
    sent: dict[int, str] = field(default_factory=dict)  # the last key of each

    def run_until_killed(self) -> None:
        with ThreadPoolExecutor(4) as pool:
            ended = [pool.submit(self._remember, writer) for writer in range(3)] + [pool.submit(self._note)]
            until(lambda: len(self.stored) > 40 and len(self.noted) > 3, "too little was stored")
            self.daemon.kill()
            for each in ended:
                assert isinstance(each.exception(), OSError | HTTPException | ValueError)

    def _remember(self, writer: int) -> None:
        for number in count():
            key = self.sent[writer] = f"{writer}.{number}"
            self.stored[key] = fact(self.daemon, key)

    def _note(self) -> None:
        for number in count():
            note = f"note {number} of the harvest"
            status, _ = self.daemon.ask("POST", "/note", {"text": note})
            assert status == 200
            self.noted.append(note)


def fact(daemon: Any, key: str) -> str:
    return remember(daemon, f"fact {key} of the harvest", idempotency_key=key)


def test_a_daemon_killed_in_mid_write_loses_nothing_and_the_other_takes_over(
    daemons: Daemons, postgres_dsn: str
) -> None:
    first, second = daemons
    harvest = Harvest(first)
    harvest.run_until_killed()

    # What was acknowledged is known when it is sent again, to the other; what was not is stored now, if not then.
    again = {key: fact(second, key) for key in {*harvest.stored, *harvest.sent.values()}}
    assert {key: again[key] for key in harvest.stored} == harvest.stored
    with psycopg.connect(postgres_dsn) as conn:
        texts = [row[0] for row in conn.execute("SELECT text FROM memory_items WHERE agent_id = 'tester'")]
    assert sorted(texts) == sorted(f"fact {key} of the harvest" for key in again)

    until(lambda: second.ask("POST", "/note", {"text": "after the harvest"})[0] == 200, "the other did not take over")
    day = next((second.home / "notebook" / "sessions").glob("*.md")).read_text()
    assert [note for note in harvest.noted if day.count(f"\n{note}\n") != 1] == []
    assert "after the harvest" in day

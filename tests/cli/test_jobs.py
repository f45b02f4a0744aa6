"""`membox worker`, `membox jobs` and `membox compact`."""

from typing import Any

import pytest

from appliance.box import open_box
from appliance.lease import COMMAND, DAEMON, Lease


def queue(box: Any, kind: str = "reflect", payload: str = "{}") -> str:
    """Queue a job in the home, which no daemon serves; its id."""
    with Lease.acquire(box.home, COMMAND):
        opened = open_box(box.home)
        job_id = opened.jobs.queue.submit("home", "owner", kind, {"window_hours": payload} if payload != "{}" else {})
        opened.close()
    return job_id


def test_a_worker_does_what_is_due_and_ends(box: Any) -> None:
    box("remember", "We decided to paint the house green.")
    job_id = queue(box)
    assert box("jobs", "list").stdout.count("queued") == 1
    assert box("worker", "--once").stdout == "Worked on 1 job.\n"
    shown = box.json("jobs", "show", job_id)
    assert shown["status"] == "completed"
    assert shown["result"]["candidate_facts"] == ["We decided to paint the house green."]
    assert "│ We decided to paint the house green." in box("jobs", "show", job_id).stdout
    assert box("worker", "--once").stdout == "Worked on 0 jobs.\n"


def test_a_dead_letter_is_listed_and_tried_again(box: Any) -> None:
    job_id = queue(box, payload="many")
    box("worker", "--once")
    assert "bad_payload" in box("jobs", "dead-letters").stdout
    assert box.json("jobs", "dead-letters")["count"] == 1
    assert f"Queued again: {job_id}" in box("jobs", "retry", job_id).stdout
    assert "No job failed for good." in box("jobs", "dead-letters").stdout
    assert "only a failed one is retried" in box("jobs", "retry", job_id, code=1).stderr
    assert "no job of that id" in box("jobs", "show", "job_0", code=1).stderr
    assert "no id of a job" in box("jobs", "show", "../x", code=1).stderr


def test_compact_prints_the_summary_and_what_it_saves(box: Any) -> None:
    box("remember", "The boiler is serviced in May.", "--scope", "team")
    box("remember", "The boiler stands in the cellar.", "--scope", "team")
    told = box("compact", "boiler").stdout
    assert "│ The boiler is serviced in May." in told
    assert "Made of 2 items" in told
    assert box.json("compact", "boiler", "--max-source-items", "1")["source_count"] == 1
    assert "nothing to sum up" in box("compact", "zeppelin").stdout


def test_on_postgresql_a_worker_leaves_the_home_to_others(
    box: Any, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MEMBOX_STORE_BACKEND": "postgres", "MEMBOX_POSTGRES_DSN": postgres_dsn}.items():
        box.environ[name] = value
        monkeypatch.setenv(name, value)
    box("remember", "We decided to paint the house blue.")
    job_id = queue(box)
    with Lease.acquire(box.home, DAEMON):
        assert box("worker", "--once").stdout == "Worked on 1 job.\n"
    assert box.json("jobs", "show", job_id)["result"]["candidate_facts"] == ["We decided to paint the house blue."]


@pytest.mark.slow
def test_beside_a_daemon_a_worker_says_that_it_is_not_needed(served: Any) -> None:
    assert "works on the jobs itself" in served("worker").stdout
    served("config", "set", "jobs.worker_enabled", "false")
    assert "jobs.worker_enabled true" in served("worker", "--once", code=2).stderr

"""Reflect and cleanup: queued by who may, done by a worker, and told to whom the job belongs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from appliance.clock import iso, to_ms
from appliance.errors import ConflictError, ForbiddenError, NotFoundError
from appliance.jobs import Jobs, Worker
from appliance.jobs.models import JobAnswer
from appliance.memory import Registry, Work, cleanup, deleting
from appliance.memory.registry_models import HistoryRequest, ModelKind, SignalRequest
from appliance.memory.vectors import Vectors
from appliance.memory.work_models import CleanupRequest, CompactRequest, ReflectRequest
from appliance.storage import Database
from appliance.storage.schema import audit_log, item_vectors, memory_items, similarity_bands, summary_sources

HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def tests_own_the_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a server would tell it."""
    monkeypatch.setattr(database, "shared_time", lambda _conn: None)


@pytest.fixture
def jobs(database: Database, clock: Any) -> Jobs:
    return Jobs(database, clock)


@pytest.fixture
def registry(database: Database, clock: Any) -> Registry:
    return Registry(database, clock, window=2, kept=2)


@pytest.fixture
def work(database: Database, clock: Any, jobs: Jobs, registry: Registry) -> Work:
    return Work(database, clock, jobs, registry, Vectors(database, "off"))


@pytest.fixture
def look(jobs: Jobs) -> Callable[..., JobAnswer]:
    """A job, as somebody sees it."""
    return lambda caller, job_id, explain=False: jobs.job(
        caller.who, job_id, caller.who.tenant_id, caller.who.agent_id, explain
    )


@pytest.fixture
def reflect(work: Work, jobs: Jobs) -> Callable[..., str]:
    """Have the last hours reflected on; the id of the job, which is done."""

    def run(caller: Any, **fields: Any) -> str:
        job_id = work.reflect(caller.who, ReflectRequest.model_validate(caller.request(**fields))).job_id
        assert Worker(jobs.queue, jobs.kinds).run_one()
        return job_id

    return run


@pytest.fixture
def clean_up(work: Work, jobs: Jobs, look: Callable[..., JobAnswer]) -> Callable[..., dict[str, Any] | None]:
    """Have a tenant's expired items deleted; the job's result."""

    def run(boss: Any, grace_hours: int = 0) -> dict[str, Any] | None:
        request = CleanupRequest(tenant_id=boss.who.tenant_id, grace_hours=grace_hours)
        job_id = work.cleanup(boss.who, request).job_id
        Worker(jobs.queue, jobs.kinds).run_one()
        return look(boss, job_id).result

    return run


class TestReflect:
    @pytest.fixture
    def facts(self, reflect: Callable[..., str], look: Callable[..., JobAnswer]) -> Callable[..., list[str]]:
        """What the last hours hold."""

        def run(caller: Any, **fields: Any) -> list[str]:
            result = look(caller, reflect(caller, **fields)).result or {}
            return list(result["candidate_facts"])

        return run

    def test_it_finds_what_was_decided_said_again_or_matters_before_chatter(
        self, ada: Any, facts: Callable[..., list[str]]
    ) -> None:
        for text in (
            "Good morning! The weather looks nice again today. Did you sleep well?",
            "After some talk we decided to deploy on Thursdays. Lunch was quite good.",
            "The release is blocked by the missing certificate. Somebody told a long story.",
            "The printer stands in the blue room. Then everybody went home slowly.",
            "Where are the printouts? The printer stands in the blue room.",
        ):
            ada.keep({"text": text, "type": "event"})
        assert set(facts(ada, max_candidates=3)) == {
            "After some talk we decided to deploy on Thursdays.",
            "The release is blocked by the missing certificate.",
            "The printer stands in the blue room.",
        }

    def test_a_fact_comes_with_its_sources_when_asked_to_explain(
        self, ada: Any, reflect: Callable[..., str], look: Callable[..., JobAnswer]
    ) -> None:
        ids = [ada.keep({"text": f"{day}. We agreed on tea at four.", "type": "event"}) for day in ("Today", "Later")]
        job_id = reflect(ada, max_candidates=1)
        assert look(ada, job_id).result == {
            "candidate_facts": ["We agreed on tea at four."],
            "model_version": "reranker-baseline-v1",
            "model_route": "active",
        }
        (source,) = (look(ada, job_id, explain=True).result or {})["sources"]
        assert set(source["source_memory_ids"]) == set(ids)
        assert (source["why"], source["known"]) == (["repeated", "decided"], False)

    def test_only_the_window_counts(self, ada: Any, clock: Any, facts: Callable[..., list[str]]) -> None:
        now = to_ms(clock())
        ada.keep({"text": "We decided on green paint.", "occurred_at": iso(now - 25 * HOUR_MS)})
        ada.keep({"text": "We decided on white doors.", "occurred_at": iso(now - 23 * HOUR_MS)})
        assert facts(ada) == ["We decided on white doors."]
        assert len(facts(ada, window_hours=48)) == 2

    def test_never_more_than_asked_for(self, ada: Any, facts: Callable[..., list[str]]) -> None:
        ada.remember(*(f"We decided on plan number {n}." for n in range(40)))
        assert len(facts(ada)) == 8
        assert len(facts(ada, max_candidates=32)) == 32

    def test_what_another_may_not_see_is_in_none(
        self, caller: Callable[..., Any], facts: Callable[..., list[str]]
    ) -> None:
        bob = caller("bob")
        bob.keep("We decided on a secret party.", scope="private")
        bob.keep("We decided on a public feast.", scope="team")
        assert facts(caller("ada")) == ["We decided on a public feast."]

    def test_a_summary_adds_nothing(
        self, ada: Any, memory: Any, reflect: Callable[..., str], look: Callable[..., JobAnswer]
    ) -> None:
        said = ada.keep({"text": "We decided on green paint.", "type": "event"})
        memory.compact(ada.who, CompactRequest.model_validate(ada.request(query="paint")))
        (source,) = (look(ada, reflect(ada), explain=True).result or {})["sources"]
        assert (source["source_memory_ids"], source["why"]) == ([said], ["decided"])

    def test_a_known_fact_comes_after_what_is_new(self, ada: Any, facts: Callable[..., list[str]]) -> None:
        ada.keep({"text": "We decided on green paint for us.", "type": "fact"})
        ada.keep({"text": "We decided on white doors for us.", "type": "event"})
        assert facts(ada) == ["We decided on white doors for us.", "We decided on green paint for us."]

    def test_what_is_forgotten_or_expires_leaves_the_result(
        self, ada: Any, clock: Any, reflect: Callable[..., str], look: Callable[..., JobAnswer]
    ) -> None:
        forgotten = ada.keep("We decided on green paint.")
        twice = [ada.keep(f"{day}. We decided on red tiles.") for day in ("Today", "Later")]
        ada.keep({"text": "We decided on white doors.", "expires_at": iso(to_ms(clock()) + HOUR_MS)})
        ada.keep("We decided on blue walls.")
        job_id = reflect(ada)
        ada.forget(forgotten)
        ada.forget(twice[0])
        clock.move(hours=2)
        assert (look(ada, job_id).result or {})["candidate_facts"] == [
            "We decided on red tiles.",
            "We decided on blue walls.",
        ]


class TestCleanup:
    @pytest.fixture
    def boss(self, caller: Callable[..., Any]) -> Any:
        return caller("boss", "admin")

    def test_expired_items_go_with_everything_that_hangs_on_them(
        self, caller: Callable[..., Any], boss: Any, memory: Any, clock: Any, database: Database, clean_up: Any
    ) -> None:
        soon = iso(to_ms(clock()) + HOUR_MS)
        bob = caller("bob")
        bob.remember({"text": "The code of the door is 1234.", "expires_at": soon}, "The code of the gate is 5678.")
        memory.compact(bob.who, CompactRequest.model_validate(bob.request(query="code")))
        clock.move(hours=2)
        assert clean_up(boss) == {"purged_count": 2, "grace_hours": 0}
        with database.read() as conn:
            (left,) = conn.execute(select(memory_items.c.id, memory_items.c.text)).all()
            for table in (similarity_bands, item_vectors):
                assert set(conn.execute(select(table.c.item_id)).scalars()) <= {left.id}
            assert conn.execute(select(summary_sources)).all() == []
            assert (
                conn.execute(select(audit_log.c.subject).where(audit_log.c.action == "cleanup")).scalar() == "2 items"
            )
        assert left.text == "The code of the gate is 5678."
        assert database.check() == []

    def test_signals_that_are_too_many_go_too(self, boss: Any, clean_up: Any, registry: Registry) -> None:
        for value in range(5):
            said = {"version": "a", "metric": "m", "value": value}
            registry.signal(boss.who, ModelKind.RERANKER, SignalRequest.model_validate(boss.request(**said)))
        assert clean_up(boss) == {"purged_count": 0, "grace_hours": 0}
        history = registry.history(boss.who, ModelKind.RERANKER, HistoryRequest.model_validate(boss.request()))
        assert [item.value for item in history.items] == [4, 3]

    def test_what_expired_within_the_grace_stays(self, boss: Any, clock: Any, clean_up: Any) -> None:
        for hours in (1, 3):
            boss.keep({"text": f"Gone in {hours}.", "expires_at": iso(to_ms(clock()) + hours * HOUR_MS)})
        clock.move(hours=5)
        assert clean_up(boss, grace_hours=3) == {"purged_count": 1, "grace_hours": 3}
        assert clean_up(boss, grace_hours=3) == {"purged_count": 0, "grace_hours": 3}

    def test_another_tenants_items_stay(self, caller: Callable[..., Any], boss: Any, clock: Any, clean_up: Any) -> None:
        caller("eve", tenant="elsewhere").keep({"text": "Theirs.", "expires_at": iso(to_ms(clock()))})
        assert clean_up(boss) == {"purged_count": 0, "grace_hours": 0}

    def test_many_go_some_at_a_time_and_each_is_counted_once_whatever_crashes(
        self,
        boss: Any,
        clock: Any,
        database: Database,
        clean_up: Any,
        monkeypatch: pytest.MonkeyPatch,
        jobs: Jobs,
        work: Work,
        look: Callable[..., JobAnswer],
    ) -> None:
        monkeypatch.setattr(cleanup, "_AT_ONCE", 10)
        boss.remember(*({"text": f"Item {n}.", "expires_at": iso(to_ms(clock()) - 1)} for n in range(25)))
        delete, calls = deleting.delete_items, iter(range(9))

        def crashing(conn: Any, rows: Any) -> None:
            delete(conn, rows)
            if next(calls) == 1:
                raise RuntimeError

        monkeypatch.setattr(cleanup, "delete_items", crashing)
        job_id = work.cleanup(boss.who, CleanupRequest(tenant_id="home")).job_id
        worker = Worker(jobs.queue, jobs.kinds)
        worker.run_one()
        with database.read() as conn:
            assert conn.execute(select(func.count()).select_from(memory_items)).scalar() == 15
        clock.move(seconds=10)
        worker.run_one()
        assert look(boss, job_id).result == {"purged_count": 25, "grace_hours": 0}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_forgotten_words_are_in_no_file_though_they_were_summed_up_and_reflected_on(
    ada: Any, memory: Any, database: Database, reflect: Callable[..., str], tmp_path: Path
) -> None:
    secret = ada.keep({"text": "We decided that zanzibarwhistle opens the gate.", "type": "event"})
    ada.keep("The gate is green.")
    memory.compact(ada.who, CompactRequest.model_validate(ada.request(query="gate")))
    reflect(ada)
    assert ada.recall("zanzibarwhistle")
    ada.forget(secret)
    database.scrub()
    assert [path.name for path in tmp_path.iterdir() if b"zanzibarwhistle" in path.read_bytes()] == []


class TestWhoMaySee:
    def test_a_job_is_its_agents_and_the_admins(
        self, caller: Callable[..., Any], reflect: Callable[..., str], look: Callable[..., JobAnswer]
    ) -> None:
        job_id = reflect(caller("ada"))
        assert look(caller("ada", "reader"), job_id) == look(caller("boss", "admin"), job_id)
        for role in ("reader", "writer"):
            with pytest.raises(ForbiddenError, match="another agent"):
                look(caller("bob", role), job_id)
        with pytest.raises(NotFoundError):
            look(caller("ada", "admin", "elsewhere"), job_id)

    def test_a_list_has_an_agents_own_jobs_and_an_admins_all(
        self, caller: Callable[..., Any], reflect: Callable[..., str], jobs: Jobs
    ) -> None:
        mine, other = reflect(caller("ada")), reflect(caller("bob"))
        assert [job.job_id for job in jobs.list(caller("ada").who, "home", "ada", None, 9).items] == [mine]
        everything = jobs.list(caller("boss", "admin").who, "home", "boss", "completed", 9)
        assert [job.job_id for job in everything.items] == [other, mine]
        assert jobs.list(caller("boss", "admin").who, "home", "boss", "queued", 9).items == []

    def test_a_dead_letter_is_an_admins_to_see_and_to_try_again(
        self, caller: Callable[..., Any], jobs: Jobs, look: Callable[..., JobAnswer], work: Work
    ) -> None:
        boss, ada = caller("boss", "admin"), caller("ada")
        job_id = jobs.queue.submit("home", "ada", "reflect", {"window_hours": "many"})
        worker = Worker(jobs.queue, jobs.kinds)
        worker.run_one()
        (dead,) = jobs.dead_letters(boss.who, "home", "boss", 50).items
        assert (dead.job_id, dead.status, (dead.error or "")[:11]) == (job_id, "failed", "bad_payload")
        with pytest.raises(ForbiddenError, match="insufficient_role"):
            jobs.dead_letters(ada.who, "home", "ada", 50)
        with pytest.raises(ForbiddenError, match="insufficient_role"):
            jobs.retry(ada.who, job_id, "home", "ada")
        assert jobs.retry(boss.who, job_id, "home", "boss").status == "queued"
        with pytest.raises(ConflictError, match="only a failed one"):
            jobs.retry(boss.who, job_id, "home", "boss")
        assert jobs.dead_letters(boss.who, "home", "boss", 50).count == 0

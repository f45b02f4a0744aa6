"""Traces of recalls: numbers without words, bounded, left by what is forgotten, and kept when somebody judged them."""

import threading
from array import array
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from appliance.memory import Memory, Registry
from appliance.memory import traces as module
from appliance.memory.deleting import delete_items
from appliance.memory.features import NAMES
from appliance.memory.registry_models import ModelKind, RegisterRequest, SignalRequest
from appliance.memory.traces import Traces, new_trace_id, verdict_on
from appliance.principal import Principal, Role
from appliance.storage import Database
from appliance.storage.absent import insert_absent
from appliance.storage.schema import memory_items, recall_trace_items, recall_traces

MEASURED = [0.5] * len(NAMES)
NOWHERE = (0, MEASURED)  # no item has that row


@pytest.fixture
def traces(memory: Memory) -> Traces:
    return memory.traces


@pytest.fixture
def count(database: Database) -> Callable[[], tuple[int, int]]:
    """How many traces are stored, and how many candidates in them."""

    def counted() -> tuple[int, int]:
        with database.read() as conn:
            tables = (recall_traces, recall_trace_items)
            first, second = (conn.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)
        return first, second

    return counted


@pytest.fixture
def row_id(database: Database) -> Callable[[str], int]:
    def of(memory_id: str) -> int:
        with database.read() as conn:
            found = conn.execute(select(memory_items.c.id).where(memory_items.c.memory_id == memory_id))
            return int(found.scalar_one())

    return of


@pytest.fixture
def judge(database: Database, clock: Any, traces: Traces) -> Callable[..., None]:
    """Records a signal about an item of a recall."""
    registry = Registry(database, clock, judged=traces.judged)

    def record(trace_id: str, memory_id: str, value: float = 1.0, tenant: str = "home") -> None:
        request = SignalRequest(
            tenant_id=tenant,
            agent_id="ada",
            version="v",
            metric="helpful",
            value=value,
            source=f"{trace_id}:{memory_id}",
        )
        registry.signal(Principal(tenant, "ada", Role.ADMIN), ModelKind.RERANKER, request)

    return record


@pytest.mark.parametrize(
    "source",
    [
        "benchmark",
        "rec_1:mem_1",
        "rec_0123456789abcdef",
        "rec_0123456789ABCDEF:mem_1",
        "rec_0123456789abcdef:",
        "mem_1",
        "",
    ],
)
def test_only_a_recall_and_an_item_make_a_verdict(source: str) -> None:
    assert verdict_on(source) is None


def test_the_number_of_a_trace_fits_into_any_database() -> None:
    for digits in ("0" * 16, "f" * 16, new_trace_id().removeprefix("rec_")):
        verdict = verdict_on(f"rec_{digits}:mem_1")
        assert verdict is not None
        assert -(2**63) <= verdict[0] < 2**63


def test_a_trace_is_stored_later_once_and_without_words(
    ada: Any, traces: Traces, count: Callable[[], Any], row_id: Callable[[str], int], database: Database
) -> None:
    ids = [row_id(ada.keep(text)) for text in ("the gate code is 4711", "the gate was painted")]
    traces.note("home", new_trace_id(), 12, [(each, MEASURED) for each in ids])
    assert count() == (0, 0)
    traces.store()
    traces.store()
    assert count() == (1, 2)
    with database.read() as conn:
        (trace,) = conn.execute(select(recall_traces)).mappings()
        items = conn.execute(select(recall_trace_items).order_by(recall_trace_items.c.position)).mappings().all()
    assert not any("gate" in str(value) for row in (trace, *items) for value in row.values())
    assert [item["item_id"] for item in items] == ids
    assert len(items[0]["features"]) == 4 * len(NAMES)


def test_a_forgotten_item_leaves_stored_traces_and_those_that_wait(
    ada: Any, traces: Traces, count: Callable[[], Any], row_id: Callable[[str], int]
) -> None:
    kept, forgotten = ada.keep("the gate code is 4711"), ada.keep("the gate was painted")
    candidates = [(row_id(each), MEASURED) for each in (kept, forgotten)]
    traces.note("home", new_trace_id(), 12, candidates)
    traces.store()
    traces.note("home", new_trace_id(), 12, candidates)
    ada.forget(forgotten)
    assert count() == (1, 1)
    traces.store()
    assert count() == (2, 2)


def _waits(database: Database) -> bool:
    """Whether a transaction waits for what another holds."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.read() as conn:
        return bool(conn.exec_driver_sql(asked).scalar_one())


@pytest.mark.parametrize("database", ["postgres"], indirect=True)  # elsewhere writes stand one after the other
def test_a_forget_that_meets_a_trace_being_stored_takes_the_item_out_of_it(
    ada: Any,
    traces: Traces,
    count: Callable[[], Any],
    row_id: Callable[[str], int],
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, forgotten = ada.keep("the gate code is 4711"), ada.keep("the gate was painted")
    traces.note("home", new_trace_id(), 12, [(row_id(each), MEASURED) for each in (kept, forgotten)])
    forgetting = threading.Thread(target=ada.forget, args=(forgotten,))

    def insert_while_forgotten(conn: Connection, table: Any, rows: Any) -> None:
        if table is recall_trace_items:
            forgetting.start()
            deadline = monotonic() + 60
            while not _waits(database):
                assert monotonic() < deadline, "the forget did not wait"
                sleep(0.01)
        insert_absent(conn, table, rows)

    monkeypatch.setattr(module, "insert_absent", insert_while_forgotten)
    traces.store()
    forgetting.join(60)
    assert count() == (1, 1)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_trace_that_is_stored_while_an_item_is_forgotten_does_without_it(
    ada: Any, traces: Traces, count: Callable[[], Any], row_id: Callable[[str], int], database: Database
) -> None:
    kept, forgotten = row_id(ada.keep("the gate code is 4711")), row_id(ada.keep("the gate was painted"))
    traces.note("home", new_trace_id(), 12, [(kept, MEASURED), (forgotten, MEASURED)])
    deleted, go_on = threading.Event(), threading.Event()

    def forget_slowly(conn: Connection) -> None:
        delete_items(conn, conn.execute(select(memory_items).where(memory_items.c.id == forgotten)).all())
        deleted.set()
        assert go_on.wait(60)

    forgetting = threading.Thread(target=database.write, args=(forget_slowly,))
    forgetting.start()
    assert deleted.wait(60)
    traces.store()  # it waits for nobody
    go_on.set()
    forgetting.join(60)
    assert count() == (1, 1)


def test_an_item_that_got_a_forgotten_ones_row_is_not_taken_for_it(
    ada: Any, traces: Traces, count: Callable[[], Any], row_id: Callable[[str], int], clock: Any
) -> None:
    forgotten = ada.keep("the gate was painted")
    traces.note("home", new_trace_id(), 12, [(row_id(forgotten), MEASURED), NOWHERE])
    gone = row_id(forgotten)
    ada.forget(forgotten)
    clock.move(seconds=1)
    later = row_id(ada.keep("the fence was painted"))
    traces.note("home", new_trace_id(), 12, [(gone, MEASURED), NOWHERE])
    traces.store()
    assert count() == (2, 1 if later == gone else 0)


def test_a_verdict_stores_its_trace_at_once(
    ada: Any, traces: Traces, count: Callable[[], Any], row_id: Callable[[str], int], judge: Callable[..., None]
) -> None:
    memory_id = ada.keep("the gate code is 4711")
    trace_id = new_trace_id()
    traces.note("home", trace_id, 12, [(row_id(memory_id), MEASURED), NOWHERE])
    judge(trace_id, memory_id)
    assert count() == (1, 1)
    traces.store()
    judge(trace_id, memory_id, 0.0)
    assert count() == (1, 1)


def test_unjudged_traces_go_after_a_week_and_judged_ones_when_they_can_teach_no_more(
    ada: Any,
    memory: Memory,
    traces: Traces,
    count: Callable[[], Any],
    row_id: Callable[[str], int],
    judge: Callable[..., None],
    clock: Any,
) -> None:
    memory_id = ada.keep("the gate code is 4711")
    judged, others = new_trace_id(), new_trace_id()
    for trace_id in (judged, others):
        traces.note("home", trace_id, 12, [(row_id(memory_id), MEASURED), NOWHERE])
    traces.store()
    judge(judged, memory_id)
    judge(others, memory_id, tenant="away")
    clock.move(days=6)
    memory.purge()
    assert count() == (2, 2)
    clock.move(days=2)
    memory.purge()
    assert count() == (1, 1)
    clock.move(days=180)
    memory.purge()
    assert count() == (0, 0)


def test_of_a_tenant_only_so_many_traces_are_kept_the_newest(
    memory: Memory, traces: Traces, count: Callable[[], Any], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    for tenant in ("home", "away"):
        for _ in range(5):
            clock.move(seconds=1)
            traces.note(tenant, new_trace_id(), 12, [NOWHERE, NOWHERE])
    traces.store()
    memory.purge()
    assert count() == (6, 0)


def test_a_box_that_is_never_purged_stays_bounded(
    traces: Traces, count: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    monkeypatch.setattr(module, "_AT_ONCE", 8)
    monkeypatch.setattr(module, "_STORED_BETWEEN_PURGES", 16)
    monkeypatch.setattr(module, "_WAITING", 20)
    for _ in range(30):
        for _ in range(10):
            traces.note("home", new_trace_id(), 12, [NOWHERE, NOWHERE])
        traces.store()
    assert count()[0] <= 10 + 16


def test_a_recall_leaves_a_trace_that_can_be_judged(
    ada: Any, traces: Traces, count: Callable[[], Any], judge: Callable[..., None], database: Database
) -> None:
    for text in ("the gate code is 4711", "the gate was painted", "the gate"):
        ada.keep(text)
    answer = ada.ask("gate code")
    judge(answer.trace_id, answer.items[0].memory_id)
    assert count() == (1, len(answer.items))
    with database.read() as conn:
        first = select(recall_trace_items.c.features).where(recall_trace_items.c.position == 0)
        features = array("f", conn.execute(first).scalar_one())
    assert features[NAMES.index("lexical")] == 1.0


def test_a_recall_with_nothing_to_compare_leaves_no_trace(ada: Any, traces: Traces, count: Callable[[], Any]) -> None:
    ada.keep("the gate code is 4711")
    ada.ask("gate")
    ada.ask("harbour")
    traces.store()
    assert count() == (0, 0)


def test_a_recall_that_was_asked_for_more_keeps_more_candidates(
    ada: Any, traces: Traces, count: Callable[[], Any]
) -> None:
    ada.remember(*(f"gate number {number}" for number in range(40)))
    ada.ask("gate")
    ada.ask("gate", budget={"max_items": 30})
    ada.ask("gate", budget={"max_items": 100})
    traces.store()
    assert count() == (3, 16 + 30 + 32)


def test_the_version_a_recall_is_routed_to_ranks_it(ada: Any, memory: Memory, database: Database, clock: Any) -> None:
    plain, policy = (
        ada.keep("the gate code"),
        ada.keep({"type": "policy", "text": "the gate code must be secret words"}),
    )
    assert [item.memory_id for item in ada.ask("gate code").items] == [plain, policy]
    weights = dict.fromkeys(NAMES, 0.0) | {"salience": 1.0}
    request = RegisterRequest(tenant_id="home", agent_id="ada", version="by salience", tenant_allowlist=["home"])
    registry, admin = Registry(database, clock), Principal("home", "ada", Role.ADMIN)
    database.write(lambda conn: registry.register_in(conn, admin, ModelKind.RERANKER, request, weights))
    answer = ada.ask("gate code")
    assert (answer.model_version, answer.model_route) == ("by salience", "canary_allowlist")
    assert [item.memory_id for item in answer.items] == [policy, plain]


def test_what_a_command_of_its_own_recalled_is_kept_when_it_ends(
    ada: Any, memory: Memory, count: Callable[[], Any]
) -> None:
    ada.remember("the gate code is 4711", "the gate was painted")
    ada.ask("gate")
    memory.close()
    assert count() == (1, 2)

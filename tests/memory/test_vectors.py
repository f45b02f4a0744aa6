"""Recall by meaning as callers see it: a moment after remembering, and not at all where no model works."""

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from appliance.errors import NotConfiguredError
from appliance.jobs import Jobs, Worker
from appliance.memory import Memory, Registry, Work
from appliance.memory import vectors as vectors_module
from appliance.memory.vectors import Vectors
from appliance.principal import Principal, Role
from appliance.storage import Database
from tests.memory.conftest import Caller, MovableClock

PHOTOS, PEANUTS = "The backup of the photos runs at night.", "Luisa is allergic to peanuts."
QUESTION = "copying pictures"


class Pictures:
    """A model that knows two matters: pictures, and all else. It fails while told to."""

    name, dims, floor = "pictures-1", 4, 0.8

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.before: Callable[[], object] = lambda: None
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.before()
        if self.fault:
            raise self.fault
        self.asked += texts
        about = [[1, 0, 0, 0] if "photo" in text or "picture" in text else [0, 1, 0, 0] for text in texts]
        return np.array(about, dtype=np.float32)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Pictures:
    model = Pictures()
    monkeypatch.setattr(vectors_module, "embedder", lambda _size: model)
    return model


@pytest.fixture
def memory(database: Database, clock: MovableClock, model: Pictures) -> Memory:
    return Memory(database, clock, embedding="light")


@pytest.fixture
def me(memory: Memory) -> Caller:
    return Caller(memory, Principal("home", "me", Role.WRITER))


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that vectors count, which a test moves."""
    now = [1000.0]
    monkeypatch.setattr(vectors_module, "monotonic", lambda: now[0])
    return now


def test_what_shares_no_word_with_the_question_is_found_once_it_has_its_vector(me: Caller, memory: Memory) -> None:
    me.remember(PHOTOS, PEANUTS)
    assert me.recall(QUESTION) == []
    assert me.recall("peanuts") == [PEANUTS]
    assert (memory.vectors.behind(), memory.vectors.is_behind()) == (2, True)
    assert memory.vectors.catch_up()
    assert (memory.vectors.behind(), memory.vectors.is_behind()) == (0, False)
    assert me.recall(QUESTION) == [PHOTOS]


def test_another_agents_private_items_are_not_found_by_meaning(me: Caller, memory: Memory) -> None:
    other = Caller(memory, Principal("home", "other", Role.WRITER))
    foreign = Caller(memory, Principal("elsewhere", "me", Role.WRITER))
    other.remember(PHOTOS)
    foreign.remember("a photo of elsewhere")
    memory.vectors.catch_up()
    assert me.recall(QUESTION) == []
    assert other.recall(QUESTION) == [PHOTOS]


def test_a_forgotten_item_is_not_found_by_its_meaning(me: Caller, memory: Memory) -> None:
    memory_id = me.keep(PHOTOS)
    memory.vectors.catch_up()
    assert me.recall(QUESTION) == [PHOTOS]
    me.forget(memory_id)
    assert me.recall(QUESTION) == []


def test_an_item_forgotten_while_it_is_embedded_stays_forgotten(me: Caller, memory: Memory, model: Pictures) -> None:
    memory_id = me.keep(PHOTOS)
    model.before = lambda: model.asked or me.forget(memory_id)
    assert memory.vectors.catch_up()
    model.before = lambda: None
    me.remember(PEANUTS)
    assert memory.vectors.catch_up()
    assert me.recall(QUESTION) == []


@pytest.mark.parametrize("fault", [RuntimeError("illegal instruction"), ImportError("no onnxruntime"), MemoryError()])
def test_words_answer_where_the_model_fails(
    me: Caller, memory: Memory, model: Pictures, fault: Exception, seconds: list[float]
) -> None:
    model.fault = fault
    me.remember(PHOTOS)
    assert not memory.vectors.catch_up()
    assert me.recall("the backup of photos") == [PHOTOS]
    assert "membox config set memory.embedding" in memory.vectors.fault
    assert str(fault) in memory.vectors.fault
    model.fault = None
    assert not memory.vectors.catch_up(), "it is tried again at once"
    seconds[0] += 3600
    assert memory.vectors.catch_up()
    assert memory.vectors.fault == ""
    assert me.recall(QUESTION) == [PHOTOS]


def test_words_answer_where_no_model_is_installed(
    database: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_size: str) -> Any:
        raise NotConfiguredError("no_embedding_model", "install it")

    monkeypatch.setattr(vectors_module, "embedder", missing)
    memory = Memory(database, clock, embedding="better")
    me = Caller(memory, Principal("home", "me", Role.WRITER))
    me.remember(PHOTOS)
    assert me.recall("photos") == [PHOTOS]
    assert memory.vectors.fault == "install it"
    assert not memory.vectors.catch_up()


def test_switched_off_there_is_nothing_to_do_and_no_fault(database: Database) -> None:
    vectors = Vectors(database, "off")
    assert vectors.catch_up()
    assert vectors.vector_of("a text") is None
    assert (vectors.fault, vectors.behind(), vectors.is_behind()) == ("", 0, False)


def test_catching_up_ends_in_time_and_goes_on_where_it_was(
    me: Caller, memory: Memory, model: Pictures, seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors_module, "_BATCH", 2)
    model.before = lambda: seconds.__setitem__(0, seconds[0] + 3)
    me.remember(*(f"photo {number}" for number in range(6)))
    assert not memory.vectors.catch_up(within=5)
    assert memory.vectors.behind() == 2
    assert memory.vectors.catch_up(within=5)
    assert model.asked == [f"photo {number}" for number in range(6)]


def test_long_texts_are_embedded_a_few_at_a_time(me: Caller, memory: Memory, model: Pictures) -> None:
    sizes: list[int] = []
    model.before = lambda: sizes.append(len(model.asked))
    me.remember(*(f"photo {number} " + "x" * 3900 for number in range(12)))
    memory.vectors.catch_up()
    assert max(later - earlier for earlier, later in pairwise(sizes)) <= 5


def test_two_at_once_embed_nothing_twice(me: Caller, memory: Memory, model: Pictures) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(30)

    model.before = wait
    me.remember(PHOTOS)
    thread = threading.Thread(target=memory.vectors.catch_up)
    thread.start()
    assert begun.wait(30)
    assert not memory.vectors.catch_up()
    go_on.set()
    thread.join(30)
    assert model.asked == [PHOTOS]


def test_reindexing_makes_words_and_vectors_anew(me: Caller, memory: Memory, model: Pictures) -> None:
    me.remember(PHOTOS)
    memory.vectors.catch_up()
    memory.reindex()
    assert memory.vectors.behind() == 1
    assert me.recall(QUESTION) == [PHOTOS]
    assert me.recall("backup") == [PHOTOS]
    assert memory.vectors.catch_up()
    assert model.asked.count(PHOTOS) == 2


def test_where_no_daemon_runs_a_recall_first_makes_what_is_missing(me: Caller, memory: Memory) -> None:
    me.remember(PHOTOS)
    memory.vectors.is_alone = True
    assert me.recall(QUESTION) == [PHOTOS]


def test_a_question_is_embedded_once(me: Caller, memory: Memory, model: Pictures) -> None:
    me.remember(PHOTOS)
    memory.vectors.catch_up()
    me.recall(f"{QUESTION} of a backup")
    assert model.asked.count(f"{QUESTION} of a backup") == 1


def test_a_worker_makes_vectors_once_it_is_asked(
    me: Caller, memory: Memory, model: Pictures, database: Database, clock: MovableClock
) -> None:
    jobs = Jobs(database, clock)
    work = Work(database, clock, jobs, Registry(database, clock, 500), memory.vectors)
    worker = Worker(jobs.queue, jobs.kinds)
    work.embed()
    assert not worker.run_one(), "nothing was missing"
    me.remember(PHOTOS)
    work.embed()
    work.embed()
    assert worker.run_one()
    assert not worker.run_one(), "it was asked twice for one thing"
    assert me.recall(QUESTION) == [PHOTOS]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # a server has a clock of its own
def test_a_worker_whose_model_fails_leaves_the_job_to_be_tried_again(
    me: Caller, memory: Memory, model: Pictures, database: Database, clock: MovableClock, seconds: list[float]
) -> None:
    jobs = Jobs(database, clock)
    work = Work(database, clock, jobs, Registry(database, clock, 500), memory.vectors)
    me.remember(PHOTOS)
    work.embed()
    model.fault = ImportError("no onnxruntime")
    assert Worker(jobs.queue, jobs.kinds).run_one()
    model.fault, seconds[0] = None, seconds[0] + 3600
    clock.move(hours=1)
    assert Worker(jobs.queue, jobs.kinds).run_one()
    assert me.recall(QUESTION) == [PHOTOS]

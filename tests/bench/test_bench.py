"""A tiny run of the whole benchmark against a real daemon, and its parts against what they must be true to."""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from itertools import batched
from pathlib import Path

import pytest

from appliance.bench import __main__ as command
from appliance.bench.chat import Chat
from appliance.bench.floor import Floor, Stored, together
from appliance.bench.load import Load, running
from appliance.bench.measure import Plan
from appliance.bench.pulse import pulse
from appliance.bench.report import Result, percentile, table
from appliance.bench.running_box import RunningBox, recall_body, remember_body
from appliance.errors import UnavailableError
from appliance.text import content_words

TINY = Plan(
    (100, 200), singles=4, per_client=2, notes=2, questions=4, recalls=8, load_seconds=0.2, commands=1, prompts=1
)
MEASURED = [
    "memory of all processes, idle, light",
    "/healthz round trip, p50",
    "/healthz round trip, p95",
    "recall at 100, p50, light",
    "recall at 100, p95, light",
    "recall at 100, 8 clients, p95, light",
    "recall at 100, 8 clients, a second, light",
    "remember, 100 a request, mean to 200",
    "remember in batches, a second",
    "recall at 200, p50, light",
    "recall at 200, p95, light",
    "recall at 200, auth, mean, light",
    "recall at 200, pack, mean, light",
    "recall at 200, rank, mean, light",
    "recall at 200, store, mean, light",
    "recall at 200, total, mean, light",
    "recall at 200, 8 clients, p95, light",
    "recall at 200, 8 clients, a second, light",
    "remember one, p50",
    "remember one, p95",
    "remember one, 8 clients, a second",
    "capture a note, p50",
    "capture a note, p95",
    "memory after 8 recalls at 200, light",
    "/healthz throughout, p95",
    "/healthz under load, p95",
    "`membox note` through the daemon, p50",
    "a message's hook, start to durable, p50",
    "a message's hook, start to durable, p95",
    "memory of all processes, idle, no vectors",
    "recall at 200, p50, no vectors",
    "recall at 200, p95, no vectors",
    "recall at 200, auth, mean, no vectors",
    "recall at 200, pack, mean, no vectors",
    "recall at 200, rank, mean, no vectors",
    "recall at 200, store, mean, no vectors",
    "recall at 200, total, mean, no vectors",
    "recall at 200, 8 clients, p95, no vectors",
    "recall at 200, 8 clients, a second, no vectors",
    "memory after 8 recalls at 200, no vectors",
]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    with RunningBox(tmp_path_factory.mktemp("box") / "home") as running_box:
        yield running_box


@pytest.mark.timeout(300)  # two daemons and many clients, each a process
def test_a_run_prints_every_line_and_writes_them_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "QUICK", TINY)
    assert command.main(["--quick", "--directory", str(tmp_path), "--json", str(tmp_path / "out.json")]) == 0
    printed, progress = capsys.readouterr()
    names = re.findall(r"^\| (\S.*?) +\|", printed, re.MULTILINE)
    assert names[2:] == MEASURED
    assert "recall from 200 items" in progress
    written = json.loads((tmp_path / "out.json").read_text("utf-8"))["results"]
    assert [line["name"] for line in written] == MEASURED
    compared = {line["name"]: line for line in written if line["floor"] is not None}
    assert len(compared) == 16
    assert all(line["ours"] > 0 and line["ratio"] == line["ours"] / line["floor"] for line in compared.values())
    assert not list(tmp_path.glob("membox-bench-*"))  # nothing stays behind


def test_the_floor_ends_up_with_the_rows_of_the_box(box: RunningBox, tmp_path: Path) -> None:
    floor = Floor(tmp_path / "floor" / "floor.db")
    stored = Stored(box.database)
    line = box.line()
    line.post("/v0/memory/remember", remember_body(list(Chat(3).messages(30))))
    for batch in batched(stored.new_items(), 10, strict=False):
        floor.store(together(batch))
    line.post("/note", b'{"text": "The spare key is with Ana"}', {"Idempotency-Key": "one"})
    first, path = stored.new_note("one")
    floor.store_with_file(first, path, (box.home / "notebook" / path).read_bytes())
    line.close()
    ours, theirs = sqlite3.connect(box.database), sqlite3.connect(tmp_path / "floor" / "floor.db")
    for table_name in ("memory_items", "similarity_bands", "notebook_sections", "idempotency"):
        query = f"SELECT * FROM {table_name} ORDER BY 1, 2"
        assert theirs.execute(query).fetchall()
        assert set(theirs.execute(query).fetchall()) <= set(ours.execute(query).fetchall())
    words = "SELECT count(*) FROM memory_fts WHERE memory_fts MATCH 'spare'"
    assert theirs.execute(words).fetchone() == (1,)
    assert theirs.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (tmp_path / "floor" / "files" / path).read_bytes() == (box.home / "notebook" / path).read_bytes()
    floor.close()
    stored.close()


def test_a_refused_request_is_not_taken_for_a_fast_one(box: RunningBox) -> None:
    line = box.line()
    with pytest.raises(UnavailableError, match="422"):
        line.post("/v0/memory/recall", recall_body(""))
    line.close()


def test_several_clients_do_all_their_work(box: RunningBox) -> None:
    load = Load(box.address, box.key, [["one", "two"], ["three"]], [["one"]], seconds=30)
    with running(load) as done:
        ended = done()
    assert (ended.written, ended.recalled) == (3, 1)
    assert ended.seconds > 0


def test_a_pulse_asks_until_the_end(box: RunningBox) -> None:
    with pulse(box.address, box.key) as times:
        assert times == []
    assert times
    assert all(seconds > 0 for seconds in times)


def test_a_pulse_that_is_refused_is_not_taken_for_a_fast_one(box: RunningBox) -> None:
    with pytest.raises(UnavailableError, match="to the end"), pulse(box.address.rpartition(":")[0] + ":1", box.key):
        pass


def test_memory_counts_the_daemon(box: RunningBox) -> None:
    memory = box.memory()
    if memory is None:
        pytest.skip("the kernel does not say how much memory a process takes")
    assert 10 < memory < 500


def test_chat_is_the_same_for_the_same_seed() -> None:
    assert list(Chat(5).messages(20)) == list(Chat(5).messages(20))
    assert list(Chat(5).messages(20)) != list(Chat(6).messages(20))


def test_chat_is_like_chat() -> None:
    messages = list(Chat().messages(4000))
    lengths = [len(message.split()) for message in messages]
    assert 19 <= percentile(lengths, 50) <= 25
    assert 38 <= percentile(lengths, 90) <= 50
    among = Counter(word for message in messages for word in content_words(message))
    commonest = among.most_common(100)
    assert 0.10 < commonest[0][1] / len(messages) < 0.25
    assert 0.003 < commonest[-1][1] / len(messages) < 0.03


def test_a_question_has_words_of_its_message() -> None:
    chat = Chat()
    for message in chat.messages(50):
        asked = content_words(chat.question(message))
        assert 1 <= len(asked) <= 8
        assert set(asked) <= set(content_words(message))


@pytest.mark.parametrize(("percent", "value"), [(50, 5), (95, 10), (10, 1), (100, 10)])
def test_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile([10, 1, 2, 3, 9, 8, 7, 4, 5, 6], percent) == value


def test_the_table_says_ratio_and_verdict() -> None:
    lines = table([Result("a", "ms", 3.0, 1.5, "≤ 2 × floor", True), Result("b", "MB", None)]).splitlines()
    assert re.sub(" +", " ", lines[2]) == "| a | 3.00 ms | 1.50 ms | 2.00 | ≤ 2 × floor | yes |"
    assert "not measured" in lines[3]
    assert len({len(line) for line in lines}) == 1

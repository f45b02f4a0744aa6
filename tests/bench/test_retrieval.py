"""A run stores, asks and judges; what counts as one memory is found once; runs stand side by side."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.bench import plots
from appliance.bench.comparison import Comparison, setups
from appliance.bench.dataset import Dataset, Group
from appliance.bench.metrics import Answered
from appliance.bench.retrieval import (
    BM25,
    VECTORS,
    Run,
    Setup,
    Step,
    Store,
    VectorsAlone,
    full_text_alone,
    run,
)
from appliance.errors import NotConfiguredError

GROUP = Group.model_validate(
    {
        "tenant_id": "one",
        "seeds": [
            {"id": "tin", "text": "The key is in the blue tin."},
            {"id": "tap", "text": "The kitchen tap drips."},
            {"id": "tap.2", "part_of": "tap", "text": "The tap is from 1998."},
        ],
        "cases": [
            {"query": "Where is the key?", "expected": ["tin"], "tags": ["house"]},
            {"query": "Which taps drip?", "expected": ["tap"], "tags": ["water"]},
            {"query": "Nothing is known of this"},
        ],
    }
)
OTHER = Group.model_validate(
    {
        "tenant_id": "two",
        "seeds": [{"id": "tin", "text": "A key ring."}],
        "cases": [{"query": "key", "expected": ["tin"]}],
    }
)
DATASET = Dataset(name="home", path="home.json", groups=(GROUP, OTHER))


@contextmanager
def silent(_label: str, _length: int) -> Iterator[Step]:
    yield lambda _count: None


@contextmanager
def bare(_setup: Setup) -> Iterator[Store]:
    with full_text_alone() as store:
        yield store


def test_bare_full_text_finds_stems_of_its_own_tenant_only() -> None:
    (done,) = run(DATASET, [Setup(BM25)], [1, 5], bare, silent)
    assert [list(each.found) for each in done.answered] == [["tin"], ["tap"], ["tin"]]
    assert done.metrics["fractional_recall@1"] == 1.0
    assert done.slices.keys() == {"house", "water"}


def test_a_question_without_an_answer_is_left_out() -> None:
    (done,) = run(DATASET, [Setup(BM25)], [5], bare, silent)
    assert done.as_json()["case_count"] == 3


def test_progress_is_told_of_every_memory_and_question() -> None:
    told: dict[str, tuple[int, list[int]]] = {}

    @contextmanager
    def heard(label: str, length: int) -> Iterator[Step]:
        steps: list[int] = []
        told[label.rpartition(" ")[2]] = length, steps
        yield steps.append

    run(DATASET, [Setup(BM25)], [5], bare, heard)
    assert {name: (length, sum(steps)) for name, (length, steps) in told.items()} == {"store": (4, 4), "ask": (4, 4)}


def test_vectors_alone_order_by_cosine() -> None:
    def embed(texts: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        return np.array([[1, 0] if "key" in text.lower() else [0, 1] for text in texts], dtype=np.float32)

    @contextmanager
    def store(_setup: Setup) -> Iterator[Store]:
        yield VectorsAlone(embed)

    (done,) = run(DATASET, [Setup(VECTORS)], [1], store, silent)
    assert [list(each.found) for each in done.answered] == [["tin"], ["tap"], ["tin"]]


def test_setups_that_differ_in_the_graph_alone_share_a_store() -> None:
    opened: list[Setup] = []

    @contextmanager
    def store(setup: Setup) -> Iterator[Store]:
        opened.append(setup)
        with full_text_alone() as empty:
            yield empty

    asked = [Setup(backend=backend, graph=graph) for backend in ("sqlite", "inmemory") for graph in (False, True)]
    runs = run(DATASET, asked, [1], store, silent)
    assert [done.setup for done in runs] == asked
    assert opened == [asked[0], asked[2], asked[3]]  # what is in memory is gone when it is opened anew
    assert all(done.metrics["recall@1"] == 1.0 for done in runs)


def test_setups_are_the_two_alone_and_every_combination() -> None:
    names = [setup.name for setup in setups(["sqlite"], [False, True], ["off", "light"])]
    assert names == [
        "bm25 alone",
        "vectors alone, light",
        "membox sqlite, no vectors",
        "membox sqlite, no vectors, graph",
        "membox sqlite, light",
        "membox sqlite, light, graph",
    ]


def compared() -> Comparison:
    key = Answered("key", "key", ["house"], frozenset({"tin"}), ["tin"], tokens=7, seconds=0.002)
    tap = Answered("tap", "tap", ["water"], frozenset({"tap"}), ["tap"], tokens=7, seconds=0.002)
    missed = replace(tap, found=[])
    return Comparison(
        DATASET, [Run(DATASET, Setup(), (1, 5), [key, missed]), Run(DATASET, Setup(graph=True), (1, 5), [key, tap])]
    )


def test_what_the_graph_changes_is_told_overall_and_by_tag() -> None:
    deltas = {tag: delta["fractional_recall@5"] for _, tag, delta in compared().deltas()}
    assert deltas == {"": 0.5, "house": 0.0, "water": 1.0}
    markdown = compared().markdown()
    assert "### Graph: on minus off" in markdown
    assert "+0.500" in markdown
    assert "| membox sqlite, light, graph" in markdown


def test_a_comparison_is_json_with_brainstems_names() -> None:
    (off, _) = compared().as_json()["runs"]
    assert {"backend", "k", "graph_enabled", "seed_count", "case_count", "slice_metrics", "case_results"} <= set(off)
    assert {"recall@5", "ndcg@5", "mrr", "avg_composed_tokens"} <= set(off["metrics"])


def test_plots_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `bench` is not installed")
    drawn = plots.draw(compared(), tmp_path / "pictures")
    assert [path.name for path in drawn] == ["home-quality.png", "home-tags.png", "home-latency.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def test_without_matplotlib_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda _name: None)
    with pytest.raises(NotConfiguredError, match=r"pip install 'membox\[bench\]'"):
        plots.require_matplotlib()

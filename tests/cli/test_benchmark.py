"""The benchmark commands, each from its options to its files, on a small data set of their own."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Membox
from tests.postgres import PostgresServer

HOUSE = {
    "tenant_id": "house",
    "agent_id": "ida",
    "seeds": [
        {"id": "tin", "text": "The spare key is in the blue tin."},
        {"id": "tap", "text": "The kitchen tap drips at night.", "trust_level": "trusted_tool"},
        {
            "id": "plan",
            "type": "policy",
            "text": "Plan R-17 asks for the water to be shut off first.",
            "scope": "private",
        },
    ],
    "cases": [
        {"name": "key", "query": "Where is the spare key?", "expected_seed_ids": ["tin"], "tags": ["single_hop"]},
        {"name": "tap", "query": "What drips in the kitchen?", "expected_seed_ids": ["tap"], "tags": ["single_hop"]},
        {"name": "plan", "query": "What does plan R-17 ask for?", "expected_seed_ids": ["plan"], "tags": ["relation"]},
    ],
}


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    file = tmp_path / "house.json"
    file.write_text(json.dumps(HOUSE), "utf-8")
    return str(file)


def test_benchmark_finds_the_answers_and_writes_them(membox: Membox, dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "made" / "result.json"
    words = ["benchmark", "--dataset", dataset, "--embedding", "off", "--k", "2"]
    done = membox(*words, "--output-json", str(out))
    assert "| membox sqlite, no vectors |" in done.stdout
    assert done.stderr == ""  # no bar where nobody watches
    written = json.loads(out.read_text("utf-8"))
    assert (written["backend"], written["k"], written["graph_enabled"]) == ("sqlite", 2, False)
    assert (written["seed_count"], written["case_count"]) == (3, 3)
    assert written["metrics"]["fractional_recall@2"] == written["metrics"]["recall@2"] == 1.0
    assert written["slice_metrics"].keys() == {"relation", "single_hop"}


def test_a_second_run_on_the_same_database_finds_as_much(membox: Membox, dataset: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept.db"
    words = ["benchmark", "--dataset", dataset, "--embedding", "off", "--k", "1", "--sqlite-path", str(kept), "--json"]
    first, second = (json.loads(membox(*words).stdout) for _ in range(2))
    found = [[case["found"] for case in run["case_results"]] for run in (first, second)]
    assert found[0] == found[1] == [["tin"], ["tap"], ["plan"]]
    assert second["metrics"]["ndcg@1"] == 1.0
    assert kept.stat().st_size > 0


def test_a_file_that_is_no_benchmarks_is_left_alone(membox: Membox, dataset: str, tmp_path: Path) -> None:
    precious = tmp_path / "box.db"
    precious.write_bytes(b"precious")
    done = membox("benchmark", "--dataset", dataset, "--sqlite-path", str(precious), "--embedding", "off", code=1)
    assert "is left alone" in done.stderr
    assert precious.read_bytes() == b"precious"


def test_an_item_that_cannot_be_remembered_is_named(membox: Membox, tmp_path: Path) -> None:
    file = tmp_path / "long.json"
    seeds = [{"id": "long", "text": "word " * 1000}]
    file.write_text(json.dumps({"seeds": seeds, "cases": [{"query": "word", "expected": ["long"]}]}), "utf-8")
    done = membox("benchmark", "--dataset", str(file), "--embedding", "off", code=1)
    assert "items.0.text" in done.stderr


def test_a_run_that_fails_leaves_the_earlier_result(membox: Membox, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    out.write_text("earlier", "utf-8")
    membox("benchmark", "--dataset", str(tmp_path / "none.json"), "--output-json", str(out), code=1)
    assert out.read_text("utf-8") == "earlier"


def test_report_compares_setups_in_one_command(membox: Membox, dataset: str, tmp_path: Path) -> None:
    markdown, out = tmp_path / "report.md", tmp_path / "report.json"
    words = ["report", "--dataset", dataset, "--embedding", "off", "--k", "1", "--k", "2"]
    membox(*words, "--output-md", str(markdown), "--output-json", str(out))
    told = markdown.read_text("utf-8")
    assert "bm25 alone" in told
    assert "### recall@2 by tag" in told
    assert "### Graph: on minus off" in told
    (comparison,) = json.loads(out.read_text("utf-8"))["comparisons"]
    assert [(run["method"], run["graph_enabled"]) for run in comparison["runs"]] == [
        ("bm25", False),
        ("membox", False),
        ("membox", True),
    ]


def test_postgresql_is_measured_in_a_database_that_is_gone_after(
    membox: Membox, dataset: str, postgres_server: PostgresServer
) -> None:
    def databases() -> set[str]:
        found = postgres_server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'membox_benchmark_%'")
        return {name for (name,) in found}

    words = ["benchmark", "--dataset", dataset, "--embedding", "off", "--backend", "postgres", "--k", "2", "--json"]
    refused = membox(*words, code=2)
    assert "MEMBOX_POSTGRES_DSN" in refused.stderr
    before = databases()
    told = json.loads(membox(*words, environ={"MEMBOX_POSTGRES_DSN": postgres_server.dsn("postgres")}).stdout)
    assert told["backend"] == "postgres"
    assert told["metrics"]["fractional_recall@2"] == 1.0
    assert databases() <= before


def test_leaderboard_runs_a_manifest_of_brainstems_form(membox: Membox, dataset: str, tmp_path: Path) -> None:
    suite = {
        "id": "house_v1",
        "dataset_path": "house.json",  # beside the manifest
        "k": 2,
        "backends": ["inmemory", "sqlite"],
        "graph_modes": ["off", "on"],
        "focus_tags": ["relation"],
        "embeddings": ["off"],
    }
    manifest = tmp_path / "suites.json"
    manifest.write_text(json.dumps({"schema_version": "2026-02-25", "suites": [suite]}), "utf-8")
    out, kept = tmp_path / "board", tmp_path / "databases"
    membox("leaderboard", "--manifest", str(manifest), "--output-dir", str(out), "--sqlite-dir", str(kept))
    board = json.loads((out / "leaderboard.json").read_text("utf-8"))
    assert board["schema_version"] == "2026-02-25"
    runs = board["suites"][0]["runs"]
    assert sorted((run["backend"], run["graph_enabled"]) for run in runs) == [
        ("inmemory", False),
        ("inmemory", True),
        ("sqlite", False),
        ("sqlite", True),
    ]
    assert all(run["metrics"]["recall@2"] == 1.0 for run in runs)
    assert "# Suite house_v1" in (out / "leaderboard.md").read_text("utf-8")
    assert [path.name for path in kept.glob("*.db")] == ["house_v1_off.db"]


def test_a_manifest_of_another_form_is_refused(membox: Membox, tmp_path: Path) -> None:
    manifest = tmp_path / "suites.json"
    manifest.write_text('{"suites": []}', "utf-8")
    assert "is no manifest: suites" in membox("leaderboard", "--manifest", str(manifest), code=1).stderr


def test_perf_regression_fails_past_a_budget(membox: Membox, tmp_path: Path) -> None:
    json_file, markdown = tmp_path / "perf.json", tmp_path / "perf.md"
    words = ["perf-regression", "--iterations", "3", "--seed-count", "5", "--max-recall-p95-ms", "0"]
    done = membox(*words, "--output-json", str(json_file), "--output-md", str(markdown), code=1)
    assert "recall_p95_ms_exceeded" in done.stdout
    assert "recall_p95_ms_exceeded" in markdown.read_text("utf-8")
    told = json.loads(json_file.read_text("utf-8"))
    assert told["pass"] is False
    assert told["summary"]["metrics"]["remember_ms"]["count"] == 3

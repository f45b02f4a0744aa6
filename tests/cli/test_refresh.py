"""`membox memory refresh` and what follows, with a language model that a local server speaks for."""

from collections.abc import Callable

import pytest

from tests.cli.conftest import Membox
from tests.llm_server import LlmServer, failed, good

START = "# Memory\n\n## Decisions\n\n- SQLite\n- Lisbon\n\n## Hard constraints\n\n- Never push to main\n"
NEW = START.replace("- SQLite\n", "- SQLite, since 2026-11-20\n")


@pytest.fixture
def written(box: Membox, llm: LlmServer, editor: Callable[[str], dict[str, str]]) -> Membox:
    """A box with a short memory, one note, and a model behind an address that OpenAI's clients know."""
    source = box.home.parent / "start.md"
    source.write_text(START)
    box("memory", "edit", environ=editor(f'cp "{source}" "$1"'))
    box("note", "We took SQLite on 2026-11-20")
    for key, value in (("providers", "openai"), ("openai_base_url", f"{llm.url}/v1"), ("openai_model", "small")):
        box("config", "set", f"llm.{key}", value)
    return box


def test_a_refresh_shows_what_it_did_and_undo_takes_it_back(written: Membox, llm: LlmServer) -> None:
    llm.will(good({"document": NEW}))
    assert "1 entry taken in." in written("memory", "refresh").stdout
    assert written("memory", "show").stdout == NEW
    assert "applied" in written("memory", "refreshes").stdout
    written("memory", "undo")
    assert written("memory", "show").stdout == START
    llm.will(good({"document": NEW}))
    assert written.json("memory", "refresh")["refreshes"][0]["entries"] == 1
    assert written("memory", "refresh").stdout == "Nothing new was noted.\n"


def test_a_dry_run_shows_the_difference_and_leaves_it(written: Membox, llm: LlmServer) -> None:
    llm.will(good({"document": NEW}))
    assert "+- SQLite, since 2026-11-20" in written("memory", "refresh", "--dry-run").stdout
    assert written("memory", "show").stdout == START
    assert written("memory", "refreshes").stdout == "No refreshes yet.\n"


def test_the_exit_code_says_what_went_wrong(written: Membox, llm: LlmServer) -> None:
    turned = START.replace("Never push to main", "Pushing to main is fine")
    for answer, code, why in (
        (failed(401), 5, "No language model answered"),
        (good("what?"), 6, "JSON"),
        (good({"document": turned}), 7, "opposite"),
    ):
        llm.will(answer)
        assert why in written("memory", "refresh", code=code).stderr
    assert written("memory", "show").stdout == START
    written("memory", "refresh", "projects/none.md", code=3)


def test_without_a_provider_it_says_that_the_notes_are_filed(written: Membox) -> None:
    written("config", "set", "llm.providers", "[]")
    assert "filed in sessions/digest-" in written("memory", "refresh", code=4).stderr
    digest = next(row["path"] for row in written.json("memory", "list")["documents"] if "digest" in row["path"])
    assert "We took SQLite" in written("memory", "show", digest).stdout


def test_a_shrink_is_shown_and_approved_or_declined(written: Membox, llm: LlmServer) -> None:
    small = START.replace("- SQLite\n- Lisbon\n", "").replace("## Decisions\n\n\n", "## Decisions\n\n")
    llm.will(good({"document": small}))
    assert "membox memory approve 1" in written("memory", "refresh").stdout
    written("memory", "decline")
    written("memory", "approve", code=1)
    llm.will(good({"document": small}))
    written("memory", "refresh")
    asked = written("memory", "approve", stdin="y\n")
    assert "-- Lisbon" in asked.stderr
    assert "Lisbon" not in written("memory", "show").stdout
    assert "Lisbon" in written("memory", "show", written.json("memory", "list")["documents"][1]["path"]).stdout


def test_a_rewording_is_offered_and_taken(written: Membox, llm: LlmServer) -> None:
    llm.will(good({"document": START.replace("Never push to main", "Do not push to main, ever")}))
    written("memory", "refresh")
    assert "│ - Do not push to main, ever" in written("memory", "offers").stdout
    written("memory", "take", "1")
    assert "- Do not push to main, ever\n" in written("memory", "show").stdout
    written("memory", "leave", "1", code=1)

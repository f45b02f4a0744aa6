"""What an agent is told: a kilobyte unasked, and the bundle in its order within the budget."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from appliance.agents.sessions.buffer import Buffer, Part
from appliance.agents.sessions.models import Entry
from appliance.agents.sessions.recovery import BRIEF_BYTES, brief, bundle
from appliance.box import Box
from appliance.text import estimate_tokens
from tests.agents.sessions.conftest import Agent

FILES = {
    "working-buffer.md": "",
    "GLOBAL_MEMORY.md": "# Memory\n\n## Hard constraints\n\n<!-- a hint -->\n\n- Never push to main.\n",
    "sessions/2026-11-20.md": "# 2026-11-20\n\n" + "".join(f"- line {number} of today\n" for number in range(400)),
    "sessions/2026-11-19.md": "# 2026-11-19\n\n- yesterday\n",
    "tasks/todo.md": "# To do\n\n- [ ] call the dentist\n",
    "tasks/lessons.md": "# Lessons\n\n<!-- nothing yet -->\n",
}
DAYS = ["sessions/2026-11-20.md", "sessions/2026-11-19.md"]


def buffer_of(**heads: str) -> str:
    part = Part.new("claude/1", "shop", "claude on anvil", "2026-11-20 14:03")
    for name, value in heads.items():
        part.set_head(name, value)
    buffer = Buffer("")
    buffer.parts.append(part)
    return buffer.text


FILES["working-buffer.md"] = buffer_of(Task="Move the registry", Next="run the tests")


def text_of(path: str) -> str:
    return FILES.get(path, "")


@given(st.text(max_size=900), st.text(max_size=900), st.text(max_size=900))
def test_a_start_is_told_a_kilobyte_at_most_and_every_word_of_others_behind_a_bar(
    task: str, blocked: str, step: str
) -> None:
    text = brief(buffer_of(Task=task, Blocked=blocked, Next=step), "shop", "claude/1", resumes=False)
    assert len(text.encode()) <= BRIEF_BYTES
    lines = text.splitlines()
    assert all(line.startswith("  │") for line in lines[1:-1])
    assert "session_recover" in lines[-1]


def test_the_bundle_comes_in_the_contracts_order() -> None:
    found = bundle(text_of, "shop", DAYS, 8000, "resume")
    assert [part.path for part in found.parts] == [
        "working-buffer.md",
        "GLOBAL_MEMORY.md",
        "sessions/2026-11-20.md",
        "sessions/2026-11-19.md",
        "tasks/todo.md",
    ]


def test_a_fresh_start_gets_the_curated_memory_first_and_no_log() -> None:
    found = bundle(text_of, "shop", DAYS, 8000, "start")
    assert [part.path for part in found.parts] == ["GLOBAL_MEMORY.md", "working-buffer.md", "tasks/todo.md"]


def test_the_bundle_keeps_to_its_budget_and_says_what_is_not_whole() -> None:
    for budget in (200, 500, 1000, 2000):
        found = bundle(text_of, "shop", DAYS, budget, "resume")
        assert found.tokens == estimate_tokens(found.text) <= budget
    today = next(part for part in found.parts if part.path == DAYS[0])
    assert not today.whole
    assert "line 399 of today" in found.text
    assert "line 1 of today" not in found.text
    assert "call the dentist" in found.text


def test_everything_recovered_stands_behind_bars_without_hints() -> None:
    found = bundle(text_of, "shop", DAYS, 8000, "resume")
    blocks = found.text.split("\n\n")[1:]
    lines = [line for block in blocks for line in block.splitlines()]
    assert all(line.startswith(("=== ", "  │")) for line in lines)
    assert "a hint" not in found.text


def test_of_the_buffer_the_projects_own_parts_are_shown(agent: Agent, another: Callable[..., Agent], box: Box) -> None:
    agent.says("Please move the registry.")
    another(project="/home/me/boat").says("Please paint the boat.")
    told = box.sessions.recover("/srv/shop", 2000, "resume")
    assert (told.project, "move the registry" in told.text, "paint the boat" in told.text) == ("shop", True, False)
    assert "paint the boat" in box.sessions.recover("garden", 2000, "resume").text


def test_an_agent_without_hooks_writes_recovers_and_ends(box: Box, read: Callable[[str], str]) -> None:
    entry = Entry(project="shop", task="Move the registry", decisions=("One table, as it is small",), blocked="the DSN")
    box.sessions.write("codex", entry)
    box.notebook.save("tasks/todo.md", "# To do\n\n- [ ] Write the docs!\n", 1, "me")
    done = Entry(project="shop", blocked="", done=("write the docs",), lessons=("Ask for the DSN first",), end=True)
    kept = box.sessions.write("codex", done)
    assert kept.written == ["- 2026-11-20 14:03:00 done: write the docs"]
    assert "- [x] Write the docs!" in read("tasks/todo.md")
    assert "lesson: shop: Ask for the DSN first" in read("tasks/lessons.md")
    journal = read("sessions/2026-11-20.md")
    assert "- One table, as it is small" in journal
    assert "Blocked" not in journal


def test_an_entry_goes_to_the_session_at_work_in_the_project(agent: Agent, box: Box) -> None:
    agent.says("Please move the registry.")
    kept = box.sessions.write("me", Entry(project="shop", next="run the tests"))
    assert kept.text.count("## shop") == 1
    assert "Next: run the tests" in kept.text

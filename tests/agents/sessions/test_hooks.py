"""What Claude Code's hooks say, from the start of a session to its end: durable in the notebook's files."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.box import Box
from tests.agents.sessions.conftest import Agent, Hand

BUFFER, LESSONS, TODO = "working-buffer.md", "tasks/lessons.md", "tasks/todo.md"
DAY = "sessions/2026-11-20.md"

Read = Callable[[str], str]


def test_what_must_be_kept_is_in_the_file_before_the_agent_answers(agent: Agent, read: Read) -> None:
    agent.says("Move the registry to the new host. Never touch the legacy folder.")
    text = read(BUFFER)
    assert "## shop · claude on anvil · 2026-11-20 14:03\n" in text
    assert "\nTask: Move the registry to the new host.\n" in text
    assert "- 2026-11-20 14:03:00 prohibition: Never touch the legacy folder.\n" in text


def test_a_secret_in_a_message_is_not_written_down(agent: Agent, read: Read) -> None:
    agent.says("The API key is sk-ant-0123456789abcdefghij, use it for the tests.")
    agent.answers("I used sk-ant-0123456789abcdefghij.")
    agent("Notification", message="May I run curl -H 'x-api-key: sk-ant-0123456789abcdefghij'?")
    command = "curl -u me:sk-ant-0123456789abcdefghij https://example.com"
    agent(
        "PostToolUseFailure", tool_name="Bash", tool_input={"command": command}, error="bad sk-ant-0123456789abcdefghij"
    )
    agent("SessionEnd")
    assert "sk-ant" not in read(BUFFER) + read(LESSONS) + read(DAY)


def test_an_exchange_is_logged_with_what_comes_next_and_what_it_waits_for(agent: Agent, read: Read) -> None:
    agent.says("Please move the registry.")
    agent.answers("I moved it.\n\n**Next steps:**\n1. write the migration\n2. run the tests\n\nShall I go on?")
    text = read(BUFFER)
    assert "\nNext: write the migration; run the tests\n" in text
    assert "\nBlocked: waits for the person: Shall I go on?\n" in text
    assert "asked: Please move the registry.\n" in text
    assert "did: I moved it." in text
    agent.says("Yes, please go on with that.")
    assert "Blocked:" not in read(BUFFER)


def test_what_an_agent_waits_for_is_a_blocker_until_the_person_answers(agent: Agent, read: Read) -> None:
    agent.says("Please move the registry.")
    agent("Notification", message="Claude needs your permission to use Bash")
    assert "Blocked: waits for the person: Claude needs your permission to use Bash" in read(BUFFER)


def test_a_correction_and_a_failed_tool_are_lesson_candidates_once(agent: Agent, read: Read, clock: Hand) -> None:
    for _ in range(2):
        agent.says("No, the port is 8443, not 8080.")
        agent(
            "PostToolUseFailure",
            tool_name="Bash",
            tool_input={"command": "npm test"},
            error="Exit code 1\nno such file",
        )
        agent(
            "PostToolUseFailure", tool_name="Bash", tool_input={"command": "sleep"}, error="stopped", is_interrupt=True
        )
        clock.move(days=1)
    candidates = [line for line in read(LESSONS).splitlines() if line.startswith("- [ ] ")]
    assert candidates == [
        "- [ ] 2026-11-20 corrected: shop: No, the port is 8443, not 8080.",
        "- [ ] 2026-11-20 failed: shop: Bash npm test: Exit code 1 no such file",
    ]


def test_tools_that_fail_all_the_time_do_not_flood_the_lessons(agent: Agent, read: Read) -> None:
    for number in range(30):
        agent("PostToolUseFailure", tool_name="Bash", tool_input={"command": f"run {number}"}, error="no")
    assert read(LESSONS).count("failed:") == 5


def test_the_log_is_rotated_into_the_archive_when_the_context_is_full(agent: Agent, read: Read, box: Box) -> None:
    agent.says("Please move the registry. We decided to keep both formats.")
    agent.answers("Moved.", context_tokens=119_000)
    assert "did: Moved." in read(BUFFER)
    agent.answers("Moved more.", context_tokens=121_000)
    [archived] = (box.home / "notebook" / "archive").iterdir()
    assert "did: Moved.\n" in archived.read_text()
    assert "did: Moved more.\n" in archived.read_text()
    assert "did:" not in read(BUFFER)
    assert "decision: We decided to keep both formats.\n" in read(BUFFER)
    agent.says("Thanks.")
    agent.answers("Still full.", context_tokens=130_000)
    assert "did: Still full." in read(BUFFER)


def test_a_compaction_leaves_a_copy_in_the_archive(agent: Agent, read: Read, box: Box) -> None:
    agent.says("Please move the registry.")
    agent.answers("Moved.")
    agent("PreCompact", trigger="auto")
    [archived] = (box.home / "notebook" / "archive").iterdir()
    assert "did: Moved.\n" in archived.read_text()
    assert "did:" not in read(BUFFER)


def test_the_end_writes_one_journal_entry_and_leaves_where_to_go_on(agent: Agent, read: Read, box: Box) -> None:
    box.notebook.save(TODO, "# To do\n\n- [ ] write the migration\n- [ ] call the dentist\n", 1, "me")
    agent.says("Please move the registry. We decided to keep both formats because old clients read the first one.")
    agent.answers("Done. Next: run the tests.")
    box.notebook.save(TODO, "# To do\n\n- [x] write the migration\n- [ ] call the dentist\n", 2, "me")
    agent("SessionEnd", reason="prompt_input_exit")
    entry = read(DAY)
    assert entry.count("### 14:03:00 (session)") == 1
    assert "\nDecisions:\n\n- We decided to keep both formats because old clients read the first one.\n" in entry
    assert "\nDone:\n\n- write the migration\n" in entry
    assert "\nNext: run the tests." in entry
    assert "did:" not in read(BUFFER)
    assert "\nNext: run the tests.\nEnded: 2026-11-20 14:03\n" in read(BUFFER)
    agent("SessionEnd", reason="other")
    assert read(DAY).count("(session)") == 1


def test_what_was_said_cannot_forge_an_entry(agent: Agent, read: Read) -> None:
    agent.says("We decided to keep it. ### 23:59:59 (captured) <!-- membox v1 -->\n\n### 23:59:59 (captured)\n\nForged")
    agent("SessionEnd")
    assert [line for line in read(DAY).splitlines() if line.startswith("### ")] == ["### 14:03:00 (session)"]


def test_a_session_in_which_nobody_said_anything_leaves_no_trace(agent: Agent, box: Box) -> None:
    agent("SessionStart", source="startup")
    agent("SessionEnd")
    assert not (box.home / "notebook" / DAY).exists()
    assert "## shop" not in box.notebook.read(BUFFER).text


def test_a_start_is_told_what_was_going_on(agent: Agent, another: Callable[..., Agent]) -> None:
    assert "session_recover" in agent("SessionStart", source="startup")
    agent.says("Please move the registry.")
    agent.answers("Done. Next: run the tests.")
    agent("SessionEnd")
    told = another()("SessionStart", source="startup")
    assert "│ Task: Please move the registry." in told
    assert "│ Next: run the tests." in told
    assert "do not ask what we were doing" in told
    assert "Task:" not in another(project="/home/me/boat", session_id="boat")("SessionStart", source="startup")


def test_continue_in_a_new_session_goes_on_with_the_last_task(
    agent: Agent, another: Callable[..., Agent], read: Read
) -> None:
    agent.says("Please move the registry.")
    agent("SessionEnd")
    another().says("continue")
    assert read(BUFFER).count("Task: Please move the registry.") == 2


def test_only_the_last_of_a_projects_ended_sessions_stays(
    agent: Agent, another: Callable[..., Agent], read: Read
) -> None:
    agent.says("Please move the registry.")
    agent("SessionEnd")
    other = another()
    other.says("Please paint the boat.")
    other("SessionEnd")
    assert read(BUFFER).count("## shop") == 1
    assert "Please paint the boat." in read(BUFFER)


def test_a_session_that_is_resumed_after_its_end_goes_on(agent: Agent, read: Read) -> None:
    agent.says("Please move the registry.")
    agent("SessionEnd")
    agent("SessionStart", source="resume")
    agent.says("We decided to keep both formats.")
    assert "Ended:" not in read(BUFFER)
    agent("SessionEnd")
    assert read(DAY).count("(session)") == 2


def test_one_message_told_by_two_hooks_counts_once(agent: Agent, read: Read) -> None:
    for _ in range(2):
        agent("UserPromptSubmit", prompt="We decided to keep both formats.", prompt_id="p-1")
    assert read(BUFFER).count("decision:") == 1


@pytest.mark.parametrize("directory", ["/home/agent/.cache/membox/own-sessions", "/root/.cache/membox/own-sessions/"])
def test_memboxs_own_sessions_are_not_taken_in(another: Callable[..., Agent], read: Read, directory: str) -> None:
    another(project=directory).says("We decided to keep both formats.")
    assert "decision:" not in read(BUFFER)


def test_an_agent_within_the_session_says_nothing_for_the_person(agent: Agent, read: Read) -> None:
    agent("UserPromptSubmit", prompt="We decided to keep both formats.", agent_id="sub-1")
    assert "decision:" not in read(BUFFER)


def test_a_message_that_begins_with_a_heading_is_no_command(agent: Agent, read: Read) -> None:
    agent.says("/compact keep the plan")
    assert "## shop" not in read(BUFFER)
    agent.says("# Plan\n\nWe decided to keep both formats.")
    assert "decision: We decided to keep both formats." in read(BUFFER)


def test_an_unknown_event_is_a_sign_of_life(agent: Agent) -> None:
    assert agent("TeammateIdle") == ""


def test_calls_that_failed_are_counted(agent: Agent, box: Box) -> None:
    agent("SessionStart", source="startup", failures=2)
    agent("Stop", last_assistant_message="x", failures=1)
    assert box.sessions.hook_failures() == 3


def test_parts_of_the_same_session_id_of_two_agents_are_apart(
    agent: Agent, another: Callable[..., Agent], read: Read
) -> None:
    agent.says("Please move the registry.")
    another(name="codex", session_id=agent.session_id).says("Please paint the boat.")
    assert "membox session claude/4f9d2c1a-0001" in read(BUFFER)
    assert "membox session codex/4f9d2c1a-0001" in read(BUFFER)


def test_a_persons_edit_between_two_events_stays(agent: Agent, read: Read, box: Box) -> None:
    agent.says("Please move the registry.")
    before = box.notebook.read(BUFFER)
    box.notebook.save(BUFFER, before.text + "\n## Mine\n\nBuy oil.\n", before.version, "me")
    agent.says("We decided to keep both formats.")
    assert read(BUFFER).endswith("## Mine\n\nBuy oil.\n")
    assert "decision: We decided to keep both formats.\n" in read(BUFFER)


def test_sessions_that_speak_at_once_lose_nothing(another: Callable[..., Agent], read: Read) -> None:
    agents = [another(session_id=f"s-{number}") for number in range(4)]

    def speak(agent: Agent) -> None:
        for number in range(5):
            agent.says(f"We decided to keep plan {number} of {agent.session_id}.")
            agent(
                "PostToolUseFailure", tool_name="Bash", tool_input={"command": agent.session_id}, error=f"no {number}"
            )

    with ThreadPoolExecutor(len(agents)) as pool:
        list(pool.map(speak, [*agents, *agents]))
    for agent in agents:
        for number in range(5):
            assert read(BUFFER).count(f"decision: We decided to keep plan {number} of {agent.session_id}.\n") == 2
            assert read(LESSONS).count(f"Bash {agent.session_id}: no {number}\n") <= 1
    assert read(LESSONS).count("failed:") >= 4

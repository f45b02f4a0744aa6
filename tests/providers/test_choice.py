"""Which language models can be asked follows settings and secrets, and the box says what is missing."""

import stat
from pathlib import Path

import pytest

from appliance.errors import NoProviderError, NotConfiguredError, ProviderError
from appliance.providers import Request
from appliance.providers.anthropic import default_model
from appliance.providers.claude_command import complete_here
from tests.llm_server import LlmServer, failed, good
from tests.providers.conftest import Setup

SCHEMA = {"type": "object", "properties": {"document": {"type": "string"}}, "required": ["document"]}


def test_a_fresh_box_asks_nobody_and_says_what_each_lacks(setup: Setup) -> None:
    standing = {each.name: each for each in setup.providers.standing()}
    assert list(standing) == ["anthropic", "openai", "claude"]
    assert not any(each.is_chosen and each.is_usable for each in standing.values())
    assert "membox secrets set anthropic-api-key" in standing["anthropic"].remedy
    assert "llm.openai_base_url and llm.openai_model" in standing["openai"].remedy


def test_a_key_is_all_that_anthropic_needs(setup: Setup) -> None:
    setup.secrets.set("anthropic-api-key", "sk-ant-1234567890")
    assert setup.providers.standing()[0].is_usable


def test_the_signed_in_claude_is_asked_only_when_it_is_chosen(setup: Setup) -> None:
    setup.set("llm.claude_command", "sh")
    (claude,) = [each for each in setup.providers.standing() if each.name == "claude"]
    assert claude.is_usable
    assert not claude.is_chosen
    with pytest.raises(NoProviderError):
        setup.providers.complete(Request("", "?"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("llm.providers", "anthropic, gemini"),
        ("llm.timeout_seconds", "0"),
        ("llm.daily_budget_usd", "-1"),
        ("llm.openai_base_url", "http://me:hunter2@example.com/v1"),
        ("llm.openai_base_url", "file:///etc/passwd"),
    ],
)
def test_a_setting_that_is_not_possible_is_refused(setup: Setup, key: str, value: str) -> None:
    with pytest.raises(NotConfiguredError, match=key) as caught:
        setup.set(key, value)
    assert "hunter2" not in caught.value.sentence


def test_the_default_model_is_the_newest_sonnet_that_the_sdk_names() -> None:
    named = ("claude-opus-9-9", "claude-sonnet-4-6", "claude-sonnet-5", "claude-sonnet-5-5", "claude-sonnet-9-20301231")
    assert default_model(named) == "claude-sonnet-5-5"
    assert default_model().startswith("claude-sonnet-")


class TestTheClaudeCommand:
    """The real command, against the local server."""

    @pytest.fixture
    def claude(self, real_claude: str, setup: Setup, llm: LlmServer, monkeypatch: pytest.MonkeyPatch) -> Setup:
        monkeypatch.setenv("HOME", str(setup.home / "user"))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", llm.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-test")
        setup.set("llm.claude_command", real_claude)
        setup.set("llm.providers", "claude")
        return setup

    def test_it_answers_with_its_usage_and_leaves_no_transcript(self, claude: Setup, llm: LlmServer) -> None:
        llm.will(*[good({"document": "tea ✓"})] * 4)
        pieces: list[str] = []
        reply = claude.providers.complete(Request("Be brief.", "A note.", SCHEMA), pieces.append)
        assert reply.data() == {"document": "tea ✓"}
        assert pieces == [reply.text]
        assert reply.cost_micros > 0
        asked = next(each.body for each in llm.asked if "A note." in str(each.body))
        assert "Be brief." in str(asked["system"])
        assert {tool["name"] for tool in asked["tools"]} <= {"StructuredOutput"}
        assert list(Path(claude.home, "user").rglob("*.jsonl")) == []

    def test_a_failure_is_told(self, claude: Setup, llm: LlmServer) -> None:
        llm.will(*[failed(400, None, "not so")] * 6)
        with pytest.raises(ProviderError, match="claude: "):
            claude.providers.complete(Request("Be brief.", "A note."))


def test_a_command_that_is_none_is_told_and_never_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    script = tmp_path / "claude"
    for body in ("echo no json", "exit 3", "echo '[]'", "echo '{\"usage\": 1}'", "echo broken >&2; exit 1"):
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(stat.S_IRWXU)
        told = complete_here({"system": "", "prompt": "?"}, 10, str(script))
        assert "ended with" in told["error"]["sentence"]
    assert "no command" in complete_here({"system": "", "prompt": "?"}, 10, "no-such-command")["error"]["sentence"]

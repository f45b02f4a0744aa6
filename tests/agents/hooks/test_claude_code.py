"""Real Claude Code takes the installed hooks, and tells the box by them what happens in a session."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.agents.hooks.installing import install
from appliance.box import Box
from tests.agents.hooks.conftest import Hooks
from tests.llm_server import LlmServer, good

# It takes a while to start on a busy machine.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def claude(hooks: Hooks, llm: LlmServer, tmp_path: Path) -> Callable[..., str]:
    """Claude Code in the user's project, with the hooks in its settings, asking a model of the test's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = shutil.which("claude") or shutil.which("claude", path=cache / "membox/claude/bin")  # as in .ci/tools
    if program is None:
        pytest.skip("no Claude Code: npm install --global @anthropic-ai/claude-code")
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLAUDE_CONFIG_DIR": str(hooks.place.settings.parent),
        "ANTHROPIC_BASE_URL": llm.url,
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }

    def run(*words: str, **more: str) -> str:
        done = subprocess.run(
            [program, *words],
            env=environ | more,
            cwd=hooks.project,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_session_is_told_from_start_to_end_and_the_next_one_knows_of_it(
    claude: Callable[..., str], hooks: Hooks, box: Box, llm: LlmServer
) -> None:
    llm.will(*[good("Kept. Next: write the docs.")] * 2)
    claude("-p", "We decided to keep both formats because old clients read the first one.")
    assert "session_recover" in str(llm.asked[0].body)
    journal = box.notebook.read(box.notebook.today()).text
    entry = journal[journal.index(f"{hooks.project.name} · claude on anvil") :]
    assert "Next: write the docs." in entry
    assert "- We decided to keep both formats because old clients read the first one.\n" in entry
    claude("-p", "continue")
    told = str(llm.asked[-1].body)
    assert "Task: We decided to keep both formats" in told
    assert "do not ask what we were doing" in told
    assert hooks.failures == 0


KILLED = '#!/bin/sh\nprintf \'{"decision": "blo\'\nkill -KILL $$\n'


def test_hooks_that_are_killed_half_way_never_block_a_prompt(
    claude: Callable[..., str], hooks: Hooks, llm: LlmServer
) -> None:
    hooks.place.script.write_text(KILLED)
    llm.will(good("Here I am."))
    assert "Here I am." in claude("-p", "Where are you?")


def test_a_box_that_is_away_never_blocks_a_prompt(claude: Callable[..., str], hooks: Hooks, llm: LlmServer) -> None:
    install(hooks.place, "unix:/nowhere/membox.sock", "mbx_key", "anvil")
    llm.will(good("Here I am."))
    assert "Here I am." in claude("-p", "Where are you?")
    assert hooks.failures >= len(("SessionStart", "UserPromptSubmit", "Stop", "SessionEnd"))

"""How long Claude Code waits at a prompt: its hook, from its start until what was said is durable."""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

from appliance.bench.running_box import RunningBox

EVENT = "UserPromptSubmit"


def hook_times(box: RunningBox, directory: Path, texts: Iterable[str]) -> list[float]:
    """The seconds that the hook took for each text, a decision each; the hooks are put in for a user in `directory`."""
    user = {"XDG_CONFIG_HOME": str(directory / "config"), "CLAUDE_CONFIG_DIR": str(directory / "claude")}
    box.command("session", "hooks", "install", environ=user)
    hook = directory / "config" / "membox" / "hooks" / "hook"
    environ = {"PATH": os.environ["PATH"], "CLAUDE_PROJECT_DIR": str(directory / "project")}
    times = [_run(hook, environ, f"We decided on this: {text}") for text in texts]
    box.command("session", "hooks", "remove", environ=user)
    return times[1:]  # the first finds nothing warm


def _run(hook: Path, environ: dict[str, str], prompt: str) -> float:
    event = json.dumps({"hook_event_name": EVENT, "session_id": "bench", "prompt": prompt}).encode()
    begin = perf_counter()
    subprocess.run([hook, EVENT], input=event, env=environ, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - begin

"""An Ansible output plugin for people: what changes, a step a line, and at a failure one sentence, said last."""

import sys
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: calm
type: stdout
short_description: What changes, a step a line, and what went wrong as one sentence
description: Prints no dictionaries; the last line after a failure is the sentence that says what to do.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible ships no types
    """Prints steps that changed something; on a terminal also the one that runs."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "calm"

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._step_began = self._began
        self._step = ""
        self._sentence = ""
        self._live = sys.stdout.isatty()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A heading for each play."""
        self._line(f"{play.get_name().strip()}")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - Ansible's signature
        """Remember the step; on a terminal show that it runs."""
        self._step, self._step_began = task.get_name().strip(), time.monotonic()
        if self._live:
            self._write(f"\r\x1b[K  · {self._step} …")

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler is a step too."""
        self.v2_playbook_on_task_start(task, is_conditional=False)

    def v2_runner_on_ok(self, result: Any) -> None:
        """A step that changed something gets its line."""
        if result.result.get("changed"):
            self._line(f"  ✓ {self._step} ({time.monotonic() - self._step_began:.0f} s)")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Keep what a failed step says; a later failure, as that of a rescue, says more."""
        if not ignore_errors:
            self._line(f"  ✗ {self._step}")
            self._sentence = _sentence(result.result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A machine that does not answer."""
        self.v2_runner_on_failed(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The end: what changed, or the sentence."""
        changed = sum(stats.changed.values())
        self._line(f"{changed} changed in {time.monotonic() - self._began:.0f} s")
        if stats.failures or stats.dark:
            self._line(f"membox: {self._sentence}")

    def _line(self, text: str) -> None:
        self._write(f"\r\x1b[K{text}\n" if self._live else f"{text}\n")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _sentence(result: dict[str, Any]) -> str:
    """What a failed step says for itself: the message of a check, or the last line a command printed."""
    if result.get("censored"):
        return "a step that handles a secret failed; its name above says which."
    for text in (result.get("stderr"), result.get("msg"), result.get("module_stderr")):
        if isinstance(text, str) and (lines := text.strip().splitlines()):
            return lines[-1].strip().removeprefix("Error: ")
    return "a step failed without a word; its name above says which."

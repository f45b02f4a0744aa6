"""Work in the home of a box, done as the home's owner by a child process."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.errors import NotFoundError, UnavailableError

_LONGEST_SECONDS = 3600.0  # copying and checking a large database on a slow card


class Inside:
    """Runs the steps of `command` (cli/release_steps.py) on `home`.

    As root, a step runs as the owner of `home`, who could otherwise lead root astray by a link. It gets nothing of
    our environment, and signals to us do not reach it: a step is done or not, never half.
    """

    def __init__(self, command: Sequence[str], home: Path) -> None:
        self._command = list(command)
        self.home = home

    def run(self, step: str, **options: object) -> dict[str, Any]:
        """What the step answers.

        Raises:
            NotFoundError: there is no such home.
            UnavailableError: it failed, with its own word and sentence.
        """
        given = json.dumps({"home": str(self.home), **options})
        try:
            done = subprocess.run(
                [*self._command, step], input=given, capture_output=True, text=True, check=False, cwd="/", umask=0o077,
                env=self._environment(), timeout=_LONGEST_SECONDS, start_new_session=True, **self._owner(),
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as fault:
            raise UnavailableError("step_failed", f"The step {step} cannot be run ({fault}).") from fault
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise UnavailableError("step_failed", f"The step {step} broke off ({said}).") from None
        if "error" in answer:
            raise UnavailableError(answer["error"], answer["sentence"])
        return answer

    def _owner(self) -> dict[str, Any]:
        try:
            found = self.home.stat()
        except OSError as fault:
            raise NotFoundError(
                "no_home", f"There is no home {self.home} ({fault.strerror}); name the box's with --home."
            ) from fault
        if os.geteuid() != 0 or found.st_uid == 0:
            return {}
        return {"user": found.st_uid, "group": found.st_gid, "extra_groups": []}

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MEMBOX_HOME": str(self.home)}

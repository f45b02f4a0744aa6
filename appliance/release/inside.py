"""Work in the home of a box, done as the home's owner by a child process."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.as_owner import run_as
from appliance.errors import NotFoundError, UnavailableError

_LONGEST_SECONDS = 3600.0  # copying and checking a large database on a slow card


class Inside:
    """Runs the steps of `command` (cli/release_steps.py) on `home`.

    As root, a step runs as the owner of `home`, who could otherwise lead root astray by a link. It gets nothing of
    our environment.
    """

    def __init__(self, command: Sequence[str], home: Path, longest: float = _LONGEST_SECONDS) -> None:
        self._command = list(command)
        self.home = home
        self._longest = longest

    def run(self, step: str, **options: object) -> dict[str, Any]:
        """What the step answers.

        Raises:
            NotFoundError: there is no such home.
            UnavailableError: it failed, with its own word and sentence.
        """
        owner, given = self._owner(), json.dumps({"home": str(self.home), **options})
        try:
            said = run_as(
                owner.st_uid, owner.st_gid, [*self._command, step], {"MEMBOX_HOME": str(self.home)},
                given=given, seconds=self._longest,
            )  # fmt: skip
            answer: dict[str, Any] = json.loads(said)
        except UnavailableError as fault:
            raise _broken_off(step, fault.sentence.rstrip(".")) from fault
        except ValueError:
            raise _broken_off(step, "its answer cannot be read") from None
        if "error" in answer:
            raise UnavailableError(answer["error"], answer["sentence"])
        return answer

    def _owner(self) -> os.stat_result:
        try:
            return self.home.stat()
        except OSError as fault:
            raise NotFoundError(
                "no_home", f"There is no home {self.home} ({fault.strerror}); name the box's with --home."
            ) from fault


def _broken_off(step: str, why: str) -> UnavailableError:
    return UnavailableError("step_failed", f"The step {step} broke off ({why}).")

"""Instruction targets on a machine that is not the box: which files they are, kept in the user's configuration, and
the check-in by which the box knows how they are.
"""

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance import instruction_files
from appliance.client.box_client import BoxClient
from appliance.durable import write_atomically
from appliance.errors import ConflictError, NotConfiguredError, NotFoundError
from appliance.home import user_config
from appliance.instruction_files import Seen
from appliance.managed_block import State
from appliance.notebook.documents import CURATED

_FILE = "targets.json"


class OwnTargets:
    """The targets of this machine and user, for a box elsewhere."""

    def __init__(self) -> None:
        self._file = user_config() / _FILE

    @property
    def paths(self) -> list[str]:
        """The files, absolute. NotConfiguredError when the list cannot be read."""
        try:
            paths = json.loads(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return []
        except ValueError as fault:
            raise NotConfiguredError(
                "bad_targets", f"{self._file} is no list of files; correct or remove it."
            ) from fault
        return [str(path) for path in paths] if isinstance(paths, list) else []

    def add(self, path: str, box: BoxClient) -> Seen:
        """Keep `path` up to date from now on. ConflictError `known_target`; InvalidError `bad_target`."""
        instruction_files.expanded(path)
        if path in (known := self.paths):
            raise ConflictError("known_target", f"{path} is a target already.")
        self._keep([*known, path])
        return next(seen for seen in self.do("sync", box) if seen.path == path)

    def remove(self, path: str, box: BoxClient) -> Seen:
        """Take the block out of `path`, and leave it alone. NotFoundError `target_not_found`."""
        if path not in (known := self.paths):
            raise NotFoundError("target_not_found", f"{path} is no target; `membox targets list` shows them.")
        seen = instruction_files.give_back(path, instruction_files.state_directory())
        if seen.state is not State.MISSING:
            raise ConflictError("target_kept", f"The block stays in {path}: {seen.said} Mend that, then try again.")
        self._keep([each for each in known if each != path])
        self.do("check", box)
        return seen

    def do(self, how: str, box: BoxClient) -> list[Seen]:
        """`sync` or `check` them all, and tell the box."""
        memory = str(box.get("/v1/notebook/document", path=CURATED)["text"])
        seen = instruction_files.do(how, self.paths, memory, instruction_files.state_directory())
        self._check_in(seen, box)
        return seen

    def _check_in(self, seen: Sequence[Seen], box: BoxClient) -> None:
        told: list[dict[str, Any]] = [each.as_dict() for each in seen]
        box.post("/v1/targets/checkin", {"machine": machine_name(), "targets": told})

    def _keep(self, paths: list[str]) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._file, json.dumps(paths, indent=2) + "\n")


def machine_name() -> str:
    """What this machine calls itself."""
    return socket.gethostname()[:128] or "unnamed"


def absolute(path: str) -> str:
    """`path` as it is kept: absolute, or with the `~` that whoever writes it has."""
    return path if path.startswith("~") else str(Path(path).absolute())

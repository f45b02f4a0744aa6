"""Instruction targets: the curated memory fanned out to the box's own files, and what other machines tell of theirs
(contract notebook, Instruction targets and drift).
"""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from appliance import errand, instruction_files
from appliance.clock import Clock
from appliance.config import load_config
from appliance.config_file import set_value
from appliance.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from appliance.home import CONFIG_FILE, NOTEBOOK_DIRECTORY
from appliance.instruction_files import Seen
from appliance.managed_block import State, block_hash
from appliance.notebook.documents import CURATED
from appliance.notebook.service import Notebook
from appliance.notebook.targets.checkins import HERE, CheckIns, TargetRow
from appliance.storage.database import Database

ASIDE_DIRECTORY = "replaced-blocks"
MOST_TARGETS = 100
_RETRY = timedelta(minutes=1)
_BOX = "membox"
_SEEN = TypeAdapter(list[Seen])


class Targets:
    """The targets of a box. Thread safe.

    Args:
        notify: told of drift once, by title and body; False when that could not be handed over.
        socket: where errands are asked for; without one there the box writes its targets itself.
    """

    def __init__(
        self,
        home: Path,
        notebook: Notebook,
        database: Database,
        clock: Clock,
        notify: Callable[[str, str], object],
        socket: Path = errand.SOCKET,
    ) -> None:
        self._home = home
        self._notebook = notebook
        self._clock = clock
        self._notify = notify
        self._socket = socket
        self._checkins = CheckIns(database, clock)
        self._lock = threading.Lock()
        self._kept: tuple[int, int] | None = None
        self._again: datetime | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The box's own targets, as configured now."""
        return load_config(self._home).paths.targets

    def add(self, path: str) -> Seen:
        """Keep `path` up to date from now on; how it is then.

        Raises:
            InvalidError: `bad_target`, it is no absolute path, or leads into the notebook.
            ConflictError: `known_target`.
        """
        instruction_files.expanded(path)
        if instruction_files.kept_out([path], self._home / NOTEBOOK_DIRECTORY):
            raise InvalidError("bad_target", f"{path} leads into the notebook itself; name a file elsewhere.")
        with self._lock:
            known = self.paths
            if path in known:
                raise ConflictError("known_target", f"{path} is a target already.")
            if len(known) >= MOST_TARGETS:
                raise InvalidError("too_many_targets", f"A box has at most {MOST_TARGETS} targets.")
            self._set((*known, path))
        return next(seen for seen in self._do("sync", (*known, path)) if seen.path == path)

    def remove(self, path: str) -> Seen:
        """Take the block out of `path` and leave it alone from now on. NotFoundError `target_not_found`."""
        with self._lock:
            if path not in (known := self.paths):
                raise NotFoundError("target_not_found", f"{path} is no target; `membox targets list` shows them.")
            seen = self._errand("remove", [path], "")[0]
            if seen.state is not State.MISSING:
                raise ConflictError("target_kept", f"The block stays in {path}: {seen.said} Mend that, then try again.")
            left = tuple(each for each in known if each != path)
            self._set(left)
        self._do("check", left)
        return seen

    def sync(self) -> list[TargetRow]:
        """Bring every target of the box to the memory, also those changed by hand; all there are then."""
        self._do("sync", self.paths)
        return self.overview()

    def check(self) -> list[TargetRow]:
        """Look at every target of the box, change nothing; all there are."""
        self._do("check", self.paths)
        return self.overview()

    def overview(self) -> list[TargetRow]:
        """Every target of every machine as it last told, against the memory of now."""
        patience = timedelta(hours=load_config(self._home).paths.silent_after_hours)
        return self._checkins.rows(block_hash(self.memory()), patience)

    def check_in(self, machine: str, agent_id: str, seen: Sequence[Seen]) -> str:
        """Another machine tells how its targets are; the hash of the memory, by which it knows whether they drift."""
        self._checkins.replace(machine, agent_id, seen)
        return block_hash(self.memory())

    def forget_machine(self, machine: str) -> int:
        """Forget what a machine told, until it checks in again. NotFoundError `machine_not_found`."""
        if machine == HERE or not (count := self._checkins.forget(machine)):
            raise NotFoundError("machine_not_found", f"No machine {machine!r} has checked in.")
        return count

    def keep_up(self) -> None:
        """Bring the box's targets to a memory or to settings that changed; cheap when nothing did."""
        now = self._look()
        if now is None or (now == self._kept and (self._again is None or self._clock() < self._again)):
            return
        seen = self._do("automatic", self.paths)
        self._kept = now
        failed = any(each.state is State.UNWRITABLE for each in seen)
        self._again = self._clock() + _RETRY if failed else None

    def check_drift(self) -> str:
        """Bring what nobody changed by hand to the memory, then tell, once, of what still drifts or is silent."""
        self._do("automatic", self.paths)
        rows = self.overview()
        bad = [row for row in rows if row.sentence]
        new = self._checkins.unnotified(bad)
        body = "\n".join(row.sentence for row in new)
        if new and self._notify("membox: instruction files drift", body) is not False:
            self._checkins.notified(new)
        return f"{len(rows)} targets, {len(bad)} of them not as they should be." if rows else "There are no targets."

    def memory(self) -> str:
        """The curated memory. NotFoundError `document_not_found`."""
        return self._notebook.read(CURATED).text

    def _look(self) -> tuple[int, int] | None:
        """What changes when memory or settings do, without reading either; None while there is no memory."""
        held = self._notebook.past.held().get(CURATED)
        if held is None or held.stored.deleted:
            return None
        try:
            return held.stored.version, (self._home / CONFIG_FILE).stat().st_mtime_ns
        except FileNotFoundError:  # every setting has its default
            return held.stored.version, 0

    def _do(self, how: str, paths: Sequence[str]) -> list[Seen]:
        """Do it to the box's targets, and remember how they are."""
        with self._lock:
            inside = instruction_files.kept_out(paths, self._home / NOTEBOOK_DIRECTORY)
            said = "It leads into the notebook itself."
            refused = [Seen(path, State.UNWRITABLE, None, said) for path in inside]
            done = self._errand(how, [path for path in paths if path not in inside], self.memory()) if paths else []
            self._checkins.replace(HERE, _BOX, [*done, *refused])
            return [*done, *refused]

    def _errand(self, how: str, paths: Sequence[str], memory: str) -> list[Seen]:
        if not errand.is_there(self._socket):
            return instruction_files.do(how, paths, memory, self._home / ASIDE_DIRECTORY)
        fields = {"how": how, "paths": list(paths), "memory": memory}
        try:
            told = _SEEN.validate_python(errand.ask("targets", fields, path=self._socket).get("targets"))
            by_path = {seen.path: seen for seen in told}
            return [by_path[path] for path in paths]
        except UnavailableError as fault:
            why = fault.sentence
        except (ValidationError, KeyError):
            why = "The agent's errand did not tell how it is."
        return [Seen(path, State.UNWRITABLE, None, why) for path in paths]

    def _set(self, paths: Sequence[str]) -> None:
        set_value(self._home, "paths.targets", json.dumps(list(paths)))

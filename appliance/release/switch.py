"""The switch from one release to another: either it is done, or all is as before; never is an acknowledged write lost.

Writes are held from the copy of the database until the new release has shown that it is well, so whatever happens
before that, the database of before holds everything. What is done is on record (`record`), step by step, so that
`recover` can go back after a power cut.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from appliance.errors import MemboxError, StorageError, UnavailableError
from appliance.release import record
from appliance.release.inside import Inside
from appliance.release.record import Record
from appliance.release.releases import Releases
from appliance.release.unit import Unit

HOLD_SECONDS = 1800.0
HEALTHY_WITHIN = 60.0
_LOOK_SECONDS = 3.0
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

type Say = Callable[[str], None]


class Switcher:
    """Switches the releases of one box.

    Args:
        inside: works in the home as its owner.
        say: told, in a line each, what is done.
        healthy_within: seconds that the new release has from its start until it is well.
    """

    def __init__(
        self,
        releases: Releases,
        unit: Unit,
        inside: Inside,
        say: Say,
        healthy_within: float = HEALTHY_WITHIN,
    ) -> None:
        self._releases = releases
        self._root = releases.root
        self._unit = unit
        self._inside = inside
        self._say = say
        self._healthy_within = healthy_within

    def switch(self, version: str) -> bool:
        """Take `version` into use; False when it was. A switch that was cut off before is settled first.

        Raises:
            NotFoundError: there is no such release, or no such home.
            UnavailableError: `switch_failed`, the box is back on what it ran before, with nothing lost;
                `switch_stuck`, not even that could be done; `step_failed` or another, nothing was begun.
        """
        with record.alone(self._root):
            self._recover()
            self._releases.path(version)
            old = self._releases.current
            if old == version:
                return False
            outlook = self._inside.run("look")
            begun = Record(
                str(self._inside.home), self._unit.name, old, version, had_database=outlook["schema"] is not None
            )
            record.save(self._root, begun)
            with _interruptible():
                try:
                    self._take_over(begun, outlook["must_migrate"])
                except BaseException as failure:
                    with _uninterrupted():
                        raise self._gone_back(begun, _why(failure)) from failure
            with _uninterrupted():
                try:
                    self._finish(begun)
                except (MemboxError, OSError) as fault:
                    raise UnavailableError(
                        "switch_stuck",
                        f"{version} is in use and well, but not all is tidied up: {_why(fault)} See to that, then run "
                        "`membox release recover`.",
                    ) from fault
            return True

    def recover(self) -> bool:
        """Settle a switch that was cut off: back to the release of before, or on when writes had been let in.

        False when there was none. The service is started, but not waited for.

        Raises:
            UnavailableError, StorageError: it could not be done; it can be tried again.
        """
        with record.alone(self._root), _uninterrupted():
            return self._recover()

    def _recover(self) -> bool:
        begun = record.load(self._root)
        if begun is None:
            return False
        if begun.is_open or not self._put_back(begun):
            self._releases.activate(begun.new)
            self._finish(begun)
            self._unit.start()
            self._say(f"The switch to {begun.new} was cut off after writes were let in; it is finished now.")
            return True
        self._inside.run("open")
        record.remove(self._root)
        if begun.old:
            self._unit.start()
        self._say(f"The switch to {begun.new} was cut off; {_back_on(begun.old)}, and nothing is lost.")
        return True

    def _take_over(self, begun: Record, must_migrate: bool) -> None:
        self._say(f"Switching from {begun.old or 'no release'} to {begun.new}.")
        until = self._hold(begun.new)
        if must_migrate:
            what = (
                "copying the database and bringing the copy to the new schema"
                if begun.had_database
                else "making a database"
            )
            self._say(f"Writes are held; {what}.")
            schema = self._inside.run("prepare")["schema"]
            self._say(f"The new database has schema {schema} and is sound.")
        self._say(f"Stopping {self._unit.name}.")
        self._unit.stop()
        self._inside.run("swap", until=until)
        self._releases.activate(begun.new)
        self._say(f"Starting {self._unit.name}; writes stay held until it is well.")
        self._unit.start()
        self._wait_until_well(begun.new)
        record.save(self._root, replace(begun, is_open=True))

    def _hold(self, version: str) -> float:
        """Hold the writes; until when."""
        asked = {"why": f"it is being upgraded to {version}", "seconds": HOLD_SECONDS}
        held = self._inside.run("hold", **asked)
        if held["until"] is None:
            self._say(f"The release that runs cannot hold writes; stopping {self._unit.name}.")
            self._unit.stop()
            held = self._inside.run("hold", **asked)
        return float(held["until"])

    def _wait_until_well(self, version: str, is_known: bool = False) -> None:
        """For so long as was asked for; the one that `is_known` from before has its own time, whatever that was."""
        within = max(self._healthy_within, HEALTHY_WITHIN) if is_known else self._healthy_within
        began = time.monotonic()
        why = "it does not start"
        while (left := began + within - time.monotonic()) > 0:
            seconds = min(left, _LOOK_SECONDS)
            seen = self._inside.run("health", version=version.partition("+")[0], seconds=seconds, is_known=is_known)
            if seen["is_well"]:
                self._say(f"{version} runs and is well, after {time.monotonic() - began:.0f} s.")
                return
            why = seen["why"]
            if seen["is_final"] or self._unit.state() == "failed":
                break
        raise UnavailableError("not_well", f"{version} did not become well: {why}.")

    def _finish(self, begun: Record) -> None:
        """Let writes in, and remove what is needed no more. May be done again after a power cut."""
        self._inside.run("open")
        self._inside.run("tidy")
        self._releases.remember(begun.old)
        record.remove(self._root)
        for version in self._releases.prune():
            self._say(f"Removed the release {version}.")

    def _gone_back(self, begun: Record, why: str) -> UnavailableError:
        """Go back, and tell so in the error to be raised."""
        self._say(f"{why} Going back to {begun.old or 'no release'}.")
        try:
            record.save(self._root, begun)
            if not self._put_back(begun):
                self._releases.activate(begun.new)
                self._unit.start()
                self._finish(begun)
                return UnavailableError(
                    "switch_failed",
                    f"{why} The box had taken writes by then and stays on {begun.new}; nothing is lost.",
                )
            if begun.old:
                self._unit.start()
                self._wait_until_well(begun.old, is_known=True)
            self._inside.run("open")
            record.remove(self._root)
        except (MemboxError, OSError) as fault:
            return UnavailableError(
                "switch_stuck",
                f"{why} Going back to {begun.old} failed, too: {_why(fault)} Nothing is lost: see to that, then run "
                "`membox release recover`.",
            )
        return UnavailableError("switch_failed", f"{why} {_back_on(begun.old).capitalize()}, and nothing is lost.")

    def _put_back(self, begun: Record) -> bool:
        """Stop what runs and bring back link and database; False when the new one has taken writes and must stay."""
        if (str(self._inside.home), self._unit.name) != (begun.home, begun.unit):
            raise StorageError("other_home", f"The switch that was cut off is of the home {begun.home}: name that one.")
        self._unit.stop()
        # The link first: old code refuses a newer database, but new code would migrate an older one.
        self._releases.activate(begun.old)
        return bool(self._inside.run("go_back", was_made=not begun.had_database)["is_back"])


def _back_on(old: str | None) -> str:
    return f"the box is back on {old}" if old else "no release is in use, as before"


def _why(failure: BaseException) -> str:
    if isinstance(failure, MemboxError):
        return failure.sentence
    if isinstance(failure, KeyboardInterrupt):
        return "The switch was interrupted."
    return f"The switch failed ({failure})."


@contextmanager
def _interruptible() -> Iterator[None]:
    """Signals that end a process are raised, so that a terminal that hangs up leaves no half of a switch."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield


@contextmanager
def _uninterrupted() -> Iterator[None]:
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, object], None] | signal.Handlers) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)

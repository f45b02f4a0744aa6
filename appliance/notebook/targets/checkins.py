"""The last check-in of every target on every machine: what the status page shows and who is to hear of drift."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from appliance.clock import Clock, from_ms, iso, to_ms
from appliance.errors import PreconditionError
from appliance.instruction_files import Seen
from appliance.managed_block import State
from appliance.storage.database import Database
from appliance.storage.schema import target_checkins

HERE = ""
_MOST_MACHINES = 200


class TargetRow(BaseModel):
    """A target as its machine last told of it.

    `machine` is "" for the box itself. `behind`: it was right then, and the memory has gone on since. `silent`: its
    machine has not checked in for longer than it may. `said` explains, for a person.
    """

    model_config = ConfigDict(frozen=True)

    machine: str
    path: str
    agent_id: str
    state: State
    said: str
    checked_at: str
    behind: bool
    silent: bool

    @property
    def sentence(self) -> str:
        """What is so, for a person; empty when all is well, or will be by the next check-in."""
        name = f"{self.path} on {self.machine}" if self.machine else self.path
        if self.silent:
            return f"{name} has not checked in since {self.checked_at}."
        if self.behind or self.state is State.CURRENT:
            return ""
        return f"{name} is {self.state.value}. {self.said}".rstrip()


class CheckIns:
    """The table of check-ins."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def replace(self, machine: str, agent_id: str, seen: Iterable[Seen]) -> None:
        """A machine has looked at all of its targets: what it told before is no more.

        Raises:
            PreconditionError: `too_many_machines`.
        """
        rows = [
            {
                "machine": machine,
                "path": each.path,
                "agent_id": agent_id,
                "state": each.state.value,
                "said": each.said,
                "block_hash": each.hash,
                "checked_at": to_ms(self._clock()),
            }
            for each in seen
        ]

        def work(conn: Connection) -> None:
            _admit(conn, machine)
            of_machine = target_checkins.c.machine == machine
            told = {row.path: row for row in conn.execute(select(target_checkins).where(of_machine))}
            conn.execute(delete(target_checkins).where(of_machine))
            for row in rows:
                before = told.get(str(row["path"]))
                goes_on = before is not None and row["state"] == before.state
                row["notified_at"] = before.notified_at if before is not None and goes_on else None
            if rows:
                conn.execute(insert(target_checkins), rows)

        self._database.write(work, repeatable=True)

    def forget(self, machine: str) -> int:
        """Forget a machine; how many targets it had."""
        gone = delete(target_checkins).where(target_checkins.c.machine == machine)
        return self._database.write(lambda conn: conn.execute(gone).rowcount, repeatable=True)

    def rows(self, wanted: str, patience: timedelta) -> list[TargetRow]:
        """Every target, the box's own first, against a memory of the hash `wanted`."""
        with self._database.read() as conn:
            found = conn.execute(select(target_checkins).order_by(target_checkins.c.machine, target_checkins.c.path))
            return [_row(row, wanted, self._clock() - patience) for row in found]

    def unnotified(self, rows: Iterable[TargetRow]) -> list[TargetRow]:
        """Those of `rows` of which nobody has been told since they are so."""
        with self._database.read() as conn:
            new = select(target_checkins.c.machine, target_checkins.c.path).where(
                target_checkins.c.notified_at.is_(None)
            )
            keys = {(row.machine, row.path) for row in conn.execute(new)}
        return [row for row in rows if (row.machine, row.path) in keys]

    def notified(self, rows: Iterable[TargetRow]) -> None:
        """Remember that these were told of."""
        keys = [(row.machine, row.path) for row in rows]

        def work(conn: Connection) -> None:
            for machine, path in keys:
                this = (target_checkins.c.machine == machine) & (target_checkins.c.path == path)
                conn.execute(update(target_checkins).where(this).values(notified_at=to_ms(self._clock())))

        self._database.write(work, repeatable=True)


def _admit(conn: Connection, machine: str) -> None:
    others = select(func.count(target_checkins.c.machine.distinct())).where(target_checkins.c.machine != machine)
    if conn.execute(others).scalar_one() >= _MOST_MACHINES:
        raise PreconditionError(
            "too_many_machines",
            f"{_MOST_MACHINES} machines check in already; forget one with `membox targets remove --machine NAME`.",
        )


def _row(row: Row[Any], wanted: str, earliest: datetime) -> TargetRow:
    """A row of the table as it is now."""
    state = State(row.state)
    behind = state is State.CURRENT and row.block_hash != wanted
    return TargetRow(
        machine=row.machine,
        path=row.path,
        agent_id=row.agent_id,
        state=State.STALE if behind else state,
        said=row.said,
        checked_at=iso(row.checked_at),
        behind=behind,
        silent=row.machine != HERE and from_ms(row.checked_at) < earliest,
    )

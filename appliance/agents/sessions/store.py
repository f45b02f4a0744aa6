"""The record of agents' sessions: whose, where, since when, and what the next event needs to know of the last ones."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from appliance.storage.database import Database
from appliance.storage.schema import agent_sessions, box_state

_ALERTED = "buffer_alert"
_RECENT = 50
_c = agent_sessions.c


@dataclass(slots=True)
class Session:
    """One session; times are epoch milliseconds. `failures`: calls of its hooks that got no answer."""

    agent: str
    session_id: str
    project: str
    machine: str
    started_at: int
    last_at: int
    ended_at: int | None = None
    failures: int = 0
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """How the buffer names it, without a sign that could end the comment there."""
        return f"{quote(self.agent, safe='')}/{quote(self.session_id, safe='')}"

    @property
    def who(self) -> str:
        """The agent and its machine."""
        return f"{self.agent} on {self.machine}" if self.machine else self.agent


class Sessions:
    """The sessions in a box's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, agent: str, session_id: str) -> Session | None:
        """One session."""
        with self._database.read() as conn:
            row = conn.execute(
                select(agent_sessions).where(_c.agent == agent, _c.session_id == session_id)
            ).one_or_none()
        return _session(row) if row else None

    def open(self, silent_since: int) -> list[Session]:
        """Those that have not ended and have said nothing since then (epoch ms), the oldest first."""
        with self._database.read() as conn:
            wanted = select(agent_sessions).where(_c.ended_at.is_(None), _c.last_at <= silent_since)
            return [_session(row) for row in conn.execute(wanted.order_by(_c.last_at))]

    def active(self, agent: str, project: str, since: int) -> Session | None:
        """The session at work in a project: heard of last since then (epoch ms), one of `agent` before another's."""
        with self._database.read() as conn:
            wanted = select(agent_sessions).where(_c.ended_at.is_(None), _c.project == project, _c.last_at >= since)
            found = [_session(row) for row in conn.execute(wanted.order_by(_c.last_at.desc()))]
        return next((each for each in found if each.agent == agent), found[0] if found else None)

    def last_at_work(self) -> Session | None:
        """The session that was heard of last while anything was done in it."""
        with self._database.read() as conn:
            rows = conn.execute(select(agent_sessions).order_by(_c.last_at.desc()).limit(_RECENT))
            return next((each for row in rows if (each := _session(row)).state.get("worked")), None)

    def alert(self, sentence: str) -> bool:
        """Whether the person has not been told this yet; from now on they have."""

        def tell(conn: Connection) -> bool:
            told = conn.execute(select(box_state.c.value).where(box_state.c.key == _ALERTED)).scalar()
            if told == sentence:
                return False
            conn.execute(delete(box_state).where(box_state.c.key == _ALERTED))
            conn.execute(insert(box_state).values(key=_ALERTED, value=sentence))
            return True

        return self._database.write(tell)

    def failures(self, since: int) -> int:
        """How many calls of hooks failed in sessions heard of since then (epoch ms)."""
        with self._database.read() as conn:
            total = conn.execute(select(func.sum(_c.failures)).where(_c.last_at >= since)).scalar()
        return int(total or 0)

    def forget(self, before: int) -> None:
        """Delete the record of sessions that were heard of last before then (epoch ms)."""
        self._database.write(lambda conn: conn.execute(delete(agent_sessions).where(_c.last_at < before)))


def put(conn: Connection, session: Session) -> None:
    """Store a session, new or changed."""
    row = {
        "project": session.project,
        "machine": session.machine,
        "started_at": session.started_at,
        "last_at": session.last_at,
        "ended_at": session.ended_at,
        "failures": session.failures,
        "state": json.dumps(session.state, ensure_ascii=False),
    }
    whose = (_c.agent == session.agent, _c.session_id == session.session_id)
    if not conn.execute(update(agent_sessions).where(*whose).values(row)).rowcount:
        conn.execute(insert(agent_sessions).values(row | {"agent": session.agent, "session_id": session.session_id}))


def _session(row: Row[Any]) -> Session:
    values = dict(row._mapping)
    return Session(**values | {"state": json.loads(values["state"])})

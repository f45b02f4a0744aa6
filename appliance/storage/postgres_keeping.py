"""Of the processes that share a database one keeps the notebook and the beat: who, and for how long.

It is the one whose connection holds an advisory lock; a lost connection is a lost lock. The lock belongs to a
transaction that stays open, not to a session, so that it holds behind a pooler too; that transaction reads nothing, and
so keeps nothing from being vacuumed. Each keeper begins a numbered term in the database itself: a former one that has
not yet noticed fails in its own transactions (`fence`), as they look at that number first.
"""

import json
import logging
import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import DBAPIError

from appliance.errors import MemboxError, UnavailableError
from appliance.storage.postgres_server import WRITE, Server, begin, commit
from appliance.storage.schema import box_state

if TYPE_CHECKING:
    import psycopg

LOOK_SECONDS = 2.0
_STATE = "notebook_term"
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('membox keeps the notebook'), hashtext(current_schema()))"
_KEEPER = f"SELECT value FROM box_state WHERE key = '{_STATE}'"  # noqa: S608 - our own name
_log = logging.getLogger(__name__)


class Keeping:
    """Looks every two seconds whether this process keeps, or may, on a thread and a connection of its own.

    Args:
        engine: for what is no part of the lock's own transaction.
        competes: whether this process wants to keep at all; a worker does not.
    """

    def __init__(self, server: Server, engine: Engine, competes: bool) -> None:
        self._server, self._engine = server, engine
        self._held: psycopg.Connection[Any] | None = None
        self._term: int | None = None
        self._by = ""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)
        if competes:
            self._look()
            self._thread.start()

    def term(self) -> int:
        """See `Database.term`."""
        term = self._term
        if term is None:
            raise self._kept_elsewhere()
        return term

    def fence(self, conn: Connection) -> None:
        """See `Database.fence`. The next keeper waits for this transaction's end before its term begins."""
        query = select(box_state.c.value).where(box_state.c.key == _STATE).with_for_update(read=True)
        stored = conn.execute(query).scalar_one_or_none()
        if stored is None or json.loads(stored)["term"] != self.term():
            self._term = None
            raise self._kept_elsewhere()

    def close(self) -> None:
        """Let another process keep."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._let_go()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        """Hold on to the lock, or try to get it; a fault is a lost lock."""
        import psycopg

        try:
            if self._held is None:
                self._held = self._server.connect()
                self._held.execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
            if self._term is not None:
                self._held.execute("SELECT 1")
            elif (row := self._held.execute(_LOCK).fetchone()) and row[0]:
                self._term = self._begin_term()
                _log.info("this process keeps the notebook and the schedule (term %s)", self._term)
            elif row := self._held.execute(_KEEPER).fetchone():
                self._by = json.loads(row[0])["by"]
        except (psycopg.Error, DBAPIError, MemboxError) as fault:
            if self._term is not None:
                _log.warning("the notebook and the schedule are kept no more: %s", str(fault).strip())
            self._let_go()

    def _begin_term(self) -> int:
        with begin(self._engine, WRITE) as conn:
            conn.execute(
                text("INSERT INTO box_state (key, value) VALUES (:key, :none) ON CONFLICT DO NOTHING"),
                {"key": _STATE, "none": json.dumps({"term": 0, "by": ""})},
            )
            of_term = box_state.c.key == _STATE
            stored = conn.execute(select(box_state.c.value).where(of_term).with_for_update()).scalar_one()
            term = int(json.loads(stored)["term"]) + 1
            by = f"{socket.gethostname()}, process {os.getpid()}"
            conn.execute(box_state.update().where(of_term).values(value=json.dumps({"term": term, "by": by})))
            commit(conn)
        return term

    def _let_go(self) -> None:
        self._term = None
        if self._held is not None:
            with suppress(Exception):  # it is lost already, mostly
                self._held.execute("ROLLBACK")  # so that the next may have it when this returns
            self._held.close()
            self._held = None

    def _kept_elsewhere(self) -> UnavailableError:
        who = f"Another membox ({self._by})" if self._by else "No membox"
        return UnavailableError(
            "kept_elsewhere",
            f"{who} keeps the notebook and the schedule of this database, and this one does not: send it there, or "
            "stop that one and try again in a moment.",
        )

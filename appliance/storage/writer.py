"""One thread that owns the only writing connection: group commit, a savepoint for each request.

Requests that wait while a commit reaches the disk share the next one. A deferred transaction that reads and then
writes would fail under contention whatever the busy timeout; here nothing contends.
"""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from appliance.errors import StorageFullError, UnavailableError

type Admit = Callable[[], None]

GROUP_LIMIT = 64  # requests that share one commit
_log = logging.getLogger(__name__)


class _Request:
    __slots__ = ("_running", "error", "outside", "repeatable", "result", "work")

    def __init__(self, work: Callable[[Connection], Any], outside: bool, repeatable: bool) -> None:
        self.work = work
        self.outside = outside  # wants to run between transactions: maintenance that cannot be inside one
        self.repeatable = repeatable
        self.result: Any = None
        self.error: BaseException | None = None
        self._running = threading.Lock()  # an Event takes three times as long, on a path that every write takes
        self._running.acquire()

    def is_done(self, timeout: float = 0) -> bool:
        return self._running.acquire(timeout=timeout)

    def done(self) -> None:
        self._running.release()


class Writer:
    """Runs submitted work one after the other on one connection of `engine`.

    Args:
        engine: connects to the store; its `begin` event opens the right kind of transaction.
        translate: turns a database driver's error into one of ours.
        upkeep: called with the connection between transactions, after each and at least every second; must be quick
            when nothing is due.
        admit: called before each transaction; raises while writes are held (`appliance.hold`). What runs outside of
            transactions changes nothing that anybody sent, and is not asked.
    """

    def __init__(
        self,
        engine: Engine,
        translate: Callable[[DBAPIError], Exception],
        upkeep: Callable[[Connection], None],
        admit: Admit = lambda: None,
    ) -> None:
        self._admit = admit
        self._engine = engine
        self._translate = translate
        self._upkeep = upkeep
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    def submit[T](self, work: Callable[[Connection], T], outside: bool = False, repeatable: bool = False) -> T:
        """Run `work` and return its result after the commit; raise what it raised."""
        if self._closing or not self._thread.is_alive():
            raise UnavailableError("shutting_down", "The box is stopping; try again in a moment.")
        request = _Request(work, outside, repeatable)
        self._requests.put(request)
        while not request.is_done(timeout=1.0):
            if not self._thread.is_alive():
                if request.is_done():  # just before the thread ended; it says so only once
                    break
                raise UnavailableError("shutting_down", "The box stopped before this was stored; send it again.")
        if request.error is not None:
            raise request.error
        result: T = request.result
        return result

    def is_alive(self) -> bool:
        """Whether the thread is there to take work."""
        return self._thread.is_alive() and not self._closing

    def close(self) -> None:
        """Finish what was submitted and end the thread."""
        self._closing = True
        self._requests.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self._engine.connect() as conn:
            while True:
                group = self._next_group(conn)
                if group is None:
                    return
                outside = [request for request in group if request.outside]
                inside = [request for request in group if not request.outside]
                if inside:
                    self._commit(conn, inside)
                for request in outside:
                    self._attempt(conn, request)
                    request.done()
                self._keep_up(conn)

    def _next_group(self, conn: Connection) -> list[_Request] | None:
        while True:
            try:
                first = self._requests.get(timeout=1.0)
                break
            except queue.Empty:
                self._keep_up(conn)
        if first is None:
            return None
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                following = self._requests.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._requests.put(None)  # stop after this group
                break
            group.append(following)
        return group

    def _keep_up(self, conn: Connection) -> None:
        try:
            self._upkeep(conn)
        except DBAPIError:
            _log.exception("database upkeep failed; it is tried again")

    def _commit(self, conn: Connection, group: list[_Request]) -> None:
        try:
            self._admit()
            if not self._all_at_once(conn, group):
                with conn.begin():
                    for request in group:
                        self._attempt_in_savepoint(conn, request)
        except Exception as fault:  # noqa: BLE001 - told to all that shared the transaction
            error = self._reason(fault, group)
            for request in group:
                request.error = request.error or error
        finally:
            for request in group:
                request.done()

    def _all_at_once(self, conn: Connection, group: list[_Request]) -> bool:
        """Try without savepoints, at each of which the full-text index writes out what it has; False to begin anew."""
        alone = len(group) == 1
        if not (alone or all(request.repeatable for request in group)):
            return False
        with conn.begin() as transaction:
            if all(self._attempt(conn, request) for request in group):
                return True
            transaction.rollback()
        if not alone:
            for request in group:
                request.error = None
        return alone

    def _reason(self, fault: Exception, group: list[_Request]) -> BaseException:
        """Why a transaction was lost: when the driver gave it up on a full disk, the request that met it knows."""
        full = [request.error for request in group if isinstance(request.error, StorageFullError)]
        if full:
            return full[0]
        return self._told(fault) if isinstance(fault, DBAPIError) else fault

    def _told(self, fault: DBAPIError) -> Exception:
        """What is told of a fault; it stays the cause, which the log shows."""
        error = self._translate(fault)
        error.__cause__ = fault
        return error

    def _attempt_in_savepoint(self, conn: Connection, request: _Request) -> None:
        # In words both dialects know: SQLAlchemy's own savepoint objects take four times as long.
        conn.exec_driver_sql("SAVEPOINT request")
        if not self._attempt(conn, request):
            # Raises when the driver already gave up the whole transaction: then all are told.
            conn.exec_driver_sql("ROLLBACK TO SAVEPOINT request")
        conn.exec_driver_sql("RELEASE SAVEPOINT request")

    def _attempt(self, conn: Connection, request: _Request) -> bool:
        try:
            request.result = request.work(conn)
            return True
        except DBAPIError as fault:
            request.error = self._told(fault)
        except Exception as error:  # noqa: BLE001 - raised again in the thread that asked
            request.error = error
        return False

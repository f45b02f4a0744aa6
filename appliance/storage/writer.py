"""One connection that writes, and one writer at a time: group commit, a savepoint for each request.

Whoever asks while nobody writes does the writing, on its own thread and for all who wait by then: to hand each write
to a thread of the writer's would take as long again as the write. Requests that wait while a commit reaches the disk
share the next one. A deferred transaction that reads and then writes would fail under contention whatever the busy
timeout; here nothing contends.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from appliance.errors import StorageFullError, UnavailableError

type Admit = Callable[[], None]

GROUP_LIMIT = 64  # requests that share one commit


class _Request:
    __slots__ = ("_asleep", "error", "outside", "repeatable", "result", "work")

    def __init__(self, work: Callable[[Connection], Any], outside: bool, repeatable: bool) -> None:
        self.work = work
        self.outside = outside  # wants to run between transactions: maintenance that cannot be inside one
        self.repeatable = repeatable
        self.result: Any = None
        self.error: BaseException | None = None
        self._asleep = threading.Lock()  # an Event takes three times as long, on a path that every write takes
        self._asleep.acquire()

    def sleep(self) -> None:
        """Wait until woken: because this is done, or because it is first in line and nobody writes."""
        self._asleep.acquire()

    def wake(self) -> None:
        self._asleep.release()


class Writer:
    """Runs submitted work one after the other on one connection of `engine`.

    Args:
        engine: connects to the store; its `begin` event opens the right kind of transaction.
        translate: turns a database driver's error into one of ours.
        admit: called before each transaction; raises while writes are held (`appliance.hold`). What runs outside of
            transactions changes nothing that anybody sent, and is not asked.
    """

    def __init__(
        self, engine: Engine, translate: Callable[[DBAPIError], Exception], admit: Admit = lambda: None
    ) -> None:
        self._admit = admit
        self._translate = translate
        self._conn = engine.connect()
        self._line: deque[_Request] = deque()
        self._leader: _Request | None = None  # the first in line, or who was it when the writing began
        self._lining_up = threading.Lock()  # held to change either
        self._is_closing = False

    def submit[T](self, work: Callable[[Connection], T], outside: bool = False, repeatable: bool = False) -> T:
        """Run `work` and return its result after the commit; raise what it raised."""
        result: T = self._run(_Request(work, outside, repeatable))
        return result

    def is_alive(self) -> bool:
        """Whether work is taken."""
        return not self._is_closing

    def close(self) -> None:
        """Finish what was submitted, and take no more."""
        self._is_closing = True
        self._run(_Request(lambda _conn: None, outside=True, repeatable=False), is_last=True)  # behind all others
        self._conn.close()

    def _run(self, request: _Request, is_last: bool = False) -> Any:
        with self._lining_up:
            if self._is_closing and not is_last:
                raise UnavailableError("shutting_down", "The box is stopping; try again in a moment.")
            self._line.append(request)
            self._leader = self._leader or request
            leads = self._leader is request
        if not leads:
            try:
                request.sleep()
            except BaseException:
                self._leave(request)
                raise
        if self._leader is request:
            self._lead()
        if request.error is not None:
            raise request.error
        return request.result

    def _lead(self) -> None:
        """Write what waits, first of all this thread's own; then let the next in line do the same."""
        with self._lining_up:
            group = [self._line.popleft() for _ in range(min(len(self._line), GROUP_LIMIT))]
        try:
            self._write(group)
        except BaseException:  # Ctrl-C in a command: whoever shared this must not take it for done
            for request in group:
                request.error = request.error or UnavailableError(
                    "shutting_down", "The box stopped before this was stored; send it again."
                )
            raise
        finally:
            with self._lining_up:
                self._follow()
            for request in group[1:]:
                request.wake()

    def _follow(self) -> None:
        """Give the turn to whoever is first in line."""
        self._leader = self._line[0] if self._line else None
        if self._leader is not None:
            self._leader.wake()

    def _leave(self, request: _Request) -> None:
        """Take a request back that nobody has begun."""
        with self._lining_up:
            if request in self._line:
                self._line.remove(request)
            if request is self._leader:
                self._follow()

    def _write(self, group: list[_Request]) -> None:
        inside = [request for request in group if not request.outside]
        if inside:
            self._commit(self._conn, inside)
        for request in group:
            if request.outside:
                self._attempt(self._conn, request)

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

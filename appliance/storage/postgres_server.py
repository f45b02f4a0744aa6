"""The way to a PostgreSQL server: its address, connections that are safe behind a pooler, and its faults as ours.

What a connection needs is said at the start of each transaction, never once for a session: behind pgbouncer's
transaction pooling the next transaction may be another session's. Nothing is prepared on the server for that reason.
"""

import importlib.util
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from appliance.errors import (
    InvalidError,
    MemboxError,
    NotConfiguredError,
    StorageError,
    StorageFullError,
    UnavailableError,
)
from appliance.storage.database import UNREACHABLE

if TYPE_CHECKING:
    import psycopg

CONNECTIONS = 8
_CONNECT_SECONDS = 5
_POOL_SECONDS = 15
# A server or a network that died is noticed within half a minute, on both sides.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
# Of a transaction: the whole of a cost estimate is small here, so compiling never pays.
_ALWAYS = "SET LOCAL jit = off; SET LOCAL idle_in_transaction_session_timeout = '2min'"
READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '30s'; {_ALWAYS}"
READ_ALL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"  # for as long as it takes
WRITE = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = '60s'; {_ALWAYS}; "
    "SET LOCAL lock_timeout = '10s'; "
    # An acknowledged write is on disk, whatever the server does for others.
    "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
)

_FULL = "53100"
_READ_ONLY = "25006"
_BUSY = {"57014", "55P03", "40001", "40P01", "53300", "25P03"}  # cancelled, locked, crossed, too many connections, idle
_GOING = {"57P01", "57P02", "57P03"}  # it shuts down, crashed, or starts
_UNFIT = {"22001", "22003"}  # a text or a number that is too large for its column
_NO_TEXT = {"22021", "22P05"}  # U+0000 and what is no character
_REFUSED = re.compile(r'(database|role|user) "[^"]*" does not exist|no pg_hba\.conf entry[^,]*|not permitted[^,]*')
CROSSED = {"40001", "40P01", "23505"}  # two writes met: serialisation, deadlock, or both put in the same


@dataclass(frozen=True)
class Server:
    """A database on a server. `password` beats one in the `dsn`; without any, libpq looks (PGPASSFILE, PGPASSWORD)."""

    dsn: str = field(repr=False)
    password: str = field(default="", repr=False)

    @property
    def place(self) -> str:
        """Where it is, for people: never with a password."""
        from psycopg.conninfo import conninfo_to_dict

        parts = conninfo_to_dict(self._conninfo)
        port = f":{parts['port']}" if parts.get("port") else ""
        return f"{parts.get('dbname') or parts.get('user') or 'postgres'} at {parts.get('host') or 'localhost'}{port}"

    def connect(self) -> "psycopg.Connection[Any]":
        """A new connection on which every statement stands alone until it says BEGIN.

        Raises:
            UnavailableError, NotConfiguredError: see `unreachable`.
        """
        _require_driver()
        import psycopg

        options: dict[str, Any] = {"connect_timeout": _CONNECT_SECONDS, "application_name": "membox", **_KEEPALIVE}
        if self.password:
            options["password"] = self.password
        try:
            made: psycopg.Connection[Any] = psycopg.connect(
                self._conninfo, autocommit=True, prepare_threshold=None, **options
            )
            return made
        except psycopg.ProgrammingError as fault:
            raise NotConfiguredError(
                "bad_config", "store.postgres_dsn is no address of a database: postgresql://USER@HOST/DATABASE."
            ) from fault
        except psycopg.OperationalError as fault:
            raise unreachable(self, fault) from fault

    def engine(self) -> Engine:
        """A pool of up to CONNECTIONS connections, made as they are needed."""
        _require_driver()
        return create_engine(
            "postgresql+psycopg://",
            creator=self.connect,
            poolclass=QueuePool,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
            pool_use_lifo=True,
            use_native_hstore=False,
            # What is stored is nobody's to read in a log: no error shows a statement's values.
            hide_parameters=True,
        )

    @property
    def _conninfo(self) -> str:
        return re.sub(r"\Apostgres(ql)?\+\w+:", "postgresql:", self.dsn)  # some name a driver of theirs


def _require_driver() -> None:
    if importlib.util.find_spec("psycopg") is None:
        raise NotConfiguredError(
            "postgres_not_installed",
            "store.backend = postgres needs the driver psycopg, which is not installed here: install membox[postgres].",
        )


def begin(engine: Engine, statement: str) -> Connection:
    """A connection in a transaction that `statement` begins; one found dead in the pool is replaced first."""
    for is_last in (False, True):
        conn = engine.connect()
        try:
            conn.exec_driver_sql(statement)
            return conn
        except DBAPIError as fault:
            conn.close()
            if is_last or not fault.connection_invalidated:
                raise
    raise AssertionError("unreachable")


def commit(conn: Connection) -> None:
    """End the transaction that `begin` began; DBAPIError or StorageError when it is not stored."""
    raw: Any = conn.connection.driver_connection
    if raw.info.transaction_status.name != "INTRANS":
        raise StorageError("storage_failed", "The transaction was given up before its end; nothing was stored.")
    conn.commit()


def state_of(fault: DBAPIError) -> str:
    """The SQLSTATE of a fault, empty when the server said none."""
    return getattr(fault.orig, "sqlstate", None) or ""


def unreachable(server: Server, fault: "psycopg.OperationalError") -> UnavailableError | NotConfiguredError:
    """The error for a connection that did not come about: the settings' fault, or the moment's."""
    said = " ".join(str(fault).split())
    where = f"The PostgreSQL database {server.place}"
    if "password" in said:
        return NotConfiguredError(
            "database_password",
            f"{where} refuses the password, or wants one: set it with `membox secrets set postgres-password`, or in "
            "the file that PGPASSFILE names.",
        )
    if match := _REFUSED.search(said):
        return NotConfiguredError(
            "database_refused", f"{where} does not let membox in ({match[0]}); see docs/postgresql.md, Set-up."
        )
    reason = said.rpartition("failed: ")[2].partition(" Is the server")[0] or said
    return UnavailableError(
        UNREACHABLE, f"{where} cannot be reached now ({reason[:200]}); start it, or correct store.postgres_dsn."
    )


def translate(fault: DBAPIError) -> MemboxError:
    """A fault of the driver as an error of ours; what it told of stored values is taken out of it, for the log."""
    state = state_of(fault)
    said = _without_values(fault)
    if fault.connection_invalidated or state in _GOING:
        return UnavailableError(
            UNREACHABLE,
            "The connection to the database was lost, and what was asked for may or may not be stored; send it again, "
            "with the same idempotency key if it has one.",
        )
    if state == _FULL:
        return StorageFullError("disk_full", "The database's disk is full; nothing was stored. Free some space there.")
    if state in _BUSY:
        return UnavailableError("database_busy", f"The database is too busy ({said}); nothing was stored, try again.")
    if state == _READ_ONLY:
        return StorageError(
            "database_read_only",
            "The database takes no writes (a replica, or made read-only); let store.postgres_dsn name the primary.",
        )
    if state in _UNFIT:
        return InvalidError("invalid", f"That is larger than anything stored there ({said}).")
    if state in _NO_TEXT or "NUL (0x00)" in said:
        return InvalidError("invalid", "The text has a character that no text can have (U+0000).")
    return StorageError("storage_failed", f"The database could not be used ({said}). Run `membox doctor`.")


def _without_values(fault: DBAPIError) -> str:
    """The first line of what the server said; its details may repeat a whole row."""
    diagnosis = getattr(fault.orig, "diag", None)
    said = (diagnosis and diagnosis.message_primary) or str(fault.orig).partition("\n")[0]
    if fault.orig is not None:
        fault.orig.args = (said,)
    fault.args = (said,)
    return str(said)

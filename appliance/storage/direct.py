"""Statements handed to the driver as they are: for the few that every write runs.

SQLAlchemy's own work for one call takes four times as long as the driver's; here it is done once.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import Executable

from appliance.storage.schema import memory_items

type Values = Mapping[str, Any]

_items_that = select(memory_items.c.id)


@lru_cache(maxsize=4)  # a recall asks several times for the same condition
def written(condition: ColumnElement[bool], dialect: Dialect) -> tuple[str, tuple[Any, ...]]:
    """A condition on items as SQL, and the values of its question marks in order; for a dialect that has such.

    It is for statements that read from `memory_items`, by that name.
    """
    # Within such a statement: else a subquery in the condition would not know which item it is about.
    whole: Any = _items_that.where(condition).compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    before, where, text = str(whole).partition("\nWHERE ")
    if "," in before or not where:
        raise ValueError("a condition on items is about no other table")
    return f"({text})", tuple(whole.params[name] for name in whole.positiontup or ())


class Direct:
    """A Core statement, compiled once for the dialect it is first used with.

    Values must be ones the driver knows by itself: texts, numbers, bytes, None. For an insert `columns` names those
    that get one.
    """

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement, self._columns = statement, columns
        self._dialect: Dialect | None = None
        self._text = ""
        self._in_order: Callable[[Values], Any] = dict

    def rows(self, conn: Connection, values: Values) -> list[Any]:
        """Run it with `values` by name, and give the rows it returns, as tuples."""
        self._compile(conn.dialect)
        return fetched(conn, self._text, self._in_order(values))

    def many(self, conn: Connection, values: Sequence[Values]) -> None:
        """Run it once for each of `values`."""
        self._compile(conn.dialect)
        _run(conn, self._text, lambda cursor: cursor.executemany(self._text, [self._in_order(each) for each in values]))

    def _compile(self, dialect: Dialect) -> None:
        if self._dialect is dialect:
            return
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=self._columns)  # type: ignore[attr-defined]
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._text = str(compiled)
        self._in_order = _order(compiled.positiontup, constants)
        self._dialect = dialect


def fetched(conn: Connection, statement: str, values: Any) -> list[Any]:
    """Run a statement in the driver's own words, and give the rows it returns, as tuples."""
    return list(_run(conn, statement, lambda cursor: cursor.execute(statement, values)).fetchall())


def _run(conn: Connection, statement: str, work: Callable[[Any], object]) -> Any:
    cursor = conn.connection.cursor()
    error = conn.dialect.loaded_dbapi.Error
    try:
        work(cursor)
    except error as fault:
        raise DBAPIError.instance(statement, None, fault, error, dialect=conn.dialect) from fault
    return cursor


def _order(names: Sequence[str] | None, constants: dict[str, Any]) -> Callable[[Values], Any]:
    """How a dialect wants values: one after the other, or by name (`names` is None)."""
    if names is None:
        return lambda values: {**constants, **values}
    in_order = itemgetter(*names)
    return (lambda values: in_order({**constants, **values})) if constants else in_order

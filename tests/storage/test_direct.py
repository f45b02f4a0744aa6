"""Statements handed straight to the driver do what SQLAlchemy would have done."""

from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, select

from appliance.errors import StorageError
from appliance.storage import open_database
from appliance.storage.direct import Direct
from appliance.storage.schema import box_state, similarity_bands

PUT = Direct(insert(box_state))
FIND = Direct(
    select(box_state.c.value, box_state.c.key).where(box_state.c.key == bindparam("key"), box_state.c.value != "no")
)


def test_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    database = open_database(tmp_path / "membox.db")
    database.write(lambda conn: PUT.many(conn, [{"value": "yes", "key": "a"}, {"key": "b", "value": "no"}]))
    with database.read() as conn:
        assert FIND.rows(conn, {"key": "a"}) == [("yes", "a")]
        assert FIND.rows(conn, {"key": "b"}) == []  # a value that is part of the statement counts too
    database.close()


def test_only_named_columns_are_given_and_the_new_row_is_returned(tmp_path: Path) -> None:
    database = open_database(tmp_path / "membox.db")
    add = Direct(insert(similarity_bands).returning(similarity_bands.c.item_id), ["band", "item_id"])
    assert database.write(lambda conn: add.rows(conn, {"band": 5, "item_id": 7})) == [(7,)]
    database.close()


def test_what_the_database_refuses_undoes_the_request_and_is_told_as_any_fault(tmp_path: Path) -> None:
    database = open_database(tmp_path / "membox.db")
    with pytest.raises(StorageError, match="UNIQUE"):
        database.write(lambda conn: PUT.many(conn, [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]))
    with database.read() as conn:
        assert FIND.rows(conn, {"key": "a"}) == []
    database.close()

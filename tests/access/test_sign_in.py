from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from appliance.access import Access
from appliance.errors import NotFoundError, UnauthorizedError
from appliance.principal import Role
from appliance.storage import Database
from appliance.storage.schema import sign_in_tickets, web_sessions


def test_a_ticket_opens_a_session_of_the_owner(access: Access) -> None:
    new = access.sign_in(access.create_ticket().ticket, "phone")
    session = access.session(new.token)
    assert session is not None
    assert session.principal == access.owner
    assert session.principal.role is Role.ADMIN
    assert session.csrf_token == new.csrf_token
    assert len({new.token, new.csrf_token}) == 2


def test_a_ticket_works_once(access: Access) -> None:
    ticket = access.create_ticket().ticket
    access.sign_in(ticket, "first")
    with pytest.raises(UnauthorizedError) as raised:
        access.sign_in(ticket, "second")
    assert raised.value.word == "invalid_ticket"


def test_of_many_at_once_one_gets_in(access: Access) -> None:
    ticket = access.create_ticket().ticket

    def attempt(number: int) -> bool:
        try:
            access.sign_in(ticket, str(number))
        except UnauthorizedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_ticket_lives_ten_minutes(access: Access, clock: Any) -> None:
    early, late = access.create_ticket(), access.create_ticket()
    clock.pass_time(timedelta(minutes=9, seconds=59))
    access.sign_in(early.ticket, "in time")
    clock.pass_time(timedelta(seconds=1))
    with pytest.raises(UnauthorizedError):
        access.sign_in(late.ticket, "too late")


@pytest.mark.parametrize("ticket", ["", "guess", "x" * 5000, "\ud800"])
def test_a_guessed_ticket_lets_nobody_in(access: Access, ticket: str) -> None:
    with pytest.raises(UnauthorizedError):
        access.sign_in(ticket, "thief")


def test_a_session_lives_thirty_days(access: Access, clock: Any) -> None:
    token = access.sign_in(access.create_ticket().ticket, "phone").token
    clock.pass_time(timedelta(days=30) - timedelta(seconds=1))
    assert access.session(token) is not None
    clock.pass_time(timedelta(seconds=1))
    assert access.session(token) is None


def test_a_session_outlasts_a_restart(access: Access, reopened: Callable[[], Access]) -> None:
    token = access.sign_in(access.create_ticket().ticket, "phone").token
    assert reopened().session(token) is not None


def test_signing_out_ends_that_session_only(access: Access) -> None:
    one, two = (access.sign_in(access.create_ticket().ticket, name).token for name in ("one", "two"))
    session = access.session(one)
    assert session is not None
    access.end_session(session.session_id)
    assert access.session(one) is None
    assert access.session(two) is not None


def test_the_list_names_devices_newest_first_and_holds_no_token(access: Access, clock: Any) -> None:
    old = access.sign_in(access.create_ticket().ticket, "old phone")
    clock.pass_time(timedelta(seconds=1))
    access.sign_in(access.create_ticket().ticket, "new phone")
    listed = access.sessions()
    devices = [each.device for each in listed]
    assert devices.index("new phone") < devices.index("old phone")
    assert old.token not in repr(listed)


@pytest.mark.parametrize("session_id", ["", "%", "_" * 16, "0" * 16, "0" * 64])
def test_ending_an_unknown_session_says_so_and_ends_none(access: Access, session_id: str) -> None:
    token = access.sign_in(access.create_ticket().ticket, "phone").token
    with pytest.raises(NotFoundError) as raised:
        access.end_session(session_id)
    assert raised.value.word == "session_not_found"
    assert access.session(token) is not None


def test_neither_tickets_nor_sessions_are_stored_in_clear(access: Access, database: Database) -> None:
    unused = access.create_ticket().ticket
    used = access.create_ticket().ticket
    token = access.sign_in(used, "phone").token
    with database.read() as conn:
        stored = repr([*conn.execute(select(sign_in_tickets)), *conn.execute(select(web_sessions))])
    assert not any(secret in stored for secret in (unused, used, token))


def test_what_is_over_is_cleared_away(access: Access, clock: Any, database: Database) -> None:
    access.sign_in(access.create_ticket().ticket, "phone")
    clock.pass_time(timedelta(days=31))
    access.sign_in(access.create_ticket().ticket, "later")
    access.purge()
    with database.read() as conn:
        assert len(conn.execute(select(web_sessions)).all()) == 1
        assert len(conn.execute(select(sign_in_tickets)).all()) == 1

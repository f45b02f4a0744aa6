"""People: one-time tickets to sign in with, and the web sessions they open.

Only hashes are stored, so a copied database signs nobody in. A ticket is used once and lives ten minutes; a
session lives thirty days. Times are epoch milliseconds.
"""

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from appliance.access.keys import hash_of
from appliance.errors import NotFoundError, UnauthorizedError
from appliance.principal import Principal
from appliance.storage.schema import sign_in_tickets, web_sessions

TICKET_LIFE_MS = 10 * 60 * 1000
SESSION_LIFE_MS = 30 * 24 * 60 * 60 * 1000
_TOKEN_BYTES = 32
_SHOWN_ID = 16  # of the hash's hex digits: enough to name a session, useless for anything else


@dataclass(frozen=True, slots=True)
class Ticket:
    """A one-time sign-in ticket; `ticket` is its only copy in clear."""

    ticket: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session just opened; `token` is what the cookie carries and nothing else does."""

    token: str
    csrf_token: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person's session, found by its cookie or, without an id, by the `login` that the tailnet names."""

    session_id: str
    principal: Principal
    csrf_token: str
    login: str = ""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as lists show it."""

    session_id: str
    device: str
    created_at: int
    expires_at: int


def store_ticket(conn: Connection, now: int) -> Ticket:
    """Make a ticket."""
    ticket = Ticket(secrets.token_urlsafe(_TOKEN_BYTES), now + TICKET_LIFE_MS)
    conn.execute(insert(sign_in_tickets).values(ticket_hash=hash_of(ticket.ticket), expires_at=ticket.expires_at))
    return ticket


def open_session(conn: Connection, ticket: str, device: str, now: int) -> NewSession:
    """Use up a ticket and open a session.

    Raises:
        UnauthorizedError: `invalid_ticket` when it is unknown, used or over.
    """
    used = conn.execute(
        update(sign_in_tickets)
        .where(sign_in_tickets.c.ticket_hash == hash_of(ticket))
        .where(sign_in_tickets.c.used_at.is_(None), sign_in_tickets.c.expires_at > now)
        .values(used_at=now)
    )
    if used.rowcount != 1:
        raise UnauthorizedError(
            "invalid_ticket", "This sign-in link was used already or is over ten minutes old; ask for a new one."
        )
    session = NewSession(
        secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES), now + SESSION_LIFE_MS
    )
    conn.execute(
        insert(web_sessions).values(
            session_hash=hash_of(session.token),
            csrf_token=session.csrf_token,
            device=device,
            created_at=now,
            expires_at=session.expires_at,
        )
    )
    return session


def find_session(conn: Connection, token: str, owner: Principal, now: int) -> Session | None:
    """The open session of a cookie's token."""
    row = conn.execute(
        select(web_sessions.c.session_hash, web_sessions.c.csrf_token)
        .where(web_sessions.c.session_hash == hash_of(token))
        .where(web_sessions.c.expires_at > now)
    ).first()
    return row and Session(row.session_hash[:_SHOWN_ID], owner, row.csrf_token)


def drop_expired(conn: Connection, now: int) -> None:
    """Delete tickets and sessions whose time is over."""
    conn.execute(delete(sign_in_tickets).where(sign_in_tickets.c.expires_at <= now))
    conn.execute(delete(web_sessions).where(web_sessions.c.expires_at <= now))


def list_sessions(conn: Connection, now: int) -> list[SessionInfo]:
    """The open sessions, newest first."""
    rows = conn.execute(
        select(web_sessions).where(web_sessions.c.expires_at > now).order_by(web_sessions.c.created_at.desc())
    )
    return [SessionInfo(row.session_hash[:_SHOWN_ID], row.device, row.created_at, row.expires_at) for row in rows]


def close_session(conn: Connection, session_id: str) -> None:
    """End the session a list shows under `session_id`.

    Raises:
        NotFoundError: `session_not_found`.
    """
    shown = web_sessions.c.session_hash.startswith(session_id, autoescape=True)
    if len(session_id) != _SHOWN_ID or conn.execute(delete(web_sessions).where(shown)).rowcount == 0:
        raise NotFoundError("session_not_found", "No open session has this id; it may have ended already.")

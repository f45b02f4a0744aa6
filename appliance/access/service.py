"""The box's door-keeper: knows every credential, and which caller it stands for."""

import hmac
from collections.abc import Callable, Mapping
from threading import Lock

from sqlalchemy import ColumnElement, Connection, insert, select, true, update

from appliance.access import sign_in
from appliance.access.keys import KeyInfo, NewKey, StoredKey, hash_of, key_id_of, make_key
from appliance.access.sign_in import NewSession, Session, SessionInfo, Ticket
from appliance.clock import Clock, to_ms
from appliance.config import GivenKey
from appliance.errors import NotFoundError
from appliance.principal import Principal, Role
from appliance.storage.database import Database
from appliance.storage.schema import access_keys, audit_log

_CAPTOR = "capture"


class Access:
    """Keys, tickets and sessions of one box.

    A key made or revoked counts from the next request. Keys are held in memory as hashes, because every request needs
    one and only this object changes them (one daemon holds a home's lease); where others share the database, each
    request looks there.

    Args:
        mode: ``api_key``, or ``disabled``: every caller is then admin of whatever it names.
        given_keys: further keys, from file or environment; held as hashes, never stored.
        tenant: the box's own tenant, the one its owner acts in.
        capture_token: gives the token with which anybody may capture, as memsync's clients send it; "" for none.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        mode: str = "api_key",
        given_keys: Mapping[str, GivenKey] | None = None,
        tenant: str = "home",
        capture_token: Callable[[], str] = lambda: "",
    ) -> None:
        self._database = database
        self._clock = clock
        self.mode = mode
        self.tenant = tenant
        self.owner = Principal(tenant, "owner", Role.ADMIN, owner=True)
        self._given = {
            hash_of(key): Principal(given.tenant_id, given.agent_id, Role.named(given.role))
            for key, given in (given_keys or {}).items()
        }
        self._capture_token = capture_token
        self._owner_key_hash = ""
        self._last_used: dict[str, int] = {}
        self._changing = Lock()
        self._stored = {} if database.is_shared else self._load(true())

    # -- keys ---------------------------------------------------------------------------------------------------

    def create_key(self, name: str, tenant_id: str, agent_id: str, role: Role, actor: str = "owner") -> NewKey:
        """Make a key bound to tenant, agent and role; its text is in the answer and nowhere else."""
        new = make_key()
        row = {
            "key_id": new.key_id,
            "secret_hash": hash_of(new.key),
            "name": name,
            "tenant_id": tenant_id,
            "agent_id": agent_id,
            "role": role.word,
            "created_at": self._now(),
        }

        def store(conn: Connection) -> None:
            conn.execute(insert(access_keys).values(row))
            self._audit(conn, tenant_id, actor, "key_created", new.key_id)

        with self._changing:
            self._database.write(store)
            principal = Principal(tenant_id, agent_id, role, key_id=new.key_id)
            self._stored[new.key_id] = StoredKey(hash_of(new.key), principal)
        return new

    def keys(self, tenant_id: str | None = None) -> list[KeyInfo]:
        """The keys that count, newest first; of one tenant, or of all."""
        query = select(access_keys).where(access_keys.c.revoked_at.is_(None))
        if tenant_id is not None:
            query = query.where(access_keys.c.tenant_id == tenant_id)
        with self._database.read() as conn:
            rows = conn.execute(query.order_by(access_keys.c.created_at.desc(), access_keys.c.key_id)).all()
        return [
            KeyInfo(row.key_id, row.name, row.tenant_id, row.agent_id, Role.named(row.role), row.created_at)
            for row in rows
        ]

    def revoke_key(self, key_id: str, tenant_id: str | None = None, actor: str = "owner") -> None:
        """Make a key worthless from the next request on.

        Raises:
            NotFoundError: `key_not_found`, also for another tenant's when `tenant_id` is given.
        """

        def revoke(conn: Connection) -> None:
            query = update(access_keys).where(access_keys.c.key_id == key_id, access_keys.c.revoked_at.is_(None))
            if tenant_id is not None:
                query = query.where(access_keys.c.tenant_id == tenant_id)
            if conn.execute(query.values(revoked_at=self._now())).rowcount != 1:
                raise NotFoundError("key_not_found", "No key in use has this id; `membox key list` shows them.")
            self._audit(conn, tenant_id or self.tenant, actor, "key_revoked", key_id)

        with self._changing:
            self._database.write(revoke)
            self._stored.pop(key_id, None)

    def principal_of_key(self, key: str) -> Principal | None:
        """Whom a key lets in; None when it is not, or no longer, a key of this box."""
        key_hash = hash_of(key)
        stored = self._key_of(key_id_of(key) or "")
        if stored is not None and stored.matches(key_hash):
            self._last_used[stored.principal.key_id] = self._now()
            return stored.principal
        if self._owner_key_hash and hmac.compare_digest(self._owner_key_hash, key_hash):
            return self.owner
        return self._given.get(key_hash) or self._captor(key, key_hash)

    def _captor(self, key: str, key_hash: str) -> Principal | None:
        """Whom the capture token lets in; it is asked for only where the key has not the form of ours."""
        token = self._capture_token() if key_id_of(key) is None else ""
        is_it = bool(token) and hmac.compare_digest(hash_of(token), key_hash)
        return Principal(self.tenant, _CAPTOR, Role.CAPTURE) if is_it else None

    def last_used(self, key_id: str) -> int | None:
        """When a key last let somebody in, since this process began; None when it has not."""
        return self._last_used.get(key_id)

    def accept_owner_key(self, key: str) -> None:
        """Take `key` as the owner's own for as long as this process lives (the daemon's ``run/owner.key``)."""
        self._owner_key_hash = hash_of(key)

    # -- people -------------------------------------------------------------------------------------------------

    def create_ticket(self) -> Ticket:
        """A one-time sign-in ticket, good for ten minutes."""
        return self._database.write(lambda conn: sign_in.store_ticket(conn, self._now()))

    def sign_in(self, ticket: str, device: str) -> NewSession:
        """Open a session with a ticket, once.

        Raises:
            UnauthorizedError: `invalid_ticket`.
        """

        def work(conn: Connection) -> NewSession:
            session = sign_in.open_session(conn, ticket, device[:128], self._now())
            self._audit(conn, self.tenant, self.owner.agent_id, "signed_in", device[:128])
            return session

        return self._database.write(work)

    def session(self, token: str) -> Session | None:
        """The open session a cookie's token belongs to."""
        with self._database.read() as conn:
            return sign_in.find_session(conn, token, self.owner, self._now())

    def sessions(self) -> list[SessionInfo]:
        """The open sessions, newest first."""
        with self._database.read() as conn:
            return sign_in.list_sessions(conn, self._now())

    def end_session(self, session_id: str) -> None:
        """Sign a device out, by the id lists show.

        Raises:
            NotFoundError: `session_not_found`.
        """

        def work(conn: Connection) -> None:
            sign_in.close_session(conn, session_id)
            self._audit(conn, self.tenant, self.owner.agent_id, "signed_out", session_id)

        self._database.write(work)

    def note(self, actor: str, action: str, subject: str) -> None:
        """Write down in the audit log that `actor` did `action` to `subject`, of the box's own tenant."""
        self._database.write(lambda conn: self._audit(conn, self.tenant, actor, action, subject))

    def purge(self) -> None:
        """Drop tickets and sessions whose time is over."""
        self._database.write(lambda conn: sign_in.drop_expired(conn, self._now()))

    # -- inside -------------------------------------------------------------------------------------------------

    def _key_of(self, key_id: str) -> StoredKey | None:
        if not self._database.is_shared:
            return self._stored.get(key_id)
        return self._load(access_keys.c.key_id == key_id).get(key_id) if key_id.isalnum() else None

    def _load(self, which: ColumnElement[bool]) -> dict[str, StoredKey]:
        with self._database.read() as conn:
            rows = conn.execute(select(access_keys).where(access_keys.c.revoked_at.is_(None), which)).all()
        return {
            row.key_id: StoredKey(
                row.secret_hash, Principal(row.tenant_id, row.agent_id, Role.named(row.role), key_id=row.key_id)
            )
            for row in rows
        }

    def _now(self) -> int:
        return to_ms(self._clock())

    def _audit(self, conn: Connection, tenant_id: str, actor: str, action: str, subject: str) -> None:
        conn.execute(
            insert(audit_log).values(
                at=self._now(), tenant_id=tenant_id, actor=actor[:128], action=action, subject=subject
            )
        )

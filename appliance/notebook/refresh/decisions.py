"""What a person decides: proposals approved or declined, refreshes undone, rewordings taken or left."""

from sqlalchemy import Connection

from appliance.clock import Clock, to_ms
from appliance.errors import ConflictError, NotFoundError
from appliance.notebook.plaintext import unified
from appliance.notebook.refresh import record
from appliance.notebook.refresh.models import Offered, Outcome, Proposal, Refreshed
from appliance.notebook.refresh.writing import Change, Writer
from appliance.notebook.service import Notebook
from appliance.storage.database import Database


class Decisions:
    """The list of refreshes and what can be done with each. Thread safe."""

    def __init__(self, notebook: Notebook, database: Database, writer: Writer, clock: Clock) -> None:
        self._notebook = notebook
        self._database = database
        self._writer = writer
        self._clock = clock

    def refreshes(self, limit: int = 50, before: int | None = None, outcome: Outcome | None = None) -> list[Refreshed]:
        """Refreshes, newest first: those before an id, or those of one outcome."""
        with self._database.read() as conn:
            return record.all_of(conn, limit, before, outcome)

    def refresh(self, refresh_id: int) -> Proposal:
        """A refresh with what it changed or, awaiting approval, would change now. NotFoundError `refresh_not_found`."""
        found, proposal = self._one(refresh_id)
        return Proposal(**dict(found), diff=self._diff(found, proposal))

    def approve(self, refresh_id: int, author: str) -> Refreshed:
        """Store what a refresh proposes, on top of what the file has become since.

        Raises:
            NotFoundError: `refresh_not_found`.
            ConflictError: `refresh_settled`, it awaits nothing any more.
            RefusedError: the same lines were edited since, or it turns a hard constraint around that is new.
        """
        found, proposal = self._one(refresh_id)
        self._require(found, Outcome.AWAITING)
        base = self._notebook.past.version(found.path, found.base_version)
        detail = f"{found.detail}\nApproved by {author}."

        def stored(conn: Connection, version: int | None) -> None:
            new = {"outcome": Outcome.APPLIED, "version": version, "proposal": None, "detail": detail}
            record.change(conn, refresh_id, Outcome.AWAITING, **new)

        self._writer.apply(Change(found.path, base, proposal, found.at), author, stored)
        return self._one(refresh_id)[0]

    def decline(self, refresh_id: int, author: str) -> Refreshed:
        """Drop what a refresh proposes; its entries wait for another. Raises as `approve` does."""
        found, _ = self._one(refresh_id)
        self._require(found, Outcome.AWAITING)

        def declined(conn: Connection) -> None:
            detail = f"{found.detail}\nDeclined by {author}."
            record.change(conn, refresh_id, Outcome.AWAITING, outcome=Outcome.DECLINED, proposal=None, detail=detail)
            record.release(conn, refresh_id)

        self._database.write(declined)
        return self._one(refresh_id)[0]

    def undo(self, author: str, refresh_id: int | None = None) -> Refreshed:
        """Take a stored refresh back, by default the last; its entries wait again, and later edits stay.

        Raises:
            NotFoundError: `refresh_not_found`, or `nothing_to_undo`.
            ConflictError: `refresh_settled`; `edit_conflict`, the same lines were edited since.
        """
        found = self._one(refresh_id)[0] if refresh_id is not None else self._last_applied()
        self._require(found, Outcome.APPLIED)

        def undone(conn: Connection) -> None:
            detail = f"{found.detail}\nUndone by {author}."
            record.change(conn, found.id, Outcome.APPLIED, outcome=Outcome.UNDONE, detail=detail)
            record.release(conn, found.id)

        self._writer.undo(found, author, undone)
        return self._one(found.id)[0]

    def made(self, path: str) -> Refreshed | None:
        """The refresh that stored the newest version of a file; None when somebody has changed it since."""
        version = self._notebook.past.known(path).stored.version
        with self._database.read() as conn:
            return record.of_version(conn, path, version)

    def offers(self) -> list[Offered]:
        """The rewordings of hard constraints that wait for a person, oldest first."""
        with self._database.read() as conn:
            return record.offers(conn)

    def take(self, offer_id: int, author: str) -> Offered:
        """Put a rewording in the place of the line that was kept.

        Raises:
            NotFoundError: `offer_not_found`.
            ConflictError: `offer_outdated`, the line is no longer what it was.
        """
        with self._database.read() as conn:
            offer = record.offered(conn, offer_id)
        now = to_ms(self._clock())
        self._writer.take(offer, author, lambda conn: record.settle(conn, offer_id, record.TAKEN, now))
        return offer

    def leave(self, offer_id: int) -> Offered:
        """Leave the line as it was kept; the same rewording is not offered again. NotFoundError `offer_not_found`."""
        with self._database.read() as conn:
            offer = record.offered(conn, offer_id)
        now = to_ms(self._clock())
        self._database.write(lambda conn: record.settle(conn, offer_id, record.LEFT, now))
        return offer

    def _one(self, refresh_id: int) -> tuple[Refreshed, str]:
        with self._database.read() as conn:
            return record.one(conn, refresh_id)

    def _last_applied(self) -> Refreshed:
        found = self.refreshes(limit=1, outcome=Outcome.APPLIED)
        if not found:
            raise NotFoundError("nothing_to_undo", "There is no refresh to undo.")
        return found[0]

    @staticmethod
    def _require(found: Refreshed, outcome: Outcome) -> None:
        if found.outcome is not outcome:
            raise ConflictError("refresh_settled", f"Refresh {found.id} is {found.outcome}, no longer {outcome}.")

    def _diff(self, found: Refreshed, proposal: str) -> str:
        past = self._notebook.past
        if found.outcome is Outcome.AWAITING:
            base = past.version(found.path, found.base_version)
            return unified(found.path, base, proposal, f"version {found.base_version}", "proposed")
        return past.diff(found.path, found.version - 1, found.version) if found.version else ""

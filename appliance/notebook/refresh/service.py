"""The refresh: a language model takes what was noted into the curated memory (contract notebook, Refresh).

    entries that wait → request → provider, outside of every lock → checks → one transaction

A reply that a check refuses changes nothing; its entries wait for the next run.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection

from appliance.clock import Clock, local, to_ms
from appliance.errors import MemboxError, NoProviderError
from appliance.notebook.documents import CURATED, project_of
from appliance.notebook.models import Document
from appliance.notebook.plaintext import unified
from appliance.notebook.refresh import prompt, record
from appliance.notebook.refresh.asking import Asking, Model
from appliance.notebook.refresh.checks import Checked
from appliance.notebook.refresh.decisions import Decisions
from appliance.notebook.refresh.entries import Entry, in_order
from appliance.notebook.refresh.filing import by_digest, filed
from appliance.notebook.refresh.gathering import Gathered, gathered
from appliance.notebook.refresh.models import Finished, Outcome, Progress, Refreshed, State
from appliance.notebook.refresh.writing import Change, Writer
from appliance.notebook.service import Notebook
from appliance.notebook.watch import MEMBOX
from appliance.providers import Reply
from appliance.redaction import Redactor
from appliance.settings import Core
from appliance.storage.database import Database

_CLOSING_SECONDS = 5.0
_FILED = "file notes"
_log = logging.getLogger(__name__)


class Refresh:
    """Keeps the curated memory up to date. Thread safe; one run at a time."""

    def __init__(
        self,
        notebook: Notebook,
        database: Database,
        model: Model,
        redactor: Callable[[], Redactor],
        core: Core,
        clock: Clock,
    ) -> None:
        self._notebook = notebook
        self._database = database
        self._timezone = core.timezone
        self._clock = clock
        self._asking = Asking(model, redactor, core, clock)
        self._writer = Writer(notebook, core.timezone)
        self.decisions = Decisions(notebook, database, self._writer, clock)
        self._one_run = threading.Lock()
        self._beginning = threading.Lock()
        self._thread: threading.Thread | None = None
        self._progress: Progress | None = None
        self._last: Finished | None = None
        self._counted: tuple[tuple[int, ...], int] = ((), 0)

    def run(self, path: str = CURATED) -> list[Refreshed]:
        """Merge all that waits into a file, in portions; what was done, nothing when nothing waits.

        Raises:
            NotFoundError: `document_not_found`, there is no such file.
            NoProviderError: nobody to ask; what waits for the curated memory is filed in the digest.
            ProviderError, MalformedReplyError, RefusedError: the last portion changed nothing, and waits.
            UnavailableError: writes are held, or another process keeps the notebook.
        """
        with self._one_run:
            self._database.require_open()
            self._database.term()
            self._notebook.read(path)
            done: list[Refreshed] = []
            while (found := self._waiting(path)).entries:
                done.append(self._portion(path, found))
                if done[-1].outcome is not Outcome.APPLIED:
                    break
            return done

    def try_out(self, path: str = CURATED) -> str:
        """What the next portion would change, as a unified diff; touches nothing, not even the record of usage.

        Raises as `run` does, and files nothing.
        """
        with self._one_run:
            document, found = self._notebook.read(path), self._waiting(path)
            if not found.entries:
                return ""
            entries = _portion_of(found)
            try:
                answer = self._asking.ask(document, entries, self._counting(path, entries), record=False)
            finally:
                self._progress = None
            result = self._asking.checked(document, answer)
            return unified(path, document.text, result.text, f"version {document.version}", "refreshed")

    def nightly(self) -> str:
        """Refresh the curated memory and the projects' memories; a sentence on what was done.

        Raises what `run` raises but NoProviderError: the notes are filed then, which is no failure.
        """
        paths = [each.path for each in self._notebook.documents() if each.path == CURATED or project_of(each.path)]
        done: list[Refreshed] = []
        faults: list[MemboxError] = []
        for path in paths:
            try:
                done += self.run(path)
            except NoProviderError as error:
                return error.sentence
            except MemboxError as error:  # one file's reply is no reason to leave the others
                faults.append(error)
        if faults:
            raise faults[0]
        return " ".join(each.detail.partition("\n")[0] for each in done) or "Nothing new was noted."

    # A run beside everything else

    def begin(self, path: str = CURATED, try_out: bool = False) -> State:
        """Begin a run, unless one is under way; `state` tells how far it is, and how it ended."""
        with self._beginning:
            if not self._is_running():
                self._last = None
                self._thread = threading.Thread(
                    target=self._run_aside, args=(path, try_out), name="refresh", daemon=True
                )
                self._thread.start()
        return self.state()

    def state(self) -> State:
        """Whether a run is under way, how the last one that was begun ended, what waits."""
        progress = self._progress
        if progress is None and self._is_running():
            progress = Progress(path="", entries=0, characters=0)
        waiting = progress.entries if progress else self._count_waiting()
        with self._database.read() as conn:
            awaiting, offered = record.count(conn)
        last = None if progress else self._last
        return State(running=progress, last=last, waiting_entries=waiting, awaiting_approval=awaiting, offered=offered)

    def close(self) -> None:
        """Give a run a moment to end; what it has not stored by then waits for the next."""
        if self._thread is not None:
            self._thread.join(_CLOSING_SECONDS)

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run_aside(self, path: str, try_out: bool) -> None:
        try:
            done = Finished(diff=self.try_out(path)) if try_out else Finished(refreshes=self.run(path))
        except MemboxError as error:
            done = Finished(word=error.word, message=error.sentence)
        except Exception:  # noqa: BLE001 - the end of a thread: logged whole, told without its inside
            _log.exception("the refresh failed")
            done = Finished(word="internal_error", message="The refresh failed; the daemon's log says why.")
        self._last = done

    # One portion

    def _waiting(self, path: str) -> Gathered:
        return gathered(self._notebook, self._database, self._timezone, path)

    def _count_waiting(self) -> int:
        """How many entries wait for the curated memory; counted anew only after something has changed."""
        versions = sum(held.stored.version for held in self._notebook.past.held().values())
        with self._database.read() as conn:
            now = (versions, *record.stamp(conn))
        if self._counted[0] != now:
            self._counted = (now, len(self._waiting(CURATED).entries))
        return self._counted[1]

    def _portion(self, path: str, found: Gathered) -> Refreshed:
        """Ask for one portion of what waits, and store what comes of it."""
        document, entries = self._notebook.read(path), _portion_of(found)
        about = {"at": to_ms(self._clock()), "path": path, "base_version": document.version, "entries": len(entries)}
        row = about | _usage(None)
        outcome = Outcome.FAILED
        try:
            answer = self._asking.ask(document, entries, self._counting(path, entries), record=True)
            row, outcome = row | _usage(answer.reply), Outcome.REFUSED
            return self._store(document, self._asking.checked(document, answer), entries, found, row)
        except NoProviderError as error:
            if path != CURATED:
                raise
            raise NoProviderError(error.word, self._file(found.entries, row, error.sentence)) from error
        except MemboxError as error:
            told = row | {"outcome": outcome, "detail": error.sentence}
            self._database.write(lambda conn: record.add(conn, **told))
            raise
        finally:
            self._progress = None

    def _counting(self, path: str, entries: list[Entry]) -> Callable[[str], None]:
        """What counts the characters that the model writes."""
        self._progress = progress = Progress(path=path, entries=len(entries), characters=0)
        written = 0

        def count(text: str) -> None:
            nonlocal written
            written += len(text)
            self._progress = progress.model_copy(update={"characters": written})

        return count

    def _store(
        self, document: Document, result: Checked, entries: list[Entry], found: Gathered, row: dict[str, Any]
    ) -> Refreshed:
        refresh_id = 0
        read = found.versions | {document.path: document.version}

        def stored(conn: Connection, version: int | None) -> None:
            nonlocal refresh_id
            record.require_unforgotten(conn, read)
            record.supersede(conn, document.path)
            refresh_id = record.add(conn, **row, version=version)
            record.hold(conn, refresh_id, found.held_by(entries))
            record.offer(conn, refresh_id, document.path, result.offers)

        row["detail"] = _told(result, entries)
        if result.needs_approval:
            row |= {"outcome": Outcome.AWAITING, "proposal": result.text}
            self._database.write(lambda conn: stored(conn, None))
        else:
            row["outcome"] = Outcome.APPLIED
            self._writer.apply(Change(document.path, document.text, result.text, row["at"]), MEMBOX, stored)
        with self._database.read() as conn:
            return record.one(conn, refresh_id)[0]

    def _file(self, entries: list[Entry], row: dict[str, Any], why: str) -> str:
        """File what waits in the digests of its months, and say so."""
        today = f"{local(self._clock(), self._timezone):%Y-%m-%d}"
        by_path = by_digest(entries, today)
        is_new = False

        def edited(digest: str, path: str) -> str:
            nonlocal is_new
            after = filed(digest, by_path[path], today)
            is_new |= after != digest
            return after

        def also(conn: Connection) -> None:
            if is_new:
                record.add(conn, **row, outcome=Outcome.FILED, detail=sentence)

        sentence = f"{why} What was noted is filed in {max(by_path)} and waits."
        self._notebook.edit({path: partial(edited, path=path) for path in by_path}, MEMBOX, _FILED, also)
        return sentence


def _portion_of(found: Gathered) -> list[Entry]:
    return next(prompt.batches(in_order([*found.awaiting, *found.entries])))


def _usage(reply: Reply | None) -> dict[str, Any]:
    if reply is None:
        return {"provider": "", "model": "", "input_tokens": 0, "output_tokens": 0, "cost_micros": 0}
    return {
        "provider": reply.provider,
        "model": reply.model,
        "input_tokens": reply.input_tokens,
        "output_tokens": reply.output_tokens,
        "cost_micros": reply.cost_micros,
    }


def _told(result: Checked, entries: list[Entry]) -> str:
    """What a refresh did: a sentence or more, then the lines that were put back."""
    taken = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
    said = [f"{taken} taken in."]
    if result.needs_approval:
        said = [f"{result.shrink:.0%} of the file would go for {taken}: this waits for approval."]
    if result.put_back:
        said.append(f"Hard constraints that the reply had dropped were put back: {len(result.put_back)}.")
    if result.offers:
        said.append(f"Hard constraints that it had reworded were kept, the wordings are offered: {len(result.offers)}.")
    return "\n".join([" ".join(said), *result.put_back])

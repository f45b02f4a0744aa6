"""Reading on in the transcripts, and noting what deserves remembering in the day's journal, each portion once."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Connection, delete, insert, select

from appliance import errand
from appliance.agents.harvest import extract, transcripts
from appliance.agents.harvest.extract import Model
from appliance.agents.harvest.transcripts import SKIP, Portion
from appliance.clock import Clock, local, to_ms
from appliance.errors import ConflictError, MalformedReplyError, NoProviderError, ProviderError, UnavailableError
from appliance.redaction import Redactor
from appliance.storage.database import Database
from appliance.storage.schema import harvested

_OF_THE_PORTION = ("malformed_reply", "truncated")  # faults of one portion, not of the language model
_BY_MODEL, _BY_RULES = "a language model", "rules, as no language model can be asked"
_NONE_SET_UP = "no_provider"
_MOST_PORTIONS = 40  # a run: the rest of a long backlog waits for the next night


class Journal(Protocol):
    """Where finds go, and what is known already (`notebook.finds.Finds`)."""

    def note(self, text: str, also: Callable[[Connection], None]) -> None:
        """Append to the day's journal, with what `also` does in the same transaction."""

    def known(self) -> str:
        """What the memory says already, one text."""


class Harvested(BaseModel):
    """What a run did: transcripts read on in, finds noted, portions that failed and stay unread, with the reasons."""

    model_config = ConfigDict(frozen=True)

    transcripts: int
    notes: int
    failed: int
    reasons: list[str]
    by: str
    sentence: str


class Harvest:
    """The harvest of a box.

    Args:
        redactor: gives what takes secrets out of a text.
        root: the directory of transcripts where no errand unit is; the user's own without one.
        socket: where errands are asked for.
    """

    def __init__(
        self,
        journal: Journal,
        database: Database,
        clock: Clock,
        timezone: str,
        model: Model,
        redactor: Callable[[], Redactor],
        root: Path | None = None,
        socket: Path = errand.SOCKET,
    ) -> None:
        self._journal = journal
        self._database = database
        self._clock = clock
        self._timezone = timezone
        self._model = model
        self._redactor = redactor
        self._root = root
        self._socket = socket
        self._running = threading.Lock()

    def run(self) -> str:
        """Read on in every transcript; a sentence on what came of it."""
        return self.harvest().sentence

    def harvest(self) -> Harvested:
        """The same, in numbers. What fails stays unread, and is told.

        Raises:
            ConflictError: `harvest_running`.
            UnavailableError: the agent's transcripts cannot be reached.
        """
        if not self._running.acquire(blocking=False):
            raise ConflictError("harvest_running", "A harvest is under way; see what it brings, then try again.")
        try:
            return self._harvest()
        finally:
            self._running.release()

    def _harvest(self) -> Harvested:
        positions, read, failures = self._positions(), set[str](), dict[str, str]()
        notes, by = 0, _BY_MODEL
        for _ in range(_MOST_PORTIONS):
            portion = self._next(positions)
            if portion is None:
                break
            try:
                finds, by = self._finds(portion) if portion.said else ([], by)
            except (NoProviderError, ProviderError, MalformedReplyError) as fault:
                failures[portion.source] = fault.sentence
                positions[portion.source] = SKIP  # for this run; what is stored of it stays
                if fault.word not in _OF_THE_PORTION:
                    break  # the next would fail as well
                continue
            notes += self._keep(portion, finds)
            read.add(portion.source)
            positions[portion.source] = portion.end
        reasons = sorted(set(failures.values()))
        sentence = f"{notes} finds from {len(read)} transcripts, by {by}."
        if failures:
            sentence += f" {len(failures)} stay unread: {'; '.join(reasons)}"
        return Harvested(
            transcripts=len(read), notes=notes, failed=len(failures), reasons=reasons, by=by, sentence=sentence
        )

    def _next(self, positions: dict[str, int]) -> Portion | None:
        if not errand.is_there(self._socket):
            return transcripts.read_on(self._root or transcripts.directory(), positions)
        answer = errand.ask("transcripts", {"positions": positions}, path=self._socket).get("portion")
        try:
            return Portion.model_validate(answer) if answer else None
        except ValidationError as fault:
            raise UnavailableError(
                "errand_failed", "The agent's transcripts were not told as they should be."
            ) from fault

    def _finds(self, portion: Portion) -> tuple[list[str], str]:
        try:
            return extract.by_model(portion, self._model), _BY_MODEL
        except NoProviderError as fault:
            if fault.word != _NONE_SET_UP:
                raise  # tomorrow there is a budget again, and a model finds more
            return extract.by_rules(portion), _BY_RULES

    def _keep(self, portion: Portion, finds: list[str]) -> int:
        """Note what is new of the finds and mark the portion as read, in one transaction; how many those were."""
        known = _folded(self._journal.known()) if finds else ""
        new = [
            find
            for find in dict.fromkeys(map(self._redactor().text, finds))
            if _folded(find.partition(": ")[2]) not in known
        ]
        if new:
            text = "\n".join([self._title(portion), "", *(f"- {find}" for find in new)])
            self._journal.note(text, self._marking(portion))
        else:
            self._database.write(self._marking(portion), repeatable=True)
        return len(new)

    def _title(self, portion: Portion) -> str:
        place = Path(portion.directory).name or "/"
        try:
            day = f"{local(datetime.fromisoformat(portion.moment), self._timezone):%Y-%m-%d}"
        except ValueError:
            return f"From a session in {place}:"
        return f"From a session in {place} on {day}:"

    def _positions(self) -> dict[str, int]:
        with self._database.read() as conn:
            return {row.source: row.position for row in conn.execute(select(harvested))}

    def _marking(self, portion: Portion) -> Callable[[Connection], None]:
        """What marks a portion as read."""
        row = {"source": portion.source, "position": portion.end, "read_at": to_ms(self._clock())}

        def mark(conn: Connection) -> None:
            conn.execute(delete(harvested).where(harvested.c.source == portion.source))
            conn.execute(insert(harvested).values(**row))

        return mark


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())

"""What others than people find for the memory: it comes into the day's log, and waits there for the refresh."""

from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import Connection

from appliance.clock import Clock, local
from appliance.errors import NotFoundError
from appliance.notebook import journal
from appliance.notebook.documents import BUFFER, CURATED, LESSONS, day_path
from appliance.notebook.service import Notebook


class Finds:
    """Finds of one author; its name stands in the entries' headings."""

    def __init__(self, notebook: Notebook, author: str, timezone: str, clock: Clock) -> None:
        self._notebook = notebook
        self._author = author
        self._timezone = timezone
        self._clock = clock

    def note(self, text: str, also: Callable[[Connection], None]) -> None:
        """Append an entry to the day's log, with what `also` does in the same transaction."""
        moment = local(self._clock(), self._timezone)
        heading = f"({self._author})"
        edits = {day_path(f"{moment:%Y-%m-%d}"): lambda log: journal.with_entry(log, moment, heading, text)}
        self._notebook.edit(edits, self._author, self._author, also)

    def known(self) -> str:
        """What the memory of now says: the curated file, the buffer, the lessons, and the day's log."""
        texts = []
        for path in (CURATED, BUFFER, LESSONS, self._notebook.today()):
            with suppress(NotFoundError):
                texts.append(self._notebook.read(path).text)
        return "\n".join(texts)

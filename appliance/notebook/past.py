"""Looking back at a notebook's files: their versions, what changed between them, where a line is from."""

from threading import RLock
from typing import Any

from sqlalchemy import Row

from appliance.errors import InvalidError, NotFoundError, UnavailableError
from appliance.notebook import versions
from appliance.notebook.documents import checked_path
from appliance.notebook.holding import Held
from appliance.notebook.models import LineOrigin, VersionInfo
from appliance.notebook.origins import Origin, line_origins
from appliance.notebook.plaintext import normalise, unified
from appliance.notebook.working_copy import WorkingCopy
from appliance.storage.database import Database

_MOST_HISTORY = 500


class Past:
    """What is known of every file there is or was. Thread safe by the notebook's lock."""

    def __init__(self, copy: WorkingCopy, database: Database, lock: RLock) -> None:
        self._copy = copy
        self._database = database
        self._lock = lock

    def history(self, path: str | None = None, limit: int = 50, before: int | None = None) -> list[VersionInfo]:
        """Versions, newest first: of one file, `before` being a version number, or of all, `before` being a time.

        Raises:
            NotFoundError: `document_not_found`.
        """
        document = self.known(path).stored.id if path is not None else None
        with self._database.read() as conn:
            return versions.history(conn, document, max(1, min(limit, _MOST_HISTORY)), before)

    def version(self, path: str, number: int) -> str:
        """The text of a version. NotFoundError `document_not_found` or `version_not_found`."""
        self.known(path)
        return self.text_at(path, number)

    def diff(self, path: str, old: int, new: int) -> str:
        """What changed between two versions, as a unified diff; version 0 is the file before it was there."""
        self.known(path)
        return unified(path, self.text_at(path, old), self.text_at(path, new), f"version {old}", f"version {new}")

    def diff_text(self, path: str, base_version: int, text: str) -> str:
        """What saving `text` would change in a version, as a unified diff."""
        base = self.text_at(checked_path(path), base_version)
        return unified(path, base, normalise(text), f"version {base_version}", "yours")

    def origins(self, path: str) -> list[LineOrigin]:
        """Every line of a file with the version that brought it."""
        return [_told(origin) for origin in self._origins(path)]

    def story(self, path: str, line: int) -> list[LineOrigin]:
        """What a line (1-based) of a file is and was before, newest first, back to when it was new.

        Raises:
            NotFoundError: `document_not_found`.
            InvalidError: `invalid_lines`, the file has no such line.
        """
        origins = self._origins(path)
        if not 1 <= line <= len(origins):
            raise InvalidError("invalid_lines", f"{path} has the lines 1 to {len(origins)}.")
        return [_told(origin) for origin in origins[line - 1].story()]

    def _origins(self, path: str) -> list[Origin[Row[Any]]]:
        stored = self.live(path).stored
        with self._database.read() as conn:
            return line_origins(versions.all_texts(conn, stored.id))

    # What the notebook itself asks for

    def held(self) -> dict[str, Held]:
        """Every document; where another process keeps the notebook, as that has left it by now."""
        try:
            self._database.term()
        except UnavailableError:
            with self._lock:
                self._copy.load()
        return self._copy.held

    def known(self, path: str) -> Held:
        """The document, deleted or not; NotFoundError `document_not_found`."""
        held = self.held().get(checked_path(path))
        if held is None:
            raise NotFoundError("document_not_found", f"There is no {path} in the notebook.")
        return held

    def live(self, path: str) -> Held:
        """The document, if it is there now; NotFoundError `document_not_found`."""
        held = self.known(path)
        if held.stored.deleted:
            raise NotFoundError("document_not_found", f"{path} was deleted; its history can bring it back.")
        return held

    def text_at(self, path: str, number: int) -> str:
        """The text of a version; version 0 is empty. NotFoundError `version_not_found`."""
        text = "" if number == 0 else self._copy.text_at(path, number)
        if text is None:
            raise NotFoundError("version_not_found", f"{path} has no version {number}.")
        return text


def _told(origin: Origin[Row[Any]]) -> LineOrigin:
    row = origin.version
    return LineOrigin(text=origin.text, version=row.number, created_at=row.created_at, author=row.author)

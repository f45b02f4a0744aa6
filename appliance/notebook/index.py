"""Where the notebook's sections go: memory keeps them, the composition root brings the two together."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from appliance.notebook.sections import Section


class SectionIndex(Protocol):
    """The remembered sections of every file. Each call is part of the transaction of `conn`."""

    def replace(self, conn: Connection, path: str, sections: Sequence[Section]) -> None:
        """Let `sections` be all that is remembered of `path`; unchanged ones keep their identity."""

    def append(self, conn: Connection, path: str, sections: Sequence[Section]) -> None:
        """Remember further `sections` at the end of `path`; those before are unchanged, lines included."""

    def forget(self, conn: Connection, memory_id: str) -> None:
        """Let nothing but its id stay of a section; `replace` follows, with the file as it is without it."""

    def lines_of(self, conn: Connection, memory_id: str) -> tuple[str, int, int] | None:
        """Path, first and last line of a remembered section; None when the id is not one."""

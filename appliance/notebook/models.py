"""What the notebook takes and gives (contract notebook)."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from appliance.notebook.plaintext import is_storable

MAX_NOTE_BYTES = 64 * 1024

# What other programs take for the end of a line, and the control characters no text needs.
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x01-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]")

OneLine = Annotated[str, StringConstraints(max_length=200)]


class Note(BaseModel):
    """A captured note. Line ends become line feeds, other control characters U+FFFD; U+0000 is refused."""

    model_config = ConfigDict(frozen=True)

    text: str
    title: OneLine | None = None
    tags: tuple[Annotated[str, StringConstraints(max_length=64)], ...] = Field(default=(), max_length=20)
    url: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        default=None, description="Where it came from, http or https; the note is then trusted as untrusted_web."
    )
    source: OneLine | None = Field(default=None, description="What sent it, for example the phone's name.")

    @field_validator("text", "title", "url", "source")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not is_storable(value):
            raise ValueError("must not hold U+0000 or lone surrogates")
        return _CONTROLS.sub("\ufffd", _LINE_ENDS.sub("\n", value))

    @field_validator("title", "source")
    @classmethod
    def _single_line(cls, value: str | None) -> str | None:
        return " ".join(value.split()) or None if value else None

    @field_validator("tags")
    @classmethod
    def _words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = (re.sub(r"[^\w/-]+", "-", tag, flags=re.UNICODE).strip("-/") for tag in value)
        return tuple(dict.fromkeys(tag for tag in cleaned if tag))

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        value = value.strip() if value else ""
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "\n" in value:
            raise ValueError("must be an http or https address")
        return value.replace(" ", "%20").replace("\t", "%09").replace("<", "%3C").replace(">", "%3E")


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class Captured(_Result):
    """Where a note was stored: local time of its heading, file and lines (1-based, inclusive)."""

    timestamp: str
    path: str
    first_line: int
    last_line: int
    replayed: bool = False


class DocumentInfo(_Result):
    """A file of the notebook as it is now; `changed_at` in epoch milliseconds."""

    path: str
    tier: str
    version: int
    changed_at: int
    author: str
    lines: int
    bytes: int


class Document(_Result):
    """A file's current text; `version` is what a save must name."""

    path: str
    text: str
    version: int
    changed_at: int
    author: str


class Saved(_Result):
    """What a save, restore or undo led to; `merged` when another write had come between."""

    path: str
    version: int
    text: str
    merged: bool = False


class VersionInfo(_Result):
    """One entry of the history; `removed` when this version forgot something."""

    path: str
    number: int
    created_at: int
    author: str
    reason: str
    lines_added: int
    lines_removed: int
    removed: bool


class LineOrigin(_Result):
    """A line and the version that brought it."""

    text: str
    version: int
    created_at: int
    author: str


class FoundLine(_Result):
    """A line that has what was searched for, and the lines around it."""

    path: str
    line: int
    text: str
    before: list[str]
    after: list[str]

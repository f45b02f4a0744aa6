"""Claude Code's own transcripts: one file of JSON lines a session, in a directory a project, which only ever grows.

Read is what people and the agent said to each other: no tool's result, no side chain, nothing that a hook or the
program put in, nothing quoted from the memory itself. What a session of the box's own said is passed over.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from appliance.errand import is_own_session
from appliance.quoting import without_recalled

SKIP = -1
"""The position of a transcript that is not to be read now."""
_MOST_READ = 8 * 1024 * 1024
_MOST_SAID = 40_000  # characters of a portion: about what a model reads with care
_LONGEST_SOURCE = 512
_LONGEST_LINE = 2 * 1024 * 1024  # longer ones are results of tools
_PASSED_OVER = ("isMeta", "isSidechain", "isCompactSummary", "isApiErrorMessage", "isVisibleInTranscriptOnly")
_PUT_IN = re.compile(
    r"<(system-reminder|command-[a-z]+|local-command-[a-z]+|ide_[a-z_]+|task-notification|bash-[a-z]+"
    r"|user-prompt-submit-hook)\b[^>]*>.*?(?:</\1>|\Z)",
    re.DOTALL,
)
_BY_PROGRAM = re.compile(r"\[Request interrupted[^\]]*\]|Caveat: The messages below[^\n]*")


class Said(BaseModel):
    """One thing that was said: by the `person` or the `agent`."""

    model_config = ConfigDict(frozen=True)

    person: bool
    text: str


class Portion(BaseModel):
    """What is new in one transcript, from `start` to `end` (bytes); `moment` as the transcript has it, ISO 8601."""

    model_config = ConfigDict(frozen=True)

    source: str = Field(max_length=_LONGEST_SOURCE)
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    moment: str = ""
    directory: str = ""
    said: tuple[Said, ...] = ()


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where this user's transcripts are."""
    return Path(environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude") / "projects"


def read_on(root: Path, positions: Mapping[str, int]) -> Portion | None:
    """The next portion, oldest transcript first; None when nothing is new anywhere.

    One without anything said only moves the position on. A transcript shorter than its position is another one now.
    """
    for path in sorted(root.glob("*/*.jsonl"), key=_age):
        source = path.relative_to(root).as_posix()
        start = positions.get(source, 0)
        if start != SKIP and len(source) <= _LONGEST_SOURCE and (portion := _read(path, source, start)):
            return portion
    return None


def _age(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime, path.name
    except OSError:
        return 0.0, path.name


def _read(path: Path, source: str, start: int) -> Portion | None:
    try:
        size = path.stat().st_size
        if size == start:
            return None
        with path.open("rb") as file:
            return _portion(file, source, start if start < size else 0)
    except OSError:
        return None  # removed meanwhile, or not for us to read


def _portion(file: BinaryIO, source: str, start: int) -> Portion | None:
    file.seek(start)
    end, moment, where, length = start, "", "", 0
    said: list[Said] = []
    for line in _whole_lines(file):
        end += len(line)
        entry = _entry(line)
        where = str(entry.get("cwd") or where)
        words = "" if is_own_session(where) else _words(entry)
        if words:
            said.append(Said(person=entry["type"] == "user", text=words))
            moment = moment or str(entry.get("timestamp") or "")
            length += len(words)
        if length > _MOST_SAID or end - start > _MOST_READ:
            break
    if end == start:
        return None  # its last line is still being written
    return Portion(source=source, start=start, end=end, moment=moment[:40], directory=where[:1024], said=tuple(said))


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        if not line.endswith(b"\n"):
            return
        yield line


def _entry(line: bytes) -> dict[str, Any]:
    """A line of the transcript; empty when it says nothing that could be read."""
    if len(line) > _LONGEST_LINE:
        return {}
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _words(entry: dict[str, Any]) -> str:
    """What somebody said in an entry; empty when nobody did."""
    if entry.get("type") not in ("user", "assistant") or any(entry.get(flag) for flag in _PASSED_OVER):
        return ""
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        blocks = [block for block in content if isinstance(block, dict)]
        content = "\n".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")
    if not isinstance(content, str):
        return ""
    plain = _BY_PROGRAM.sub("", _PUT_IN.sub("", without_recalled(content)))
    return plain.replace("\0", "").encode(errors="replace").decode().strip()

"""Which files belong to the notebook, and which tier each is (contract notebook, Files)."""

import re

from appliance.errors import InvalidError

CURATED = "GLOBAL_MEMORY.md"
BUFFER = "working-buffer.md"
TODO = "tasks/todo.md"
LESSONS = "tasks/lessons.md"
JOURNAL = "sessions/"
ARCHIVE = "archive/"

_DAY = re.compile(r"sessions/(\d{4}-\d{2}-\d{2})\.md")
_DIGEST = re.compile(r"sessions/digest-\d{4}-\d{2}\.md")
_PROJECT = re.compile(r"projects/([^/]+)\.md")
_MAX_PATH = 400
_MAX_NAME_BYTES = 200
_MAX_DEPTH = 8


def checked_path(path: str) -> str:
    """`path` itself when the notebook may hold it.

    Allowed is a relative path with forward slashes that ends in `.md`, has no part that is empty, begins with a dot
    or holds a backslash or control character, has no directory named like a file, and fits any file system.

    Raises:
        InvalidError: `invalid_path`.
    """
    if fault := path_fault(path):
        raise InvalidError("invalid_path", f"A notebook file cannot be named {path[:80]!a}: {fault}.")
    return path


def path_fault(path: str) -> str:
    """Why the notebook cannot hold `path`; empty when it can."""
    parts = path.split("/")
    if len(path) > _MAX_PATH or len(parts) > _MAX_DEPTH:
        return "it is too long or too deep"
    if not path.endswith(".md"):
        return "it must end in .md"
    for part in parts:
        if not part or part.startswith(".") or part != part.strip():
            return "no part of it may be empty, begin with a dot, or begin or end with a space"
        if "\\" in part or not part.isprintable():
            return "it holds a character that file names should not have"
        if len(part.encode(errors="replace")) > _MAX_NAME_BYTES:
            return "a part of it is too long"
    if any(part.lower().endswith(".md") for part in parts[:-1]):
        return "a directory's name may not end in .md, which is for files: one cannot be both"
    return ""


def tier(path: str) -> str:
    """The tier of the file: long-term, active, progress, work, cold, or other for a file of the person's own."""
    if path == CURATED or path.startswith("projects/"):
        return "long-term"
    if path == BUFFER:
        return "active"
    if path.startswith(JOURNAL):
        return "progress"
    if path.startswith("tasks/"):
        return "work"
    return "cold" if path.startswith(ARCHIVE) else "other"


def day_of(path: str) -> str | None:
    """The day `YYYY-MM-DD` whose journal the file is; None when it is no day's file."""
    match = _DAY.fullmatch(path)
    return match.group(1) if match else None


def digest_path(day: str) -> str:
    """The digest of the journal that the day `YYYY-MM-DD` belongs into."""
    return f"{JOURNAL}digest-{day[:7]}.md"


def is_digest(path: str) -> bool:
    """Whether the file is a digest of the journal, which repeats what stands elsewhere."""
    return _DIGEST.fullmatch(path) is not None


def project_of(path: str) -> str | None:
    """The id of the repository whose memory the file is; None when it is no project's file."""
    match = _PROJECT.fullmatch(path)
    return match.group(1) if match else None


def day_path(day: str) -> str:
    """The journal file of the day `YYYY-MM-DD`."""
    return f"{JOURNAL}{day}.md"

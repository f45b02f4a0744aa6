"""The day's log: what an entry looks like, how it is read, and why captured text cannot forge one.

An entry is a rule `---`, an empty line, `### HH:MM:SS (captured)`, an empty line, at most one line that says title,
tags, origin and source, and the text (contract notebook, Files).

In the text, a line that would be structure (heading, rule, underline of a heading, HTML) gets a backslash before its
first sign, which Markdown shows as the plain sign. A code block keeps its lines as they are; one left open is
closed. Comment signs `<!--` get the backslash wherever they stand.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from appliance.notebook.models import Note
from appliance.notebook.outline import Fence, code_lines, fence_opened_by, headings, is_rule, open_fence
from appliance.notebook.plaintext import lines_of

_TIME = re.compile(r"(\d{2}:\d{2}:\d{2})(?!\S)(.*)")
_ENTRY_LEVEL = 3
_STRUCTURE = re.compile(r" {0,3}(#{1,6}(?:[ \t]|$)|(?:=+|-+)[ \t]*$|<(?:[/!?]|[a-z][\w-]*(?:[\s/>]|$)))", re.IGNORECASE)
_COMMENT = re.compile(r"<!--")
_MANAGED = re.compile(r"<!--(?=\s*(?:membox|memsync))", re.IGNORECASE)
_INLINE = re.compile(r"[\\`*_\[\]<]")
_ORIGIN = re.compile(r"(?:^| · )from <https?://[^<>\s]+>(?:$| · )")


@dataclass(frozen=True)
class Entry:
    """An entry of a day's file: lines (1-based, inclusive) from its heading on, local time, what the heading adds."""

    first_line: int
    last_line: int
    time: str
    heading: str
    text: str

    @property
    def captured(self) -> bool:
        """Whether it came in through capture."""
        return self.heading == "(captured)"


def entry_text(note: Note, moment: datetime) -> str:
    """The entry of `note`, captured at the local time `moment`, as it is appended to the day's file."""
    about = _about(note)
    body = [*([about, ""] if about else []), *quoted(note.text)]
    return "\n".join(["", "---", "", f"### {moment:%H:%M:%S} (captured)", "", *body, ""])


def with_entry(text: str, moment: datetime, heading: str, body: str) -> str:
    """A day's file with an entry of the local time `moment` appended, which `heading` says more of than the time."""
    start = text or f"# {moment:%Y-%m-%d}\n"
    fence = open_fence(text)
    closing = [fence.closing] if fence else []
    return start + "\n".join([*closing, "", "---", "", f"### {moment:%H:%M:%S} {heading}", "", *quoted(body), ""])


def _about(note: Note) -> str:
    parts = [
        f"**{_inline(note.title)}**" if note.title else "",
        " ".join(f"#{tag}" for tag in note.tags),
        f"from <{note.url}>" if note.url else "",
        f"via {_inline(note.source)}" if note.source else "",
    ]
    return " · ".join(part for part in parts if part)


def _inline(words: str) -> str:
    return _INLINE.sub(r"\\\g<0>", words)


def quoted(text: str) -> list[str]:
    """The lines of captured `text`, unable to be structure of the journal."""
    lines: list[str] = []
    fence: Fence | None = None
    for line in text.strip("\n").split("\n"):
        if fence and line.strip() and not line.startswith(fence.indent):
            # Left of its fence a line ends a code block inside a list: say so, for every reader.
            lines.append(fence.closing)
            closed, fence = fence.closed_by(line), None
            if closed:
                continue
        if fence:
            lines.append(_MANAGED.sub(r"<\!--", line))
            fence = None if fence.closed_by(line) else fence
            continue
        fence = fence_opened_by(line)
        lines.append(_MANAGED.sub(r"<\!--", line) if fence else _plain(line))
    if fence:
        lines.append(fence.closing)
    return lines


def _plain(line: str) -> str:
    line = _COMMENT.sub(r"\<!--", line)
    match = _STRUCTURE.match(line)
    if match or is_rule(line):
        start = match.start(1) if match else len(line) - len(line.lstrip(" "))
        return f"{line[:start]}\\{line[start:]}"
    return line


def time_in(title: str) -> tuple[str, str] | None:
    """Time and further words of an entry's heading; None when the heading begins no entry."""
    match = _TIME.fullmatch(title)
    return (match.group(1), match.group(2).strip()) if match else None


def parse(text: str) -> list[Entry]:
    """The entries of a day's file, in the file's order."""
    lines = lines_of(text)
    code, _ = code_lines(lines)
    found = [heading for heading in headings(lines, code, underlined=False) if heading.level <= _ENTRY_LEVEL]
    entries: list[Entry] = []
    for heading, following in zip_longest(found, found[1:]):
        timed = time_in(heading.title) if heading.level == _ENTRY_LEVEL else None
        if timed is None:
            continue
        end = without_rule(lines, heading.index, following.index if following else len(lines))
        body = "\n".join(lines[heading.index + 1 : end]).strip("\n")
        entries.append(Entry(heading.index + 1, end, *timed, body))
    return entries


def without_rule(lines: list[str], start: int, end: int) -> int:
    """Where the block of lines `start` to `end` ends (exclusive) without the blank lines and rules that follow it."""
    while end > start + 1 and (not lines[end - 1].strip() or is_rule(lines[end - 1])):
        end -= 1
    return end


def came_from_web(lines: list[str]) -> bool:
    """Whether an entry's body says, in its first line, that it came from a web address."""
    first = next((line for line in lines if line.strip()), "")
    return _ORIGIN.search(first) is not None

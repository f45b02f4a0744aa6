"""The block structure of Markdown that matters here: which lines are code, headings, rules and comments.

Line by line and the same for whoever asks: the journal escapes what this module would recognise, so a captured text
can never become structure (see `journal.quoted`).
"""

import re
from dataclasses import dataclass

from appliance.notebook.plaintext import lines_of

_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(={3,}|-{3,})[ \t]*$")
_RULE = re.compile(r" {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_PLAIN = re.compile(r" {0,3}(?![-*+>#|`~<]|\d+[.)])\S")


@dataclass(frozen=True)
class Fence:
    """An open code fence: what closes it."""

    indent: str
    mark: str

    def closed_by(self, line: str) -> bool:
        """Whether `line` ends the code block."""
        bare = line.lstrip(" ")
        mark = bare.rstrip(" \t")
        return len(line) - len(bare) <= 3 and len(mark) >= len(self.mark) and not mark.strip(self.mark[0])

    @property
    def closing(self) -> str:
        """The line that ends the code block."""
        return self.indent + self.mark


@dataclass(frozen=True)
class Heading:
    """A heading: index of its first line, how many lines it takes (two when underlined), level 1..6, its words."""

    index: int
    height: int
    level: int
    title: str


def fence_opened_by(line: str) -> Fence | None:
    """The code fence that `line` opens, outside code."""
    match = _FENCE.match(line)
    return Fence(match.group(1), match.group(2)) if match else None


def code_lines(lines: list[str]) -> tuple[list[bool], Fence | None]:
    """For each line whether it belongs to fenced code, and the fence still open at the end."""
    code: list[bool] = []
    fence: Fence | None = None
    for line in lines:
        if fence is None:
            fence = fence_opened_by(line)
            code.append(fence is not None)
        else:
            code.append(True)
            fence = None if fence.closed_by(line) else fence
    return code, fence


def open_fence(text: str) -> Fence | None:
    """The code fence that `text` leaves open."""
    return code_lines(lines_of(text))[1] if "```" in text or "~~~" in text else None


def heading_of(line: str) -> tuple[int, str] | None:
    """Level and words of the `#` heading in `line`; None when it is none."""
    bare = line.lstrip(" ")
    level = len(bare) - len(bare.lstrip("#"))
    rest = bare[level:]
    if len(line) - len(bare) > 3 or not 1 <= level <= 6 or (rest and rest[0] not in " \t"):
        return None
    title = rest.strip(" \t")
    without_close = title.rstrip("#")
    if without_close != title and (not without_close or without_close[-1] in " \t"):
        title = without_close.rstrip(" \t")
    return level, title


def is_rule(line: str) -> bool:
    """Whether `line` is a thematic break."""
    return _RULE.match(line) is not None


def headings(lines: list[str], code: list[bool], underlined: bool = True) -> list[Heading]:
    """The headings outside code, in order; with `underlined` also those written over a line of = or -."""
    found: list[Heading] = []
    for index, line in enumerate(lines):
        if code[index]:
            continue
        if heading := heading_of(line):
            found.append(Heading(index, 1, *heading))
        elif underlined and _UNDERLINE.match(line) and _stands_alone(lines, code, index - 1):
            found.append(Heading(index - 1, 2, 1 if "=" in line else 2, lines[index - 1].strip()))
    return found


def _stands_alone(lines: list[str], code: list[bool], index: int) -> bool:
    """Whether the line is a paragraph of one line: only then is what underlines it surely a heading."""
    if index < 0 or code[index] or not _PLAIN.match(lines[index]):
        return False
    return index == 0 or not lines[index - 1].strip()


def comment_lines(lines: list[str]) -> list[bool]:
    """For each line of a block whether it is nothing but HTML comment; one that never ends is no comment."""
    comment = [False] * len(lines)
    start: int | None = None
    for index, line in enumerate(lines):
        if start is None and line.lstrip().startswith("<!--"):
            start = index
        if start is not None and "-->" in line:
            if not line.rpartition("-->")[2].strip():
                comment[start : index + 1] = [True] * (index + 1 - start)
            start = None
    return comment

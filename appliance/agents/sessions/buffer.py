"""The working buffer: a part per session, keyed by project (contract notebook, Files).

A part is a heading of the second level, a comment that says whose it is, lines `Task:`, `Next:`, `Blocked:`, `Ended:`,
and below them what was said and done, one list line each. Whatever else a person writes there stays as it is.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise

HEADS = ("Task", "Next", "Blocked", "Ended")
EXCHANGE = ("asked", "did")  # the log; every other kind is to be kept
_HEADING = re.compile(r"## ")
_MARK = re.compile(r"<!-- membox session (\S+) -->")
_LINE = re.compile(r"- (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([a-z]+): (.+)")
_COMMENT = re.compile(r"<!--")
_LONGEST = 700


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a part: local day and time, its kind, its words."""

    day: str
    time: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"- {self.day} {self.time} {self.kind}: {self.text}"


@dataclass
class Part:
    """The part of one session; `lines` are its raw lines, heading first."""

    lines: list[str] = field(default_factory=list)

    @classmethod
    def new(cls, key: str, project: str, who: str, since: str) -> "Part":
        """An empty part: of the session `key`, in `project`, by an agent on a machine, since a local time."""
        return cls([f"## {one_line(project)} · {one_line(who)} · {since}", "", f"<!-- membox session {key} -->", ""])

    @property
    def key(self) -> str:
        """Whose it is; empty for a person's own part."""
        return next((found[1] for line in self.lines if (found := _MARK.fullmatch(line.strip()))), "")

    @property
    def project(self) -> str:
        """The project its heading names."""
        return self.lines[0].removeprefix("## ").partition(" · ")[0].strip()

    def head(self, name: str) -> str:
        """What stands behind `Task:`, `Next:`, `Blocked:` or `Ended:`; empty when there is no such line."""
        return next((line.partition(":")[2].strip() for line in self.lines if line.startswith(f"{name}: ")), "")

    def set_head(self, name: str, value: str) -> None:
        """Put `value` there; without one the line goes."""
        value = one_line(value)
        at = next((i for i, line in enumerate(self.lines) if line.startswith(f"{name}: ")), None)
        if at is not None:
            self.lines[at : at + 1] = [f"{name}: {value}"] if value else []
        elif value:
            before = HEADS[: HEADS.index(name)]
            found = [i for i, line in enumerate(self.lines) if line.startswith(tuple(f"{each}: " for each in before))]
            self.lines.insert(found[-1] + 1 if found else self._below_mark(), f"{name}: {value}")

    def _below_mark(self) -> int:
        at = next(i for i, line in enumerate(self.lines) if _MARK.fullmatch(line.strip())) + 1
        if at == len(self.lines) or self.lines[at].strip():
            self.lines.insert(at, "")
        return at + 1

    def said(self) -> list[Line]:
        """Its list lines, in order."""
        return [Line(*found.groups()) for line in self.lines if (found := _LINE.fullmatch(line))]

    def add(self, line: Line) -> None:
        """Append a list line."""
        while self.lines and not self.lines[-1].strip():
            self.lines.pop()
        if not self.lines[-1].startswith("- "):
            self.lines.append("")
        self.lines.append(str(line))

    def without(self, kinds: tuple[str, ...]) -> None:
        """Remove the list lines of `kinds`; all of them without any."""
        gone = [str(line) for line in self.said() if not kinds or line.kind in kinds]
        self.lines = [line for line in self.lines if line not in gone]

    @property
    def text(self) -> str:
        """The part as Markdown, ended by one line feed."""
        return "\n".join(self.lines).rstrip() + "\n"

    def told(self) -> str:
        """The same without the comment, for an agent to read."""
        return re.sub(r"\n{3,}", "\n\n", "\n".join(line for line in self.lines if not _MARK.match(line))).strip()


class Buffer:
    """The document, taken apart and put together again without a change to what is not ours."""

    def __init__(self, text: str) -> None:
        lines = text.rstrip("\n").split("\n") if text.strip() else ["# Working buffer", ""]
        starts = [i for i, line in enumerate(lines) if _HEADING.match(line)]
        self._before = lines[: starts[0]] if starts else lines
        self.parts = [Part(lines[a:b]) for a, b in pairwise([*starts, len(lines)])]

    def find(self, key: str) -> Part | None:
        """The part of a session."""
        return next((part for part in self.parts if part.key == key), None)

    def of_project(self, project: str) -> list[Part]:
        """The parts of sessions in `project`, the newest last."""
        return [part for part in self.parts if part.key and part.project == project]

    def remove(self, part: Part) -> None:
        """Take a part out."""
        self.parts = [each for each in self.parts if each is not part]

    @property
    def text(self) -> str:
        """The document."""
        blocks = ["\n".join(self._before).rstrip(), *("\n".join(part.lines).rstrip() for part in self.parts)]
        return "\n\n".join(block for block in blocks if block) + "\n"


def one_line(text: str) -> str:
    """`text` as words of one line that no reader takes for structure, cut at a length that a line may have."""
    words = _COMMENT.sub(r"<\\!--", " ".join(text.split()))
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1].rstrip() + "…"

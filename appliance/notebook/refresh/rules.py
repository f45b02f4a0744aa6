"""A part of a file as its rules: a list's items, paragraphs and headings, each with what it stands under.

What a rule stands under is part of it: "push to main" says one thing under "Never:" and another under "Always:".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from appliance.notebook.outline import Heading, code_lines, comment_lines, headings, is_rule
from appliance.notebook.plaintext import lines_of

HEADING, ITEM, TEXT = "heading", "item", "text"

_ITEM = re.compile(r"(\s*)((?:[-*+]|\d{1,9}[.)])(?:[ \t]+|$))(.*)")
_MARKUP = re.compile(r"[*_`\\]+")
_LONGEST_TITLE = 100
_CONSTRAINTS = re.compile(r"[\W\d_]*(?:hard\W+)?constraints?[\W_]*(?:\(.*\))?[\W_]*", re.IGNORECASE)


@dataclass(frozen=True)
class Rule:
    """A rule of a text: the lines `first` to `end` (indexes, exclusive), without blank lines and comments behind it.

    `path` names it: what it stands under, then itself, without markup; of headings beginning with a #.
    """

    path: tuple[str, ...]
    first: int
    end: int
    kind: str
    indent: int
    offset: int
    text: str


@dataclass(frozen=True)
class Section:
    """A section by its heading; `end` is exclusive.

    `path` names the headings above it and its own; one of constraints has the same name however it is written.
    """

    path: tuple[str, ...]
    heading: Heading
    end: int

    @property
    def start(self) -> int:
        """The index of its heading."""
        return self.heading.index

    @property
    def body(self) -> int:
        """The index of the line after its heading."""
        return self.heading.index + self.heading.height


class Outline:
    """A text's lines, and what each of them is."""

    def __init__(self, text: str) -> None:
        self.lines = lines_of(text)
        self.code, self.open_fence = code_lines(self.lines)
        self.comment = comment_lines(["" if code else line for line, code in zip(self.lines, self.code, strict=True)])
        found = headings(self.lines, self.code)
        self.headings = [heading for heading in found if not self.comment[heading.index]]

    @cached_property
    def sections(self) -> list[Section]:
        """Every section, in order; one contains those of deeper headings that follow."""
        found: list[Section] = []
        above: list[Heading] = []
        for place, heading in enumerate(self.headings):
            above = [*(each for each in above if each.level < heading.level), heading]
            following = (each.index for each in self.headings[place + 1 :] if each.level <= heading.level)
            path = tuple("constraints" if _is_constraints(each.title) else normal(each.title) for each in above)
            found.append(Section(path, heading, next(following, len(self.lines))))
        return found

    def constraints(self) -> list[Section]:
        """The sections of hard constraints, whatever their level; one inside another is part of that."""
        found: list[Section] = []
        for section in self.sections:
            inside = found and section.start < found[-1].end
            if not inside and _is_constraints(section.heading.title):
                found.append(section)
        return found

    def rules(self, start: int, end: int) -> list[Rule]:
        """The rules in the lines from `start` to `end` (exclusive)."""
        return list(_Reader(self, start, end).read())

    def says(self, start: int, end: int) -> bool:
        """Whether the lines hold more than blanks and comments."""
        return any(line.strip() and not comment for line, comment in self._zipped(start, end))

    def _zipped(self, start: int, end: int) -> Iterator[tuple[str, bool]]:
        return zip(self.lines[start:end], self.comment[start:end], strict=True)


def _is_constraints(title: str) -> bool:
    return len(title) <= _LONGEST_TITLE and _CONSTRAINTS.fullmatch(title) is not None


def normal(text: str) -> str:
    """A line without its markup, case and last stop: what is equal after this was only written another way."""
    return " ".join(_MARKUP.sub("", text).split()).casefold().rstrip(" .:;")


def constraint_lines(text: str) -> set[int]:
    """The lines (1-based) of `text` that are hard constraints: what a refresh keeps word for word."""
    outline = Outline(text)
    found = (rule for section in outline.constraints() for rule in outline.rules(section.body, section.end))
    return {line + 1 for rule in found if rule.kind != HEADING for line in range(rule.first, rule.end)}


def without_constraints(before: str, after: str) -> list[str]:
    """The lines of hard constraints in `before` that are none in `after` any more."""
    old, new = lines_of(before), lines_of(after)
    kept = {new[line - 1].strip() for line in constraint_lines(after)}
    return [old[line - 1] for line in sorted(constraint_lines(before)) if old[line - 1].strip() not in kept]


class _Reader:
    """Reads rules line by line, keeping what stands above."""

    def __init__(self, outline: Outline, start: int, end: int) -> None:
        self._outline = outline
        self._start, self._end = start, end
        self._above: list[tuple[int, str]] = []  # headings by level - 10, items by indent; the name of each
        self._open: Rule | None = None

    def read(self) -> Iterator[Rule]:
        """Every rule, in order."""
        marked = {heading.index: heading for heading in self._outline.headings}
        gap, index = True, self._start
        while index < self._end:
            line, height = self._outline.lines[index], 1
            if heading := marked.get(index):
                height = heading.height
                yield from self._next(self._heading(heading))
            elif not self._outline.code[index] and self._is_blank(index):
                gap, index = True, index + 1
                continue
            elif (item := _ITEM.fullmatch(line)) and not self._outline.code[index]:
                yield from self._next(self._item(index, item))
            elif gap or self._open is None or self._open.kind == HEADING:
                yield from self._next(self._paragraph(index))
            else:
                self._continue(index)
            gap, index = False, index + height
        yield from self._next(None)

    def _is_blank(self, index: int) -> bool:
        line = self._outline.lines[index]
        return not line.strip() or self._outline.comment[index] or is_rule(line)

    def _next(self, rule: Rule | None) -> Iterator[Rule]:
        if self._open is not None:
            yield self._open
        self._open = rule

    def _heading(self, heading: Heading) -> Rule:
        name = f"# {normal(heading.title)}"
        self._under(heading.level - 10, name)
        return self._rule(heading.index, HEADING, 0, 0, heading.title, heading.height)

    def _item(self, index: int, item: re.Match[str]) -> Rule:
        indent = len(item[1].expandtabs(4))
        self._under(indent, normal(item[3]))
        return self._rule(index, ITEM, indent, indent + len(item[2].expandtabs(4)), item[3])

    def _paragraph(self, index: int) -> Rule:
        line = self._outline.lines[index]
        indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip(" "))
        self._under(indent, normal(line))
        rule = self._rule(index, TEXT, indent, indent, line.strip())
        self._above.pop()  # nothing stands under a paragraph
        return rule

    def _under(self, depth: int, name: str) -> None:
        self._above = [*((each, above) for each, above in self._above if each < depth), (depth, name)]

    def _rule(self, index: int, kind: str, indent: int, offset: int, text: str, height: int = 1) -> Rule:
        path = tuple(name for _, name in self._above)
        return Rule(path, index, index + height, kind, indent, offset, text)

    def _continue(self, index: int) -> None:
        """Let the line be one more of the open rule, whose name grows by it."""
        rule = self._open
        if rule is None:
            raise LookupError("no rule to continue")
        text = f"{rule.text}\n{self._outline.lines[index].strip()}"
        name = normal(text)
        if rule.kind == ITEM:
            self._above[-1] = (self._above[-1][0], name)
        self._open = Rule((*rule.path[:-1], name), rule.first, index + 1, rule.kind, rule.indent, rule.offset, text)

"""Cutting a file into the sections that memory holds (contract memory-api, Recall).

A section is what stands under one heading, or one entry of a day's file; longer ones are cut at paragraphs to at
most 4,000 characters, each piece under its heading's line. Comments are no memory, and a heading under which nothing
stands is one only when it is a sentence itself.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from zoneinfo import ZoneInfo

from appliance.clock import to_ms
from appliance.notebook.documents import day_of, is_digest
from appliance.notebook.journal import came_from_web, time_in, without_rule
from appliance.notebook.outline import Heading, code_lines, comment_lines, headings
from appliance.notebook.plaintext import lines_of

MAX_CHARACTERS = 4000

_POLICY = re.compile(r"(?:hard )?constraints?|(?:key )?decisions?(?: \(.*\))?", re.IGNORECASE)
_SENTENCE_WORDS = 4
_JOURNAL_LEVEL = 3


@dataclass(frozen=True)
class Section:
    """A piece of a file as memory holds it: lines 1-based and inclusive, `occurred_at` in epoch milliseconds."""

    text: str
    first_line: int
    last_line: int
    type: str
    trust_level: str = "user_claim"
    occurred_at: int | None = None


@dataclass(frozen=True)
class _Block:
    """A heading with what stands under it: indexes into the file's lines, `end` exclusive."""

    heading: Heading | None
    start: int
    end: int
    type: str
    parent: bool


def cut(path: str, text: str, timezone: str, lines_before: int = 0) -> list[Section]:
    """The sections of the file `path`, in order; none of a digest, which repeats what stands elsewhere.

    Args:
        text: the file's text, or its end that follows `lines_before` lines, beginning at a block of its own.
        timezone: IANA name, for the times of a day's entries.
    """
    if is_digest(path):
        return []
    lines = lines_of(text)
    code, _ = code_lines(lines)
    day = day_of(path)
    found = headings(lines, code, underlined=day is None)
    blocks = _journal_blocks(lines, found) if day else _blocks(len(lines), found)
    sections: list[Section] = []
    for block in blocks:
        kept = _kept(lines, code, block)
        if not kept:
            continue
        trust = "untrusted_web" if day and came_from_web([line for _, line in kept]) else "user_claim"
        moment = _moment(day, block.heading, timezone) if day else None
        for first, last, piece in _pieces(lines, block, kept, as_entry=_is_entry(block, day)):
            sections.append(Section(piece, first + lines_before, last + lines_before, block.type, trust, moment))
    return sections


def _blocks(count: int, found: Sequence[Heading]) -> Iterator[_Block]:
    if not found or found[0].index > 0:
        yield _Block(None, 0, found[0].index if found else count, "fact", parent=False)
    above: list[tuple[int, bool]] = []
    for heading, following in zip_longest(found, found[1:]):
        above = [(level, policy) for level, policy in above if level < heading.level]
        above.append((heading.level, _POLICY.fullmatch(heading.title.strip(" :*_")) is not None))
        kind = "policy" if any(policy for _, policy in above) else "fact"
        parent = following is not None and following.level > heading.level
        yield _Block(heading, heading.index, following.index if following else count, kind, parent)


def _journal_blocks(lines: list[str], found: Sequence[Heading]) -> Iterator[_Block]:
    cuts = [heading for heading in found if heading.level <= _JOURNAL_LEVEL]
    if not cuts or cuts[0].index > 0:
        end = without_rule(lines, 0, cuts[0].index if cuts else len(lines))
        yield _Block(None, 0, end, "event", parent=False)
    for heading, following in zip_longest(cuts, cuts[1:]):
        end = without_rule(lines, heading.index, following.index if following else len(lines))
        yield _Block(heading, heading.index, end, "event", parent=heading.level < _JOURNAL_LEVEL)


def _is_entry(block: _Block, day: str | None) -> bool:
    """Whether the heading is only an entry's time: that is in `occurred_at`, not in the remembered text."""
    timed = time_in(block.heading.title) if day and block.heading else None
    return timed is not None and timed[1] in ("", "(captured)")


def _kept(lines: list[str], code: list[bool], block: _Block) -> list[tuple[int, str]]:
    """The lines of the block under its heading that say something, with their indexes; none when nothing does."""
    start = block.start + (block.heading.height if block.heading else 0)
    body = lines[start : block.end]
    comment = comment_lines(["" if code[start + at] else line for at, line in enumerate(body)])
    kept = [(start + at, line) for at, line in enumerate(body) if not comment[at]]
    while kept and not kept[0][1].strip():
        kept.pop(0)
    while kept and not kept[-1][1].strip():
        kept.pop()
    if any(char.isalnum() for _, line in kept for char in line):
        return kept
    says_something = block.heading and not block.parent and len(block.heading.title.split()) >= _SENTENCE_WORDS
    return [(block.start, "")] if says_something else []


def _moment(day: str | None, heading: Heading | None, timezone: str) -> int | None:
    """When it happened: the day and, for an entry, its time; None when that is no date."""
    timed = time_in(heading.title) if heading else None
    try:
        moment = datetime.fromisoformat(f"{day}T{timed[0] if timed else '00:00:00'}")
    except ValueError:
        return None
    return to_ms(moment.replace(tzinfo=ZoneInfo(timezone)))


def _pieces(
    lines: list[str], block: _Block, kept: list[tuple[int, str]], as_entry: bool
) -> Iterator[tuple[int, int, str]]:
    """First line, last line and text of each piece of the block; the first begins at the heading."""
    title, below = "", block.start
    if block.heading and not as_entry:
        below += block.heading.height
        title = "\n".join(lines[block.start : below])[: MAX_CHARACTERS // 4]
    first_line = block.start + 1
    for run in _runs(kept, MAX_CHARACTERS - len(title) - 2):
        text = "\n".join(line for _, line in run).strip("\n")
        gap = "\n" if run[0][0] == below else "\n\n"
        yield min(first_line, run[0][0] + 1), run[-1][0] + 1, f"{title}{gap}{text}".strip("\n")
        first_line = len(lines)


def _runs(kept: list[tuple[int, str]], room: int) -> Iterator[list[tuple[int, str]]]:
    """The kept lines in runs of at most `room` characters: whole paragraphs, else whole lines, else parts of one."""
    run: list[tuple[int, str]] = []
    used = 0
    for unit in _units(kept, room):
        size = sum(len(line) + 1 for _, line in unit)
        if run and used + size > room + 1:
            yield _trimmed(run)
            run, used = [], 0
        run.extend(unit)
        used += size
    if run:
        yield _trimmed(run)


def _units(kept: list[tuple[int, str]], room: int) -> Iterator[list[tuple[int, str]]]:
    paragraph: list[tuple[int, str]] = []
    for at, entry in enumerate(kept):
        paragraph.append(entry)
        ends = at + 1 == len(kept) or (not entry[1].strip() and kept[at + 1][1].strip())
        if not ends:
            continue
        if sum(len(line) + 1 for _, line in paragraph) <= room:
            yield paragraph
        else:
            yield from ([part] for line in paragraph for part in _parts(line, room))
        paragraph = []


def _parts(numbered: tuple[int, str], room: int) -> Iterator[tuple[int, str]]:
    """A line in parts of at most `room` characters, cut at spaces where there are any."""
    number, line = numbered
    while len(line) > room:
        space = line.rfind(" ", room // 2, room)
        end = space + 1 if space > 0 else room
        yield number, line[:end].rstrip()
        line = line[end:]
    yield number, line


def _trimmed(run: list[tuple[int, str]]) -> list[tuple[int, str]]:
    start, end = 0, len(run)
    while start < end - 1 and not run[start][1].strip():
        start += 1
    while end > start + 1 and not run[end - 1][1].strip():
        end -= 1
    return run[start:end]

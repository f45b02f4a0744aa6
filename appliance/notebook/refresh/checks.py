"""What a reply must be before a line of it is written (contract notebook, Refresh). Pure functions of texts."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.errors import InvalidError, MalformedReplyError, RefusedError
from appliance.notebook.merge import has_conflict
from appliance.notebook.offered import SECTION_TITLES
from appliance.notebook.plaintext import joined, normalise
from appliance.notebook.refresh.constraints import Offer, guarded, with_sections
from appliance.notebook.refresh.rules import Outline, Section, normal
from appliance.text import estimate_tokens

LARGEST_SHRINK = 0.30
_TOP_LEVELS = 2
_CONTROLS = re.compile("[\x01-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f]")
_MARKER = re.compile(r"<!-- (?:membox|memsync) v\d+ -->")
_HTML = re.compile(r"<!--|-->|^\s{0,3}<[/!?a-z]", re.IGNORECASE)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override|overrule)\b.{0,40}\b(?:instructions?|prompts?|rules?|constraints?|memory"
    r"|above|previous|prior|earlier)\b|\bsystem prompt\b|\byou are now\b|\bnew instructions?\s*:",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Limits:
    """How large a file may get: lines, and tokens of one reply."""

    lines: int
    tokens: int


@dataclass(frozen=True)
class Checked:
    """A reply fit to be stored: constraints put back and rewordings offered; `shrink` is what share of it goes."""

    text: str
    put_back: tuple[str, ...]
    offers: tuple[Offer, ...]
    shrink: float

    @property
    def needs_approval(self) -> bool:
        """Whether a person has to agree first."""
        return self.shrink > LARGEST_SHRINK


def document_in(data: dict[str, object]) -> str:
    """The document in a structured reply, as a notebook text.

    Raises:
        MalformedReplyError: it has another shape, is empty, or holds characters that no document needs.
    """
    document = data.get("document")
    if not isinstance(document, str) or set(data) != {"document"}:
        raise _malformed("has not the one field `document` that was asked for")
    if _CONTROLS.search(document.replace("\r\n", "\n")):
        raise _malformed("holds control characters")
    try:
        text = normalise(document)
    except InvalidError as error:
        raise _malformed("holds characters that cannot be stored") from error
    if not text.strip():
        raise _malformed("is empty")
    return text


def checked(base: str, reply: str, limits: Limits) -> Checked:
    """The reply as it may be stored in place of `base`.

    Raises:
        RefusedError: `refused`, a check says no; the sentence says which and why.
    """
    text = _with_marker(base, reply)
    old = Outline(base)
    _check_structure(old, Outline(text), has_conflict(text))
    text = with_sections(old, text, _sections_to_keep(old))
    _check_sections(old, Outline(text))
    _check_new_lines(old, Outline(text))
    guard = guarded(base, text)
    _check_size(base, guard.text, limits)
    return Checked(guard.text, tuple(guard.put_back), tuple(guard.offers), _shrink(old, Outline(guard.text)))


def require_room(base: str, limits: Limits) -> None:
    """Raise RefusedError where the file is longer than a reply may be: no reply could hold it."""
    if estimate_tokens(base) * 0.8 > limits.tokens:
        raise _refused(f"The file is longer than a reply may be ({limits.tokens} tokens, core.max_tokens)")


def _with_marker(base: str, reply: str) -> str:
    """The reply under the comment that marks the file, which a model may leave out."""
    marker = _MARKER.match(base)
    return f"{marker[0]}\n{reply}" if marker and marker[0] not in reply else reply


def _check_structure(old: Outline, new: Outline, conflict: bool) -> None:
    if new.open_fence and not old.open_fence:
        raise _refused("The reply leaves a code block open")
    if conflict:
        raise _refused("The reply holds the marks of a conflict")
    foreign = _comments(new) - _comments(old)
    if foreign:
        raise _refused("The reply adds a comment, which nobody would see", next(iter(foreign)))
    first = new.headings[0].index if new.headings else len(new.lines)
    before = {line.strip() for line in old.lines}
    if prose := [line for line in new.lines[:first] if line.strip() and line.strip() not in before]:
        raise _refused("The reply has words before the document begins", prose[0])


def _comments(outline: Outline) -> Counter[str]:
    """The comments that take whole lines, each as one text."""
    found: Counter[str] = Counter()
    block: list[str] = []
    for line, is_comment in zip(outline.lines, outline.comment, strict=True):
        if is_comment:
            block.append(line.strip())
        if block and (not is_comment or "-->" in line):
            found["\n".join(block)] += 1
            block = []
    if block:
        found["\n".join(block)] += 1
    return found


def _sections_to_keep(old: Outline) -> Iterable[Section]:
    """What a refresh puts back whole: sections it does not know, and those in which nothing stands yet.

    Those of constraints are put back with them (`constraints`), and told of.
    """
    for section in old.sections:
        if section.heading.level != _TOP_LEVELS or _is_constraints(old, section):
            continue
        if section.path[-1] not in SECTION_TITLES or not old.says(section.body, section.end):
            yield section


def _check_sections(old: Outline, new: Outline) -> None:
    there = Counter(section.path for section in new.sections)
    for section in old.sections:
        if section.heading.level <= _TOP_LEVELS and not there[section.path] and not _is_constraints(old, section):
            raise _refused("The reply lacks a section", f"{section.heading.title}")
    before = Counter(section.path for section in old.sections)
    for section in new.sections:
        if there[section.path] > max(1, before[section.path]):
            raise _refused("The reply has a section twice", f"{section.heading.title}")


def _is_constraints(old: Outline, section: Section) -> bool:
    return any(section.path == each.path for each in old.constraints())


def _check_new_lines(old: Outline, new: Outline) -> None:
    known = {normal(line) for line in old.lines}
    for line, code in zip(new.lines, new.code, strict=True):
        if normal(line) in known:
            continue
        if _INVISIBLE.search(line):
            raise _refused("The reply adds characters that nobody sees", line.strip())
        if not code and _HTML.search(line):
            raise _refused("The reply adds HTML, which could hide what follows it", line.strip())
        if _ORDERS.search(line):
            raise _refused("The reply adds an order to whoever reads it, probably out of a captured note", line.strip())


def _check_size(base: str, text: str, limits: Limits) -> None:
    lines, before = text.count("\n"), base.count("\n")
    if lines > limits.lines and lines >= before:
        raise _refused(f"The reply has {lines} lines; the most is {limits.lines} (core.max_memory_lines)")
    if estimate_tokens(text) > max(limits.tokens, estimate_tokens(base)):
        raise _refused(f"The reply is longer than {limits.tokens} tokens (core.max_tokens)")


def _shrink(old: Outline, new: Outline) -> float:
    before, after = _signs(old), _signs(new)
    return max(0.0, 1 - after / before) if before else 0.0


def _signs(outline: Outline) -> int:
    """How many characters a file says, blanks, comments and titles apart."""
    titles = {heading.index for heading in outline.headings}
    said = (line for at, line in enumerate(outline.lines) if at not in titles and not outline.comment[at])
    return sum(len("".join(line.split())) for line in said)


def left_out(base: str, text: str) -> str:
    """What a new text no longer says of `base`: its lines, each under the heading it stood under; empty for none."""
    old = Outline(base)
    remaining = Counter(normal(line) for line in Outline(text).lines)
    titles = {heading.index: heading for heading in old.headings}
    title, shown, lines = "", "", []
    for index, line in enumerate(old.lines):
        if heading := titles.get(index):
            title = heading.title
        if old.comment[index] or index in titles or not any(char.isalnum() for char in line):
            continue
        if remaining[normal(line)]:
            remaining[normal(line)] -= 1
            continue
        if title != shown:
            lines += ["", f"### {title}", ""]
            shown = title
        lines.append(line)
    return joined(lines).strip("\n")


def _malformed(what: str) -> MalformedReplyError:
    return MalformedReplyError("malformed_reply", f"The reply {what}; nothing was changed.")


def _refused(why: str, line: str = "") -> RefusedError:
    return RefusedError("refused", f"{why}; nothing was changed." + (f"\n{line}" if line else ""))

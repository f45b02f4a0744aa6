"""Hard constraints: no line of them is lost or turned around by a refresh, whatever the model replies.

A constraints section of the result is the file's own, line for line; of the reply's only rules are added that are new.
So a dropped line is there again, and a reworded one as it was, its rewording offered to a person. A reply that says the
opposite of a constraint, anywhere, is refused whole (contract notebook, Refresh).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from appliance.errors import RefusedError
from appliance.notebook.plaintext import joined, normalise
from appliance.notebook.refresh.rules import HEADING, ITEM, TEXT, Outline, Rule, Section, normal
from appliance.notebook.refresh.stance import sentences, stance_of

_SAME_SUBJECT = 0.6  # of a constraint's own words, in a rule beside it, or in one that permits or takes back
_SAME_ELSEWHERE = 0.75  # the same of any other rule in another section, where reports of things done stand too
_CLOSE = 0.5  # the same where the constraint is gone, so that the rule beside it has probably taken its place
_NEAR = 0.8  # of the smaller rule's words: another wording of one that stands


@dataclass(frozen=True)
class Offer:
    """A rewording that a person may take: the lines kept, and those that would stand instead."""

    kept: str
    offered: str


@dataclass
class Guarded:
    """A reply whose constraints are the file's: what was put back into it, what it would have reworded."""

    text: str
    put_back: list[str] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)


def guarded(base: str, reply: str) -> Guarded:
    """`reply` with every hard constraint of `base` as it stands there.

    Raises:
        RefusedError: `refused`, it turns a constraint around, or hides one.
    """
    old = Outline(base)
    text = with_sections(old, reply, old.constraints())
    new = Outline(text)
    _refuse_reversals(old, new)
    guard = Guarded(text, put_back=_of_missing_sections(old, reply))
    merged = [(theirs, mine, _Kept(old, mine, new, theirs, guard).body()) for mine, theirs in _pairs(old, new)]
    for theirs, mine, body in sorted(merged, key=lambda each: -each[0].start):
        new.lines[theirs.start : theirs.end] = [*old.lines[mine.start : mine.body], *body]
    guard.text = normalise(joined(new.lines))
    _verify(old, guard.text)
    return guard


def with_sections(old: Outline, text: str, wanted: Iterable[Section]) -> str:
    """`text` with those of the `wanted` sections of `old` put back whole that it lacks, each about where it stood."""
    for section in wanted:
        new = Outline(text)
        if any(each.path == section.path for each in new.sections):
            continue
        before = [each.path for each in old.sections if each.start < section.start]
        place = _place(new, before, section.heading.level)
        lines = _closed(_trimmed(old.lines[section.start : section.end]))
        lead = [*_trimmed(new.lines[:place]), ""] if place else []
        text = joined([*lead, *lines, "", *new.lines[place:]])
    return text


def _place(new: Outline, before: list[tuple[str, ...]], level: int) -> int:
    """The line at which a section of that level goes: behind the nearest of those `before` it that is there."""
    for path in reversed(before):
        anchor = next((each for each in reversed(new.sections) if each.path == path), None)
        if anchor:
            later = (each for each in new.headings if each.index > anchor.start and each.level <= level)
            return next((each.index for each in later), len(new.lines))
    return 0


def _pairs(old: Outline, new: Outline) -> Iterator[tuple[Section, Section]]:
    """Each constraints section of the file with the reply's own."""
    left = list(new.constraints())
    for mine in old.constraints():
        theirs = next((each for each in left if each.path == mine.path), None)
        if theirs is None:
            raise _refusal("hides a section of hard constraints", mine.heading.title)
        left.remove(theirs)
        yield mine, theirs


def _of_missing_sections(old: Outline, reply: str) -> list[str]:
    there = {each.path for each in Outline(reply).sections}
    gone = [section for section in old.constraints() if section.path not in there]
    rules = [rule for section in gone for rule in old.rules(section.body, section.end)]
    return [rule.text for rule in rules if rule.kind != HEADING]


@dataclass
class _Block:
    """A rule with its lines, and the blanks and comments behind it."""

    path: tuple[str, ...]
    lines: list[str]
    kind: str
    indent: int
    offset: int


class _Kept:
    """One constraints section of the file, and what the reply's adds to it."""

    def __init__(self, old: Outline, mine: Section, new: Outline, theirs: Section, guard: Guarded) -> None:
        self._old, self._new, self._guard = old, new, guard
        self._rules = old.rules(mine.body, mine.end)
        self._replies = new.rules(theirs.body, theirs.end)
        starts = [*(rule.first for rule in self._rules), mine.end]
        self._lead = old.lines[mine.body : starts[0]]
        self._blocks = [
            _Block(rule.path, old.lines[rule.first : end], rule.kind, rule.indent, rule.offset)
            for rule, end in zip(self._rules, starts[1:], strict=True)
        ]
        there = {rule.path for rule in self._replies}
        self._dropped = [rule for rule in self._rules if rule.path not in there]

    def body(self) -> list[str]:
        """The lines under the heading."""
        known = {rule.path for rule in self._rules}
        said = {(rule.path[:-1], each) for rule in self._rules for each in _told(rule)}
        moved: dict[tuple[str, ...], tuple[str, ...]] = {}
        reworded: list[Rule] = []
        for reply in self._replies:
            above = moved.get(reply.path[:-1], reply.path[:-1])
            path = (*above, reply.path[-1])
            moved[reply.path] = path
            if path in known or all((above, each) in said for each in _told(reply)):
                continue
            if original := self._reworded(reply):
                moved[reply.path] = original.path
                reworded.append(original)
                self._offer(original, reply)
            else:
                self._add(reply, above)
        lost = [rule for rule in self._dropped if rule not in reworded and rule.kind != HEADING]
        self._guard.put_back += [rule.text for rule in lost]
        lines = [*self._lead, *(line for block in self._blocks for line in block.lines)]
        return [*_closed(_trimmed(lines)), ""]

    def _reworded(self, reply: Rule) -> Rule | None:
        """The rule that `reply` is another wording of, or has taken the place of."""
        nearness = [(_nearness(rule, reply), rule) for rule in self._rules if rule.kind == reply.kind]
        score, nearest = max(nearness, key=lambda each: each[0], default=(0.0, None))
        if nearest and score >= _NEAR:
            return nearest
        gone = [(score, rule) for score, rule in nearness if rule in self._dropped]
        return max(gone, key=lambda each: each[0])[1] if gone else None

    def _offer(self, original: Rule, reply: Rule) -> None:
        kept, offered = self._old.lines[original.first : original.end], self._new.lines[reply.first : reply.end]
        self._guard.offers.append(Offer(joined(kept), joined(offered)))

    def _add(self, reply: Rule, above: tuple[str, ...]) -> None:
        """Put a new rule at the end of what it stands under, so that it says there what it said in the reply."""
        place = self._end_of(above, with_headings=reply.kind == HEADING)
        before = self._blocks[place - 1] if place else None
        indent = self._indent_under(above, reply)
        lines = [f"{' ' * indent}{line[reply.indent :]}" for line in self._new.lines[reply.first : reply.end]]
        tail: list[str] = []
        if before:
            kept = _trimmed(before.lines)
            before.lines, tail = kept, before.lines[len(kept) :]
        if before is None:
            self._lead = _trimmed(self._lead)
        if before is None or before.kind != reply.kind or reply.kind == TEXT:
            lines = ["", *lines]
        new = _Block(
            (*above, reply.path[-1]), [*lines, *tail], reply.kind, indent, indent + reply.offset - reply.indent
        )
        self._blocks.insert(place, new)

    def _end_of(self, above: tuple[str, ...], with_headings: bool) -> int:
        place = 0
        for index, block in enumerate(self._blocks):
            below = block.path[len(above) :]
            inside = block.path[: len(above)] == above
            if inside and (with_headings or not any(name.startswith("# ") for name in below)):
                place = index + 1
        return place

    def _indent_under(self, above: tuple[str, ...], reply: Rule) -> int:
        siblings = [b for b in self._blocks if b.path[:-1] == above and b.kind == reply.kind]
        if siblings:
            return siblings[-1].indent
        parents = [block for block in self._blocks if block.path == above and block.kind == ITEM]
        return parents[-1].offset if parents else 0


def _told(rule: Rule) -> list[str]:
    return [normal(each) for each in sentences(rule.text)]


def _nearness(rule: Rule, other: Rule) -> float:
    """How much two rules are about the same, 0 to 1: words shared, of those of the smaller."""
    one, two = stance_of(rule.text), stance_of(other.text)
    return max(one.shares(two), two.shares(one)) if min(len(one.subject), len(two.subject)) > 1 else one.shares(two)


def _whole(rule: Rule) -> str:
    return ": ".join(name.removeprefix("# ") for name in rule.path)


def _trimmed(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    return lines[:end]


def _closed(lines: list[str]) -> list[str]:
    fence = Outline(joined(lines)).open_fence
    return [*lines, fence.closing] if fence else lines


def _refuse_reversals(old: Outline, new: Outline) -> None:
    """Refuse a reply that says the opposite of a constraint, beside it or anywhere else."""
    constraints = [rule for section in old.constraints() for rule in old.rules(section.body, section.end)]
    known = {rule.path for rule in old.rules(0, len(old.lines))}
    guarded_lines = [range(section.start, section.end) for section in new.constraints()]
    kept = {rule.path[-1] for section in new.constraints() for rule in new.rules(section.body, section.end)}
    for reply in new.rules(0, len(new.lines)):
        if reply.path in known or reply.kind == HEADING:
            continue
        beside = any(reply.first in lines for lines in guarded_lines)
        for rule in constraints:
            if rule.kind != HEADING and _turns(rule, reply, beside, rule.path[-1] not in kept):
                raise _refusal("says the opposite of a hard constraint", _whole(rule), _whole(reply))


def _turns(rule: Rule, reply: Rule, beside: bool, is_gone: bool) -> bool:
    for mine, theirs in ((a, b) for a in _statements(rule) for b in _statements(reply)):
        constraint, other = stance_of(mine), stance_of(theirs)
        shared = constraint.shares(other)
        if not constraint.is_turned_by(other):
            continue
        if beside and shared >= (_CLOSE if is_gone else _SAME_SUBJECT):
            return True
        enough = _SAME_SUBJECT if other.permits or other.lifts else _SAME_ELSEWHERE
        if not beside and shared >= enough and constraint.is_ordered_by(other):
            return True
    return False


def _statements(rule: Rule) -> list[str]:
    """The sentences of a rule, each with what it stands under, but for the titles of the sections around."""
    above = [name.removeprefix("# ") for name in rule.path[:-1] if not _is_section_title(name)]
    return [": ".join([*above, each]) for each in sentences(rule.text)]


def _is_section_title(name: str) -> bool:
    return name.startswith("# ") and not stance_of(name).lifts and not stance_of(name).is_explicit


def _verify(old: Outline, text: str) -> None:
    """Look again, whatever came before: every line of every constraints section stands in the result's, in order."""
    new = Outline(text)
    left = list(new.constraints())
    for mine in old.constraints():
        theirs = next((each for each in left if each.path == mine.path), None)
        wanted = [line for line in old.lines[mine.body : mine.end] if line.strip()]
        if theirs is None or not _stands_in(wanted, new.lines[theirs.body : theirs.end]):
            raise _refusal("would lose a line of a section of hard constraints", mine.heading.title)
        left.remove(theirs)


def _stands_in(wanted: list[str], lines: list[str]) -> bool:
    rest = iter(lines)
    return all(line in rest for line in wanted)


def _refusal(what: str, *lines: str) -> RefusedError:
    return RefusedError("refused", "\n".join([f"The reply {what}; nothing was changed.", *lines]))

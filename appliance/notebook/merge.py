"""Bringing two changes of one text together, line by line.

Three-way merge as in diff3 (Khanna, Kunal and Pierce, "A Formal Investigation of Diff3", 2007): lines that both sides
kept divide the text; between them the side that changed something wins, and where both did there is a conflict. On
the standard library's difflib, because the well-kept libraries for it are under the GPL, which membox is not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from appliance.notebook.plaintext import joined, lines_of


@dataclass(frozen=True)
class Merged:
    """`text` has both changes when `clean`; else both sides of each conflict between conflict markers."""

    text: str
    clean: bool


def merge(base: str, mine: str, theirs: str, names: tuple[str, str], keep_both: bool = False) -> Merged:
    """Merge `mine` and `theirs`, both changed from `base`.

    Args:
        names: what the conflict markers call the two sides.
        keep_both: where one side only added lines after what the other changed, take both: right for a journal,
            where two entries at the end do not contradict each other.
    """
    merged: list[str] = []
    clean = True
    for old, ours, others in _regions(lines_of(base), lines_of(mine), lines_of(theirs)):
        if ours == others or others == old:
            merged.extend(ours)
            continue
        if ours == old:
            merged.extend(others)
            continue
        both = _both(old, ours, others) if keep_both else None
        if both is not None:
            merged.extend(both)
            continue
        clean = False
        merged.extend(_conflict(ours, others, names))
    return Merged(joined(merged), clean)


type _Region = tuple[list[str], list[str], list[str]]  # the same stretch in base, mine and theirs


def _regions(base: list[str], mine: list[str], theirs: list[str]) -> Iterator[_Region]:
    """The texts cut into stretches: in turn one that a side may have changed and one that both kept."""
    texts = (base, mine, theirs)
    head = _shared(texts)  # what all begin and end with, mostly nearly everything, need not be compared
    tail = _shared([lines[head:][::-1] for lines in texts])
    middles = [lines[head : len(lines) - tail] for lines in texts]
    kept = _kept_by_both(middles[0], middles[1], middles[2], head)
    at, mine_at, theirs_at = 0, 0, 0
    for start, mine_start, theirs_start, length in [
        (0, 0, 0, head),
        *kept,
        (len(base) - tail, len(mine) - tail, len(theirs) - tail, tail),
    ]:
        yield base[at:start], mine[mine_at:mine_start], theirs[theirs_at:theirs_start]
        at, mine_at, theirs_at = start + length, mine_start + length, theirs_start + length
        yield (base[start:at],) * 3


def _shared(texts: Sequence[list[str]]) -> int:
    """How many lines all `texts` begin with."""
    rows = enumerate(zip(*texts, strict=False))
    return next((at for at, row in rows if len(set(row)) > 1), min(map(len, texts)))


def _kept_by_both(
    base: list[str], mine: list[str], theirs: list[str], offset: int
) -> Iterator[tuple[int, int, int, int]]:
    """(start in base, in mine, in theirs, length) of each run of lines that both sides kept."""
    ours = SequenceMatcher(None, base, mine).get_matching_blocks()
    others = SequenceMatcher(None, base, theirs).get_matching_blocks()
    left, right = 0, 0
    while left < len(ours) and right < len(others):
        one, other = ours[left], others[right]
        start, end = max(one.a, other.a), min(one.a + one.size, other.a + other.size)
        if start < end:
            places = (start, one.b + start - one.a, other.b + start - other.a)
            yield places[0] + offset, places[1] + offset, places[2] + offset, end - start
        if one.a + one.size <= other.a + other.size:
            left += 1
        else:
            right += 1


def _both(old: Sequence[str], ours: Sequence[str], others: Sequence[str]) -> list[str] | None:
    """Both changes where at least one side only added lines after `old`; None where both changed it."""
    if not old:
        return [*ours, *others]
    if ours[: len(old)] == old:
        return [*others, *ours[len(old) :]]
    if others[: len(old)] == old:
        return [*ours, *others[len(old) :]]
    return None


def _conflict(ours: Sequence[str], others: Sequence[str], names: tuple[str, str]) -> list[str]:
    """Both sides between markers, but for the lines in which they begin and end alike."""
    least = min(len(ours), len(others))
    start = next((at for at in range(least) if ours[at] != others[at]), least)
    end = next((at for at in range(least - start) if ours[-1 - at] != others[-1 - at]), least - start)
    mine, theirs = ours[start : len(ours) - end], others[start : len(others) - end]
    marked = [f"<<<<<<< {names[0]}", *mine, "=======", *theirs, f">>>>>>> {names[1]}"]
    return [*ours[:start], *marked, *ours[len(ours) - end :]]


def has_conflict(text: str) -> bool:
    """Whether `text` still holds a conflict that nobody has settled."""
    lines = set(lines_of(text)) if "<<<<<<< " in text and ">>>>>>> " in text else set()
    return "=======" in lines and any(line.startswith("<<<<<<< ") for line in lines)

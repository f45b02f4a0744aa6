"""Bringing two changes of one text together, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass

from merge3 import Merge3

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
    regions = Merge3(lines_of(base), lines_of(mine), lines_of(theirs))
    for region in regions.merge_groups():
        if region[0] != "conflict":
            merged.extend(region[1])
            continue
        _, old, ours, others = region
        both = _both(old, ours, others) if keep_both else None
        if both is not None:
            merged.extend(both)
            continue
        clean = False
        merged.extend(_conflict(ours, others, names))
    return Merged(joined(merged), clean)


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

"""Which version brought each line: one walk through the history, linear in what changed."""

from collections.abc import Iterable
from difflib import SequenceMatcher

from appliance.notebook.deltas import shared
from appliance.notebook.plaintext import lines_of


def line_versions[T](texts: Iterable[tuple[T, str]]) -> list[tuple[str, T]]:
    """Each line of the last text with the version that brought it; `texts` are every version's, oldest first."""
    origins: list[T] = []
    previous = ""
    for version, text in texts:
        same = shared(previous, text)
        before, after = lines_of(same.middle(previous)), lines_of(same.middle(text))
        start = len(origins) if same.prefix == len(previous) else previous.count("\n", 0, same.prefix)
        kept = origins[start : start + len(before)]
        origins[start : start + len(before)] = _carried(before, after, kept, version)
        previous = text
    return list(zip(lines_of(previous), origins, strict=True))


def _carried[T](before: list[str], after: list[str], kept: list[T], version: T) -> list[T]:
    """The origins of the lines `after`, which replaced `before`: those that stayed keep theirs."""
    origins = [version] * len(after)
    if before and after:
        for block in SequenceMatcher(None, before, after).get_matching_blocks():
            origins[block.b : block.b + block.size] = kept[block.a : block.a + block.size]
    return origins

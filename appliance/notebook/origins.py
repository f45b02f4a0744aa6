"""Which version brought each line, and what stood in its place before: one walk, linear in what changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from appliance.notebook.deltas import shared
from appliance.notebook.plaintext import lines_of

_ALIKE = 0.4  # of SequenceMatcher's ratio: below it a line was replaced, not changed


@dataclass(frozen=True, slots=True)
class Origin[T]:
    """A line, the version that brought it, and the line that stood in its place before, if one did."""

    text: str
    version: T
    replaced: "Origin[T] | None" = None

    def story(self) -> Iterator["Origin[T]"]:
        """This line and what it was before, newest first, for as long as each is much like the next."""
        line: Origin[T] | None = self
        while line is not None:
            yield line
            earlier = line.replaced
            if earlier and SequenceMatcher(None, earlier.text, line.text, autojunk=False).ratio() < _ALIKE:
                return
            line = earlier


def line_origins[T](texts: Iterable[tuple[T, str]]) -> list[Origin[T]]:
    """The origin of each line of the last text; `texts` are every version's, oldest first."""
    origins: list[Origin[T]] = []
    previous = ""
    for version, text in texts:
        same = shared(previous, text)
        before, after = lines_of(same.middle(previous)), lines_of(same.middle(text))
        start = len(origins) if same.prefix == len(previous) else previous.count("\n", 0, same.prefix)
        origins[start : start + len(before)] = _carried(origins[start : start + len(before)], after, version)
        previous = text
    return origins


def _carried[T](before: list[Origin[T]], after: list[str], version: T) -> list[Origin[T]]:
    """The origins of the lines `after`, which replaced `before`: those that stayed keep theirs."""
    carried: list[Origin[T]] = []
    texts = [origin.text for origin in before]
    for tag, first, last, begin, end in SequenceMatcher(None, texts, after).get_opcodes():
        if tag == "equal":
            carried += before[first:last]
            continue
        gone = before[first:last]
        carried += [
            Origin(text, version, gone[at] if at < len(gone) else None) for at, text in enumerate(after[begin:end])
        ]
    return carried

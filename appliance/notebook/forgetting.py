"""Taking lines out of a text and out of everything it ever was (contract memory-api, Forget; contract notebook).

Past versions may have read a little differently, so besides the block as it stands, each of its telling lines goes
from wherever it stood, and so do lines that have since been reworded into one of them.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher

from appliance.notebook import deltas
from appliance.notebook.journal import time_in
from appliance.notebook.outline import heading_of, is_rule
from appliance.notebook.plaintext import joined, lines_of, normalise

_TELLING_CHARACTERS = 4
_REWORDED = 0.7


class Forgetting:
    """What is to be forgotten: a block of lines, and what else still stands and must stay.

    Args:
        block: the lines to forget.
        staying: the lines that remain in the file; a past version keeps those, even when one equals a line of the
            block.
    """

    def __init__(self, block: list[str], staying: Iterable[str] = ()) -> None:
        self._block = joined(block)
        self._telling = {line for line in block if _is_telling(line)}
        self._sentences = [line for line in self._telling if not heading_of(line)]
        self._staying = set(staying)
        self._gone: set[str] = {line for line in self._telling if line not in self._staying}
        self._checked: set[str] = set()

    @property
    def says_something(self) -> bool:
        """Whether the block has a line worth looking for elsewhere; brackets and blank lines have none."""
        return bool(self._telling)

    def concerns(self, text: str) -> bool:
        """Whether every telling line of the block stands in `text`."""
        return self.says_something and self._telling <= set(lines_of(text))

    def learn(self, old: str, new: str) -> None:
        """Note which lines of `new`, a version after `old`, are earlier wordings of the block."""
        for line in lines_of(deltas.shared(old, new).middle(new)):
            if line in self._checked or line in self._staying or heading_of(line) or not _is_telling(line):
                continue
            self._checked.add(line)
            if any(_alike(line, told) for told in self._sentences):
                self._gone.add(line)

    def removed_from(self, text: str) -> str:
        """`text` without the block and without any of its telling lines."""
        if not self._gone:
            return text
        text = _without(text, self._block)
        for line in self._gone:
            text = _without(text, f"{line}\n")
        return normalise(text)


def _is_telling(line: str) -> bool:
    heading = heading_of(line)
    if is_rule(line) or (heading and time_in(heading[1])):
        return False
    return sum(char.isalnum() for char in line) >= _TELLING_CHARACTERS


def _alike(line: str, told: str) -> bool:
    matcher = SequenceMatcher(None, told.strip(), line.strip(), autojunk=False)
    return (
        matcher.real_quick_ratio() >= _REWORDED and matcher.quick_ratio() >= _REWORDED and matcher.ratio() >= _REWORDED
    )


def _without(text: str, lines: str) -> str:
    """`text` without any occurrence of the whole lines `lines`."""
    text, wanted = f"\n{text}", f"\n{lines}"
    while wanted in text:
        text = text.replace(wanted, "\n")
    return text[1:]


def cut_out(lines: list[str], first: int, last: int) -> list[str]:
    """`lines` without those from `first` to `last` (1-based, inclusive), nor the rule and blanks that set them off."""
    start, end = first - 1, last
    before = start
    while before > 0 and not lines[before - 1].strip():
        before -= 1
    after = end
    while after < len(lines) and not lines[after].strip():
        after += 1
    ends_entry = after == len(lines) or is_rule(lines[after])
    if before > 0 and is_rule(lines[before - 1]) and ends_entry:
        start, end = before - 1, after
        while start > 0 and not lines[start - 1].strip():
            start -= 1
        return [*lines[:start], *([""] if end < len(lines) else []), *lines[end:]]
    if start > 0 and end < len(lines) and not lines[start - 1].strip() and not lines[end].strip():
        end = after
    return lines[:start] + lines[end:]

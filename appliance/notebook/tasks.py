"""Tasks: list items with a box, `- [ ] open` and `- [x] done`."""

import re

from appliance.errors import ConflictError, InvalidError
from appliance.notebook.plaintext import lines_of

_BOX = re.compile(r"([ \t>]*(?:[-*+]|\d{1,9}[.)])[ \t]+\[)[ xX](\](?:[ \t].*)?)")


def ticked(text: str, seen: str, line: int, done: bool) -> str:
    """`text` with the box ticked or cleared that stands on `line` (1-based) of the text `seen`.

    Raises:
        InvalidError: `no_task`, there is no box on that line.
        ConflictError: `line_changed`, `text` has no such line.
    """
    shown, lines = lines_of(seen), lines_of(text)
    task = shown[line - 1] if 1 <= line <= len(shown) else ""
    box = _BOX.fullmatch(task)
    if box is None:
        raise InvalidError("no_task", f"Line {line} has no box to tick; look at the file again.")
    same = [index for index, each in enumerate(lines) if each == task]
    if not same:
        raise ConflictError("line_changed", "That task was changed meanwhile; look at the file again.")
    index = min(same, key=lambda each: abs(each - (line - 1)))
    lines[index] = f"{box[1]}{'x' if done else ' '}{box[2]}"
    return "\n".join(lines) + "\n" * text.endswith("\n")

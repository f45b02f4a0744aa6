"""A unified diff as rows to show."""

import re
from dataclasses import dataclass

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a diff; `kind` is same, add, del or hunk, the numbers are those of the old and the new text."""

    kind: str
    text: str
    old: int | None = None
    new: int | None = None

    @property
    def sign(self) -> str:
        """What stands in the margin."""
        return {"add": "+", "del": "\N{MINUS SIGN}"}.get(self.kind, "")


def rows_of(diff: str) -> list[Row]:
    """The rows of a unified `diff`, without its file names."""
    rows: list[Row] = []
    old = new = 0
    in_hunk = False
    for line in diff.split("\n"):
        if match := _HUNK.match(line):
            old, new, in_hunk = int(match[1]), int(match[2]), True
            rows.append(Row("hunk", f"from line {new}"))
        elif not in_hunk or not line or line.startswith("\\"):
            continue
        elif line[0] == "+":
            rows.append(Row("add", line[1:], new=new))
            new += 1
        elif line[0] == "-":
            rows.append(Row("del", line[1:], old=old))
            old += 1
        else:
            rows.append(Row("same", line[1:], old, new))
            old, new = old + 1, new + 1
    return rows

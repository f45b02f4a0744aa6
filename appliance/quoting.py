"""Recalled text on its way out, quoted as data with its origin; and the same text recognised on its way in.

Feedback loops fill such stores with junk: what an agent recalled must not come back as something new
(contract memory-api, Forget, trust, and what never comes in). A quotation is a line that names the item's id, and
below it the text, every line behind a bar; people and agents see the same form at every door.
"""

import re
from typing import Any

BAR = "│"
_NOTEBOOK_REFERENCE = re.compile(r"notebook:(.+)#L(\d+)(?:-L(\d+))?")
_BLOCK = re.compile(rf"^[^\n]*\bmem_[0-9a-f]+\b[^\n]*\n(?:[ \t>]*{BAR}[^\n]*(?:\n|\Z))+(?:[ \t>]*\n)*", re.MULTILINE)


def barred(text: str) -> str:
    """`text` with a bar before every line: whatever it says, it is data."""
    return "\n".join(f"  {BAR} {line}".rstrip() for line in text.splitlines())


def quotation(item: dict[str, Any]) -> str:
    """An item of an answer as a quotation: a line of its id, type, origin and day, and its text behind the bars."""
    moment = str(item.get("occurred_at") or item.get("created_at") or "")
    said = (item["memory_id"], item.get("type"), origin(item), moment[:10])
    # An origin is a caller's own words: it stays on this line, whatever it says.
    heading = " · ".join(dict.fromkeys(" ".join(str(each).split()) for each in said if each))
    return f"{heading}\n{barred(item['text'])}"


def origin(item: dict[str, Any]) -> str:
    """Where an item is from: `file:line` for the notebook's, else its source_ref, else its id."""
    reference = item.get("source_ref") or ""
    if match := _NOTEBOOK_REFERENCE.fullmatch(reference):
        path, first, last = match.groups()
        return f"{path}:{first}" + (f"-{last}" if last and last != first else "")
    return reference or str(item["memory_id"])


def without_recalled(text: str) -> str:
    """`text` less the quotations of recalled items; as it is when there are none."""
    if BAR not in text:
        return text
    own, quotations = _BLOCK.subn("", text.replace("\r\n", "\n") + "\n")
    return own.rstrip("\n") if quotations else text

"""Recalled text on its way out, quoted as data with its origin; and the same text recognised on its way in.

Feedback loops fill such stores with junk: what an agent recalled must not come back as something new
(contract memory-api, Forget, trust, and what never comes in). A quotation is a line that names the item's id, and
below it the text, every line behind a bar; people and agents see the same form at every door.
"""

import re

BAR = "│"
_BLOCK = re.compile(rf"^[^\n]*\bmem_[0-9a-f]+\b[^\n]*\n(?:[ \t>]*{BAR}[^\n]*(?:\n|\Z))+(?:[ \t>]*\n)*", re.MULTILINE)


def barred(text: str) -> str:
    """`text` with a bar before every line: whatever it says, it is data."""
    return "\n".join(f"  {BAR} {line}".rstrip() for line in text.splitlines())


def without_recalled(text: str) -> str:
    """`text` less the quotations of recalled items; as it is when there are none."""
    if BAR not in text:
        return text
    own, quotations = _BLOCK.subn("", text.replace("\r\n", "\n") + "\n")
    return own.rstrip("\n") if quotations else text

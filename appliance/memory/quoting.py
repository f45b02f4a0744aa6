"""Recalled text on its way out, quoted as data with its origin; and the same text recognised on its way in.

Feedback loops fill such stores with junk: what an agent recalled must not come back as something new
(contract memory-api, Forget, trust, and what never comes in).
"""

import re

_OPEN = "[recalled "
_BLOCK = re.compile(r"^[ \t>]*\[recalled (mem_[0-9a-f]+)[^\]\n]*\][ \t\r]*\n(?:[ \t>]*\|.*(?:\n|$))*", re.MULTILINE)
_BRACKETS = str.maketrans("[]", "()")


def quote(memory_id: str, text: str, origin: str | None) -> str:
    """`text` as a block that says where it comes from, every line behind a bar."""
    # An origin is a caller's words too: it must neither close the heading nor begin a line.
    named = " ".join((origin or "").translate(_BRACKETS).split())
    heading = f"{_OPEN}{memory_id}{f' · {named}' if named else ''}]"
    return "\n".join([heading, *(f"| {line}" for line in text.splitlines())])


def is_recalled(text: str) -> bool:
    """Whether there is nothing in `text` but blocks that came out of recall."""
    return _OPEN in text and not _BLOCK.sub("", text + "\n").strip()


def without_recalled(text: str) -> str:
    """`text` less the blocks that came out of recall."""
    return _BLOCK.sub("", text + "\n").removesuffix("\n") if _OPEN in text else text

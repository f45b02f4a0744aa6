"""The digest of the journal: notes filed by day while there is no language model to merge them.

Nothing that stands there is rewritten, and none of it is indexed: recall finds each note where it was written.
"""

from collections.abc import Iterable
from itertools import groupby

from appliance.notebook.journal import quoted
from appliance.notebook.plaintext import joined
from appliance.notebook.refresh.entries import Entry
from appliance.notebook.refresh.rules import Outline

_NEW = """# Digest

<!-- Notes by day, as long as no language model is there to merge them. They are merged once one is. -->
"""


def filed(digest: str, entries: Iterable[Entry]) -> str:
    """The digest with those of `entries`, in order, that it has not yet, each at the end of its day's section."""
    digest = digest or _NEW
    for day, of_day in groupby(entries, key=lambda entry: entry.day):
        items = [item for item in map(_item, of_day) if f"\n{item}" not in digest]
        if items:
            digest = _with(digest, day or "Undated", "".join(dict.fromkeys(items)))
    return digest


def _item(entry: Entry) -> str:
    lines = quoted(f"{entry.time} {entry.text}".strip())
    return joined([f"- {lines[0]}", *(f"  {line}".rstrip() for line in lines[1:])])


def _with(digest: str, title: str, items: str) -> str:
    outline = Outline(digest)
    section = next((each for each in outline.sections if each.heading.title == title), None)
    if section is None:
        return f"{digest.rstrip()}\n\n## {title}\n\n{items}"
    before = joined(outline.lines[: section.end]).rstrip()
    after = joined(outline.lines[section.end :])
    return f"{before}\n{items}" + (f"\n{after}" if after else "")

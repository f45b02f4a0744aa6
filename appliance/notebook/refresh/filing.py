"""The journal's digest, a file a month: notes filed by day while there is no language model to merge them.

Nothing that stands there is rewritten, and none of it is indexed: recall finds each note where it was written.
"""

from collections.abc import Iterable
from itertools import groupby

from appliance.notebook.documents import digest_path
from appliance.notebook.journal import quoted
from appliance.notebook.plaintext import joined
from appliance.notebook.refresh.entries import Entry
from appliance.notebook.refresh.rules import Outline

_NEW = """# Digest

<!-- Notes by day, as long as no language model is there to merge them. They are merged once one is. -->
"""


def by_digest(entries: Iterable[Entry], today: str) -> dict[str, list[Entry]]:
    """The entries by the path of the digest they belong into; those without a day are of `today`'s."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(digest_path(entry.day or today), []).append(entry)
    return found


def filed(digest: str, entries: Iterable[Entry], today: str) -> str:
    """The digest with those of `entries`, in order, that it has not yet, each at the end of its day's section."""
    known = _items_of(digest)
    digest = digest or _NEW
    for day, of_day in groupby(entries, key=lambda entry: entry.day or today):
        items = dict.fromkeys(item for item in map(_item, of_day) if item.rstrip() not in known)
        if items:
            digest = _with(digest, day, "".join(items))
    return digest


def _item(entry: Entry) -> str:
    lines = quoted(f"{entry.time} {entry.text}".strip())
    return joined([f"- {lines[0]}", *(f"  {line}".rstrip() for line in lines[1:])])


def _items_of(digest: str) -> set[str]:
    parts = digest.split("\n- ")[1:]
    return {f"- {part.partition('\n## ')[0].rstrip()}" for part in parts}


def _with(digest: str, title: str, items: str) -> str:
    outline = Outline(digest)
    section = next((each for each in outline.sections if each.heading.title == title), None)
    if section is None:
        return f"{digest.rstrip()}\n\n## {title}\n\n{items}"
    before = joined(outline.lines[: section.end]).rstrip()
    after = joined(outline.lines[section.end :])
    return f"{before}\n{items}" + (f"\n{after}" if after else "")

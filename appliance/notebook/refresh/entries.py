"""What a refresh takes in: every entry of the journal and the buffer, one by one, in the order they were written.

Each has a hash by which it is known to be merged (contract notebook, Refresh: a watermark by entry). An entry that is
edited has another and is taken in again; a line of the buffer keeps its hash when the session's end moves it into the
journal.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from appliance.clock import from_ms, local
from appliance.notebook import journal
from appliance.notebook.documents import BUFFER, day_of, project_of
from appliance.notebook.plaintext import lines_of
from appliance.notebook.sections import Section, cut
from appliance.quoting import without_recalled

_LINE = re.compile(r"[-*] (?:(?P<day>\d{4}-\d{2}-\d{2}) )?(?:(?P<time>\d{2}:\d{2}(?::\d{2})?) )?(?P<said>\S.*)")
_SESSION = "(session)"
_SESSION_ENTRY = re.compile(r"### \d{2}:\d{2}:\d{2} \(session\)\n")
_HEAD = re.compile(r"(?:Task|Next|Blocked): ")
_KIND = re.compile(r"\w+: ")
_EXCHANGE = ("asked: ", "did: ")  # how lines begin that only log who said what


@dataclass(frozen=True)
class Entry:
    """One thing that was noted: `day` (YYYY-MM-DD) and `time` (HH:MM) are local, empty where nobody says."""

    path: str
    hash: str
    day: str
    time: str
    text: str
    is_untrusted: bool = False

    def concerns(self, project: str) -> bool:
        """Whether it names that project."""
        return re.search(rf"(?<![\w-]){re.escape(project)}(?![\w-])", self.text, re.IGNORECASE) is not None


def source_hash(target: str, content_hash: str) -> str:
    """What stands in the watermark for a whole file, once every entry of that content is merged into `target`."""
    return _hash(target, "file", content_hash)


def entries_of(path: str, text: str, timezone: str, target: str) -> list[Entry]:
    """The entries of a day's file or of the buffer, in order.

    Args:
        timezone: IANA name of the day's times.
        target: the file they shall be merged into; a project's takes only those that name it.
    """
    found = _of_buffer(text, target) if path == BUFFER else _of_day(path, text, timezone, target)
    project = project_of(target)
    seen: dict[str, Entry] = {}
    for entry in found:
        if without_recalled(entry.text).strip() and (project is None or entry.concerns(project)):
            seen.setdefault(entry.hash, entry)
    return list(seen.values())


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries of several files in the order of their days; within a day as they stand, the journal first."""
    return sorted(entries, key=lambda entry: (entry.day or "9999", entry.path == BUFFER))


def _of_day(path: str, text: str, timezone: str, target: str) -> Iterator[Entry]:
    day, times = day_of(path) or "", Counter[str]()
    sessions = {each.first_line: each.text for each in journal.parse(text) if each.heading == _SESSION}
    for section in cut(path, text, timezone):
        if said := sessions.get(section.first_line):
            title, *lines = lines_of(said)
            yield from _listed(path, title, lines, day, target)
        if _SESSION_ENTRY.match(section.text):
            continue  # or a further piece of one
        moment = str(section.occurred_at)
        name = _squeezed(section.text)
        times[f"{moment} {name}"] += 1
        nth = str(times[f"{moment} {name}"])
        yield Entry(
            path=path,
            hash=_hash(target, path, moment, nth, name),
            day=day,
            time=_time(section, timezone),
            text=without_recalled(section.text),
            is_untrusted=section.trust_level == "untrusted_web",
        )


def _of_buffer(text: str, target: str) -> Iterator[Entry]:
    """The lists of each part; what else stands there changes from minute to minute."""
    for part in re.split(r"^## ", text, flags=re.MULTILINE):
        title, *lines = lines_of(part) or [""]
        yield from _listed(BUFFER, title, [line for line in lines if not _HEAD.match(line)], "", target)


def _listed(path: str, title: str, lines: list[str], day: str, target: str) -> Iterator[Entry]:
    """What a session says of itself, then each item of its lists, with the indented lines below it.

    An item is known by its session and its own words, wherever it stands: in the buffer behind its kind, later in the
    journal below a line that says the kind.
    """
    heads = [line for line in lines if _HEAD.match(line)]
    if heads:
        yield _of_session(path, title, "\n".join(heads), day, "", target)
    for match, label, said in _items(lines):
        text = "\n".join(said)
        if not text.startswith(_EXCHANGE):
            told = text if _KIND.match(text) or not label else f"{label} {text}"
            entry = _of_session(path, title, told, match["day"] or day, match["time"] or "", target)
            yield replace(entry, hash=_hash(target, "line", title, _squeezed(_KIND.sub("", text, count=1))))


def _items(lines: list[str]) -> Iterator[tuple[re.Match[str], str, list[str]]]:
    """Each item of the lists: its first line, the label above the list, all its lines."""
    items: list[tuple[re.Match[str], str, list[str]]] = []
    label = ""
    for line in lines:
        if match := _LINE.fullmatch(line):
            items.append((match, label, [match["said"]]))
        elif items and line.startswith("  ") and line.strip():
            items[-1][2].append(line)
        elif line.strip():
            label = line if line.endswith(":") else ""
    yield from items


def _of_session(path: str, title: str, text: str, day: str, time: str, target: str) -> Entry:
    return Entry(path, _hash(target, "line", title, _squeezed(text)), day, time, f"{title}\n{text}".strip())


def _time(section: Section, timezone: str) -> str:
    return f"{local(from_ms(section.occurred_at), timezone):%H:%M}" if section.occurred_at is not None else ""


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

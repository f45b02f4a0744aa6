"""Log lines without what was logged: of each, only the words that membox's own program has.

A line is held against the templates of every log call in our source. What fits is shown with its arguments left out,
but for numbers; the service manager's own lines are shown; of a traceback its places in our source and the kind of the
error. Whatever else stands in a log is left out and counted: no list of what secrets look like could be complete.
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby, zip_longest
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
_ARGUMENT = re.compile(r"%(?:[-#0 +]*\d*(?:\.\d+)?[sdrgfix])")
_LOGGED = re.compile(r"(?:[\d-]+ [\d:,]+ )?(DEBUG|INFO|WARNING|ERROR|CRITICAL) (appliance[\w.]*): (.*)")
_PLACE = re.compile(r'\s*File ".*?/(appliance/[\w/]+\.py)", line (\d+), in (\w+|<\w+>)')
_KIND = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Timeout))(?::.*)?")
_NUMBER = re.compile(r"\d{1,6}(?:\.\d{1,6})?")
_TRACEBACK = "Traceback (most recent call last):"
_LEFT_OUT = ""


def shown_lines(lines: Iterable[str]) -> list[str]:
    """`lines` of a daemon's log, each as it may be shown; those left out in a row become one that counts them."""
    return _counted(shown_line(line) for line in lines)


def shown_entries(journal: Iterable[str]) -> list[str]:
    """The same for entries of `journalctl -o json`, each with its moment and unit."""
    return _counted(line for entry in journal for line in _entry(entry))


def shown_line(line: str) -> str:
    """`line` as it may be shown; "" when it may not."""
    line = line.rstrip("\n")
    if line == _TRACEBACK:
        return line
    if place := _PLACE.fullmatch(line):
        return f"  {place[1]}:{place[2]} in {place[3]}" if (_PACKAGE.parent / place[1]).is_file() else _LEFT_OUT
    if kind := _KIND.fullmatch(line):
        return kind[1]
    if logged := _LOGGED.fullmatch(line):
        return f"{logged[1]} {logged[2]}: {_message(logged[3]) or '…'}"
    return _LEFT_OUT


def _message(text: str) -> str:
    for template, pattern in _templates():
        if found := pattern.fullmatch(text):
            words = _ARGUMENT.split(template)
            shown = [value if _NUMBER.fullmatch(value) else "…" for value in found.groups()]
            return "".join(word + value for word, value in zip_longest(words, shown, fillvalue=""))
    return ""


@cache
def _templates() -> list[tuple[str, re.Pattern[str]]]:
    """Every text that our source logs, with the pattern of what becomes of it; the longest first."""
    texts = {text for file in sorted(_PACKAGE.rglob("*.py")) for text in _logged_in(file)}
    ordered = sorted(texts, key=lambda text: -len(text))
    return [(text, re.compile("(.*)".join(map(re.escape, _ARGUMENT.split(text))))) for text in ordered]


def _logged_in(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="_log"), attr=level), args=[ast.Constant(value=str(text)), *_]
            ) if level in _LEVELS:
                yield text


def _entry(text: str) -> Iterator[str]:
    try:
        entry = json.loads(text)
        moment = int(entry["__REALTIME_TIMESTAMP"]) // 1_000_000
        message, unit = entry["MESSAGE"], str(entry.get("UNIT") or entry.get("_SYSTEMD_UNIT", ""))
    except (ValueError, KeyError, TypeError):
        return
    if not isinstance(message, str):  # bytes that are no text, or too long
        yield _LEFT_OUT
        return
    for line in message.splitlines():
        # The service manager tells of units in its own words.
        said = f"systemd: {line}" if entry.get("_PID") == "1" else shown_line(line)
        yield f"{moment} {unit} {said}" if said else _LEFT_OUT


def _counted(lines: Iterable[str]) -> list[str]:
    told = []
    for is_shown, run in groupby(lines, key=bool):
        together = list(run)
        told += together if is_shown else [f"({len(together)} left out)"]
    return told

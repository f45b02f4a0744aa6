"""Log lines without what was logged: of each, only the words that membox's own program has.

A line is held against the texts that our source logs and the sentences of its errors. What fits is shown with its
arguments left out, but for numbers; of a traceback its places in our source and the kind of the error; of what the
service manager says the lines below, without descriptions. Whatever else stands in a log is left out and counted: no
list of what secrets look like could be complete.
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
_TOLD = re.compile(r"Error: (.*)")  # by a command that ended, such as the daemon at its start
_UNIT = r"[\w@.-]{1,64}\.(?:service|timer|socket)"
_SYSTEMD = re.compile(
    rf"((?:Start|Stopp|Finish|Reload)(?:ing|ed) {_UNIT}|Stopped {_UNIT}|Failed to start {_UNIT})(?: - .*)?"
    rf"|({_UNIT}: (?:Deactivated successfully|Start request repeated too quickly"
    r"|Main process exited, code=\w+, status=[\w/-]+|Failed with result '[\w-]+'"
    r"|Scheduled restart job, restart counter is at \d+|State '[\w-]+' timed out. \w+"
    r"|Watchdog timeout \([\w ]+\)|A process of this unit has been killed by the OOM killer"
    r"|Failed at step \w+ spawning|Failed to set up credentials)).*"
)
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
    if told := _TOLD.fullmatch(line):
        return f"Error: {_message(told[1]) or '…'}"
    if logged := _LOGGED.fullmatch(line):
        return f"{logged[1]} {logged[2]}: {_message(logged[3]) or '…'}"
    return _LEFT_OUT


def _message(text: str) -> str:
    for words, pattern in _templates():
        if found := pattern.fullmatch(text):
            shown = [value if _NUMBER.fullmatch(value) else "…" for value in found.groups()]
            return "".join(word + value for word, value in zip_longest(words, shown, fillvalue=""))
    return ""


@cache
def _templates() -> list[tuple[tuple[str, ...], re.Pattern[str]]]:
    """The words between the arguments of every text of ours, with the pattern of what becomes of it; longest first."""
    texts = {words for file in sorted(_PACKAGE.rglob("*.py")) for words in _texts_in(file)}
    ordered = sorted(texts, key=lambda words: (-sum(map(len, words)), words))
    return [(words, re.compile("(.*)".join(map(re.escape, words)))) for words in ordered]


def _texts_in(file: Path) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="_log"), attr=level), args=[ast.Constant(value=str(text)), *_]
            ) if level in _LEVELS:
                yield tuple(_ARGUMENT.split(text))
            case ast.Call(func=ast.Name(id=name), args=[_, sentence, *_]) if name.endswith("Error"):
                yield from _words_of(sentence)


def _words_of(sentence: ast.expr) -> Iterator[tuple[str, ...]]:
    """The words of a literal, or of an f-string between its values; none of what is put together elsewhere."""
    match sentence:
        case ast.Constant(value=str(text)):
            yield (text,)
        case ast.JoinedStr(values=parts):
            marked = (str(part.value) if isinstance(part, ast.Constant) else "\0" for part in parts)
            yield tuple("".join(marked).split("\0"))


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
        said = _of_systemd(line) if entry.get("_PID") == "1" else shown_line(line)
        yield f"{moment} {unit} {said}" if said else _LEFT_OUT


def _of_systemd(line: str) -> str:
    found = _SYSTEMD.fullmatch(line)
    return f"systemd: {found[1] or found[2]}" if found else _LEFT_OUT


def _counted(lines: Iterable[str]) -> list[str]:
    told = []
    for is_shown, run in groupby(lines, key=bool):
        together = list(run)
        told += together if is_shown else [f"({len(together)} left out)"]
    return told

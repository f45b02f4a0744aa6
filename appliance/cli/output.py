"""How commands print: JSON, tables, quoted text; plain when piped, and never a control character from stored text."""

import json
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO, TextIOWrapper
from typing import Any

import click

from appliance.quoting import barred

json_option = click.option("--json", "as_json", is_flag=True, help="Print the data as JSON.")


def examples(*lines: str) -> str:
    """A command's epilog: `lines` as its examples, unwrapped."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\b\n" + "\n".join([title, *("  " + line for line in lines)])


def prepare_streams() -> None:
    """Let no character stop the output: one that the terminal's encoding lacks is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def progress_bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing where standard error goes elsewhere; what is given moves it on by so many."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=length, label=label, file=sys.stderr, hidden=hidden) as bar:
        yield bar.update


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """Say on a terminal, each second, for how long `label` has been going on; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(label, ended), daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _tell(label: str, ended: threading.Event) -> None:
    began = time.monotonic()
    while not ended.wait(1.0):
        click.echo(f"\r{label}, {time.monotonic() - began:.0f} s", err=True, nl=False)
    click.echo("\r\x1b[K", err=True, nl=False)


def emit(answer: Any, as_json: bool, plain: Callable[[], object]) -> None:
    """Print `answer` as JSON when asked for, else let `plain` print it for a person."""
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        plain()


def shown(text: object) -> str:
    """`text` fit for a terminal: control characters, which could rewrite the screen, are made visible.

    Direction overrides are among them: they make a line read as another.
    """
    return "".join(char if char in "\n\t" or not _controls(char) else f"\\x{ord(char):02x}" for char in str(text))


def _controls(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"


def quote(text: str) -> str:
    """Recalled or stored text, marked as data: every line behind a bar."""
    return barred(shown(text))


def dim(text: str) -> str:
    """Less important words."""
    return click.style(text, dim=True)


def bold(text: str) -> str:
    """The words to see first."""
    return click.style(text, bold=True)


def raw(text: str) -> None:
    """Print a file's text: exactly as it is into a pipe, without control characters on a terminal."""
    click.echo(shown(text) if sys.stdout.isatty() else text, nl=not text.endswith("\n"))


def table(head: Sequence[str], rows: Sequence[Sequence[object]], none: str) -> None:
    """Print `rows` in aligned columns under `head`; `none` when there are no rows.

    On a terminal the last column is cut to the line; in a pipe nothing is cut.
    """
    import shutil  # here and not above: `membox note` prints no table, and must start at once

    if not rows:
        click.echo(none)
        return
    cells = [[shown(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(head, *cells, strict=True)]
    click.echo(dim(_row(head, widths)))
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for row in cells:
        click.echo(_cut(_row(row, widths), room))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _cut(text: str, room: int) -> str:
    if not room or _width(text) <= room:
        return text
    used, kept = 0, ""
    for char in text:
        used += _char_width(char)
        if used > room - 1:
            break
        kept += char
    return kept + "…"


_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def print_diff(text: str, err: bool = False) -> None:
    """Print a unified diff, in colours on a terminal."""
    if not text:
        click.echo("No difference.", err=err)
    for line in text.splitlines():
        click.echo(click.style(shown(line), fg=_DIFF_COLOURS.get(line[:1])), err=err)


def fields(pairs: Sequence[tuple[str, object]]) -> None:
    """Print names and values, the values aligned; one that is None or empty is left out."""
    kept = [(name, value) for name, value in pairs if value not in (None, "", [])]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        click.echo(f"{dim(name.ljust(width))}  {shown(value)}")


def when(moment: str | int | None) -> str:
    """An ISO 8601 time or epoch milliseconds, in this machine's zone, to the minute; "never" for None."""
    from datetime import datetime

    from appliance.clock import from_ms  # here and not above, as in `table`

    if moment is None:
        return "never"
    instant = from_ms(moment) if isinstance(moment, int) else datetime.fromisoformat(moment)
    return instant.astimezone().strftime("%Y-%m-%d %H:%M")


def size(count: int) -> str:
    """Bytes for a person."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def counted(number: int, noun: str) -> str:
    """`number` and its noun, in the plural where it is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def qr(text: str) -> None:
    """Print `text` as a QR code for a phone's camera, dark on light whatever the terminal's colours."""
    import segno

    drawn = StringIO()
    segno.make(text, error="m", micro=False).terminal(out=drawn, compact=True, border=2)
    for line in drawn.getvalue().splitlines():
        click.echo(click.style(line, fg="bright_white", bg="black"))

"""`membox memory …`: the notebook's files, their versions, and taking lines out for good (contract notebook)."""

import re
from typing import Any

import click

from appliance.cli.backup import holding_copies
from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import (
    counted,
    dim,
    emit,
    examples,
    json_option,
    print_diff,
    quote,
    raw,
    shown,
    size,
    table,
    when,
)
from appliance.cli.refresh import COMMANDS
from appliance.client.box_client import BoxClient
from appliance.errors import InvalidError

CURATED = "GLOBAL_MEMORY.md"

_PROVIDER_FAILED = 5  # as cli/errors.py has it for one that fails a whole command

_path = click.argument("path", default=CURATED)


@click.group(
    epilog=examples(
        "membox memory show", "membox memory edit tasks/todo.md", "membox memory history", "membox memory undo"
    )
)
def memory() -> None:
    """Read, edit and take back the notebook's files.

    PATH is a file's path in the notebook; without one it is GLOBAL_MEMORY.md, the curated memory.
    """


@memory.command(epilog=examples("membox memory show", "membox memory show tasks/todo.md | grep '\\[ \\]'"))
@_path
@click.option("--version", "number", type=click.IntRange(1), help="As it was in that version.")
@json_option
@pass_caller
def show(caller: Caller, path: str, number: int | None, as_json: bool) -> None:
    """Print a file as it is."""
    with caller.box() as box:
        if number is None:
            answer = box.get("/v1/notebook/document", path=path)
        else:
            answer = box.get("/v1/notebook/version", path=path, number=number)
    emit(answer, as_json, lambda: raw(answer["text"]))


@memory.command("list", epilog=examples("membox memory list", "membox memory list --json"))
@json_option
@pass_caller
def list_documents(caller: Caller, as_json: bool) -> None:
    """List the notebook's files."""
    with caller.box() as box:
        answer = box.get("/v1/notebook/documents")
    rows = [
        (
            row["path"],
            row["tier"],
            row["version"],
            row["lines"],
            size(row["bytes"]),
            when(row["changed_at"]),
            row["author"],
        )
        for row in answer["documents"]
    ]
    head = ("PATH", "TIER", "VERSION", "LINES", "SIZE", "CHANGED", "BY")
    emit(answer, as_json, lambda: table(head, rows, "The notebook is empty."))


@memory.command(
    epilog=examples("membox memory edit", "membox memory edit tasks/todo.md", "EDITOR=nano membox memory edit")
)
@_path
@json_option
@pass_caller
def edit(caller: Caller, path: str, as_json: bool) -> None:
    """Edit a file in $EDITOR; a new PATH makes a new file.

    When the file changed in the meantime, both changes are merged; where they cross, the editor opens again with both
    sides marked. What you wrote is kept as a draft until it is saved.
    """
    from appliance.cli.editing import edit_document

    answer = edit_document(caller, path)
    emit(answer or {"path": path, "saved": False}, as_json, lambda: _print_saved(answer) if answer else None)


def _print_saved(answer: dict[str, Any]) -> None:
    merged = ", merged with what changed in the meantime" if answer.get("merged") else ""
    click.echo(f"Saved {shown(answer['path'])} as version {answer['version']}{merged}.")


@memory.command(epilog=examples("membox memory diff", "membox memory diff tasks/todo.md 3 7"))
@_path
@click.argument("old", type=click.IntRange(0), required=False)
@click.argument("new", type=click.IntRange(1), required=False)
@json_option
@pass_caller
def diff(caller: Caller, path: str, old: int | None, new: int | None, as_json: bool) -> None:
    """Show what changed between two versions.

    Without OLD it is the last change; without NEW the difference from OLD to now. Version 0 is the empty file.
    """
    with caller.box() as box:
        if new is None:
            new = int(box.get("/v1/notebook/document", path=path)["version"])
        old = _version_before(box, path, new) if old is None else old
        answer = box.get("/v1/notebook/diff", path=path, old=old, new=new)
    emit(answer, as_json, lambda: print_diff(answer["diff"]))


def _version_before(box: BoxClient, path: str, number: int) -> int:
    versions = box.get("/v1/notebook/history", path=path)["versions"]
    return max((int(row["number"]) for row in versions if row["number"] < number), default=0)


@memory.command(epilog=examples("membox memory history", "membox memory history tasks/todo.md --limit 5"))
@click.argument("path", required=False)
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="At most so many versions.")
@json_option
@pass_caller
def history(caller: Caller, path: str | None, limit: int, as_json: bool) -> None:
    """List a file's versions, newest first.

    Without PATH, those of every file.
    """
    with caller.box() as box:
        answer = box.get("/v1/notebook/history", path=path, limit=limit)
    rows = [
        (
            row["number"],
            when(row["created_at"]),
            row["author"],
            f"+{row['lines_added']} -{row['lines_removed']}",
            row["path"],
            row["reason"] + (" (something was forgotten)" if row["removed"] else ""),
        )
        for row in answer["versions"]
    ]
    head = ("VERSION", "WHEN", "BY", "LINES", "PATH", "WHY")
    emit(answer, as_json, lambda: table(head, rows, "No versions yet."))


@memory.command(epilog=examples("membox memory restore GLOBAL_MEMORY.md 3"))
@click.argument("path")
@click.argument("version", type=click.IntRange(1))
@json_option
@pass_caller
def restore(caller: Caller, path: str, version: int, as_json: bool) -> None:
    """Bring a file back to an earlier VERSION.

    This is a new version itself, so it can be undone.
    """
    with caller.box() as box:
        answer = box.post("/v1/notebook/restore", {"path": path, "number": version})
    emit(answer, as_json, lambda: _print_saved(answer))


@memory.command(epilog=examples("membox memory undo", "membox memory undo tasks/todo.md"))
@_path
@json_option
@pass_caller
def undo(caller: Caller, path: str, as_json: bool) -> None:
    """Take back the last change of a file.

    This is a new version itself: undoing twice brings the change back.
    """
    with caller.box() as box:
        answer = box.post("/v1/notebook/undo", {"path": path})
    emit(answer, as_json, lambda: _print_saved(answer))


@memory.command(epilog=examples("membox memory lines", "membox memory lines tasks/todo.md --line 12"))
@_path
@click.option("--line", type=click.IntRange(1), help="Only this one, and what it was before.")
@json_option
@pass_caller
def lines(caller: Caller, path: str, line: int | None, as_json: bool) -> None:
    """Show where each line of a file is from: version, time, author."""
    with caller.box() as box:
        if line is None:
            answer = box.get("/v1/notebook/lines", path=path)
        else:
            answer = box.get("/v1/notebook/line", path=path, line=line)
    width = max((len(row["author"]) for row in answer["lines"]), default=0)

    def plain() -> None:
        for number, row in enumerate(answer["lines"], 1):
            from_where = f"v{row['version']:<4} {when(row['created_at'])}  {row['author'].ljust(width)}"
            numbered = f"{number:>4}  {from_where}" if line is None else from_where
            click.echo(f"{dim(shown(numbered))}  {shown(row['text'])}".rstrip())

    emit(answer, as_json, plain)


@memory.command(epilog=examples("membox memory find borg", "membox memory find '\"spare key\" cellar'"))
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many lines.")
@json_option
@pass_caller
def find(caller: Caller, words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find lines word for word, in every file.

    A line must have all WORDS, phrases in double quotes; case and accents do not matter. `membox recall` finds by
    meaning, and what is not in a file too. Exit code 1 when nothing is found.
    """
    with caller.box() as box:
        answer = box.get("/v1/notebook/search", q=" ".join(words), limit=limit)

    def plain() -> None:
        for row in answer["lines"]:
            click.echo(f"{dim(shown(f'{row["path"]}:{row["line"]}:'))} {shown(row['text'])}")

    emit(answer, as_json, plain)
    click.get_current_context().exit(0 if answer["lines"] else 1)


@memory.command(
    epilog=examples("membox memory forget sessions/2026-11-20.md:12-18", "membox memory forget tasks/todo.md:3 --yes")
)
@click.argument("range_", metavar="PATH:FIRST[-LAST]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_caller
def forget(caller: Caller, range_: str, yes: bool, as_json: bool) -> None:
    """Delete lines for good.

    They go from the file, the archive and every past version. History shows that something was removed. Copies made
    before keep it until they age out (`membox backup list`).
    """
    path, first, last = parse_range(range_)
    with caller.box() as box:
        request = {"path": path, "first_line": first, "last_line": last}
        if not yes:
            request["base_version"] = _confirm_forgetting(box, path, first, last)
        answer = box.post("/v1/notebook/forget", request)
        copies = "" if as_json else holding_copies(box)
    said = f"Forgotten: {counted(last - first + 1, 'line')} of {shown(path)}, in every version of it. {copies}"
    emit(answer, as_json, lambda: click.echo(said.rstrip()))


def parse_range(text: str) -> tuple[str, int, int]:
    """`sessions/2026-11-20.md:12-18` → its path, first and last line; an L before a number is accepted."""
    match = re.fullmatch(r"(.+?)[:#]L?(\d+)(?:-L?(\d+))?", text)
    if not match:
        raise click.UsageError(f"{text!r} names no lines; write them as PATH:FIRST-LAST, like tasks/todo.md:3-5.")
    first = int(match[2])
    last = int(match[3] or first)
    if not 1 <= first <= last:
        raise click.UsageError(f"{text!r} is no range of lines; the first is 1, and the last is not before the first.")
    return match[1], first, last


def _confirm_forgetting(box: BoxClient, path: str, first: int, last: int) -> int:
    """Show the lines and ask; the version they were shown in, so that no others are forgotten in their place."""
    document = box.get("/v1/notebook/document", path=path)
    wanted = document["text"].split("\n")[first - 1 : last]
    if len(wanted) < last - first + 1:
        raise InvalidError("no_such_lines", f"{path} has no line {last}; `membox memory lines {path}` numbers them.")
    click.echo(quote("\n".join(wanted)), err=True)
    click.confirm("Delete this for good, from every version?", abort=True, err=True)
    return int(document["version"])


@memory.command(epilog=examples("membox memory harvest", "membox memory harvest --json"))
@json_option
@pass_caller
def harvest(caller: Caller, as_json: bool) -> None:
    """Note what agents' transcripts hold that deserves remembering.

    Each of Claude Code's transcripts on the box is read on from where it was left. A language model says what deserves
    it, or, where none is set up, rules. What fails stays unread. Exit code 5 when something did.
    """
    from appliance.client.box_client import LONG_WORK_SECONDS

    with caller.box() as box:
        answer = box.post("/v1/harvest", {}, LONG_WORK_SECONDS)
    emit(answer, as_json, lambda: click.echo(shown(answer["sentence"])))
    if answer["failed"]:
        raise click.exceptions.Exit(_PROVIDER_FAILED)


for _command in COMMANDS:
    memory.add_command(_command)

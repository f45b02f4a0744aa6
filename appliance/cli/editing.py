"""Editing a notebook file in $EDITOR until it is saved; a conflict goes back into the editor with both sides marked."""

import re
import sys
from typing import Any

import click

from appliance.cli.connect import Caller
from appliance.cli.drafts import Draft, leftover_draft, new_draft
from appliance.cli.output import shown
from appliance.errors import ConflictError, InvalidError, MemboxError, NotFoundError

# A line of seven = alone is no sign: it also underlines a heading.
_MARKERS = re.compile(r"^(<{7}|>{7})( |$)", re.MULTILINE)
_ROUNDS = 50


def edit_document(caller: Caller, path: str) -> dict[str, Any] | None:
    """Let a person edit `path`; the box's answer, None when nothing was changed.

    Args:
        caller: says which box. It is opened only to read and to save: an editor may stay open for hours.
        path: a file of its notebook, or a new one.

    Raises:
        MemboxError: the box refused, the editor failed or a conflict was left unsettled; the sentence says where
            the text is kept.
    """
    draft = _begin(caller, path)
    try:
        return _until_saved(caller, path, draft)
    except MemboxError as error:
        if draft.is_unchanged:
            raise
        sentence = f"{error.sentence} What you wrote is kept in {draft.file}; edit the file again to go on with it."
        raise type(error)(error.word, sentence, error.detail) from error
    except click.Abort:
        click.echo(f"Not saved; what you wrote is kept in {draft.file}.", err=True)
        raise
    finally:
        if draft.file.exists() and draft.is_unchanged:
            draft.drop()


def _begin(caller: Caller, path: str) -> Draft:
    if (left := leftover_draft(caller.box_name, path)) and _wanted(left, path):
        return left
    try:
        with caller.box() as box:
            document = box.get("/v1/notebook/document", path=path)
    except NotFoundError:
        return new_draft(caller.box_name, path, 0, "")
    return new_draft(caller.box_name, path, int(document["version"]), document["text"])


def _wanted(left: Draft, path: str) -> bool:
    said = f"There is a draft of {shown(path)} that was not saved, in {left.file}."
    if not sys.stdin.isatty():
        click.echo(said, err=True)
        return False
    return click.confirm(f"{said} Go on with it?", default=True, err=True)


def _until_saved(caller: Caller, path: str, draft: Draft) -> dict[str, Any] | None:
    """The editor, again and again while both sides of a conflict are marked and the person works on them."""
    for _ in range(_ROUNDS):
        before = draft.text
        _open_editor(draft)
        if draft.is_unchanged:
            click.echo("Nothing changed.", err=True)
            return None
        marked = _MARKERS.search(draft.text) is not None
        if marked and draft.text == before:
            break
        if marked:
            _say("Some places still have both sides marked (<<<<<<< … >>>>>>>). The editor opens again.")
            continue
        try:
            answer = _save(caller, path, draft)
        except ConflictError as conflict:
            _take_both_sides(draft, conflict)
            _say("The file changed in the meantime, in the same lines. The editor opens again with both sides marked.")
            continue
        draft.drop()
        return answer
    raise ConflictError("edit_conflict", "Nothing was saved: both sides of a conflict are still marked.")


def _open_editor(draft: Draft) -> None:
    try:
        click.edit(filename=str(draft.file))
    except click.ClickException as error:
        raise InvalidError(
            "editor_failed", f"{error.format_message().rstrip('.')}; choose another editor with EDITOR."
        ) from error


def _save(caller: Caller, path: str, draft: Draft) -> dict[str, Any]:
    request = {"path": path, "text": draft.text, "base_version": draft.base_version}
    if not draft.text.strip():
        click.confirm(f"{path} is empty now. Save it so?", abort=True, err=True)
        request["allow_empty"] = True
    with caller.box() as box:
        return box.put("/v1/notebook/document", request)


def _take_both_sides(draft: Draft, error: ConflictError) -> None:
    """Go on with the merged text, both sides marked; an answer without one is an error like any other."""
    sides = error.detail.get("conflict") if isinstance(error.detail, dict) else None
    if not isinstance(sides, dict) or "merged" not in sides:
        raise error
    draft.rebase(int(sides["version"]), str(sides["merged"]))


def _say(sentence: str) -> None:
    """Tell something before an editor covers the screen."""
    click.echo(sentence, err=True)
    if sys.stdin.isatty():
        click.pause("Press any key to go on.", err=True)

"""The one place where an error becomes an exit code and one sentence on standard error (contract notebook, Refresh).

0 ok, 1 general, 2 not configured (and a command used wrongly), 3 no memory file, 4 no provider found, 5 provider
failed or truncated, 6 malformed reply, 7 refused by a check; 130 interrupted.
"""

import errno
import json
import sys
from typing import Any

import click

from appliance.errors import (
    MalformedReplyError,
    MemboxError,
    NoProviderError,
    NotConfiguredError,
    ProviderError,
    RefusedError,
)

GENERAL, NOT_CONFIGURED, NO_MEMORY_FILE, INTERRUPTED = 1, 2, 3, 130
_CODES: dict[type[Exception], int] = {
    NotConfiguredError: NOT_CONFIGURED,
    NoProviderError: 4,
    ProviderError: 5,
    MalformedReplyError: 6,
    RefusedError: 7,
}

_REMEDIES = {
    errno.ENOSPC: "The disk is full; make room and try again.",
    errno.EDQUOT: "Your quota on this disk is used up; make room and try again.",
}


def report(error: Exception, as_json: bool) -> int:
    """Tell `error` on standard error and return its exit code; raise it again when it is a fault of ours."""
    if isinstance(error, click.exceptions.Abort):
        return _abort(error)
    if isinstance(error, BrokenPipeError):
        _silence_output()
        return GENERAL
    if isinstance(error, click.UsageError) and not as_json:
        error.show()
        return error.exit_code
    word, sentence, detail = _told(error)
    if as_json:
        fields = {"error": word, "message": sentence} | ({"detail": detail} if detail else {})
        click.echo(json.dumps(fields, ensure_ascii=False), err=True)
    else:
        click.echo(f"{click.style('Error:', fg='red')} {sentence}", err=True)
    return exit_code(error)


def exit_code(error: Exception) -> int:
    """The exit code of an error."""
    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, MemboxError) and error.word == "document_not_found":
        return NO_MEMORY_FILE
    return _CODES.get(type(error), GENERAL)


def _told(error: Exception) -> tuple[str, str, Any]:
    """Word, sentence and detail of an expected error; the error itself is raised again when it is none."""
    if isinstance(error, MemboxError):
        return error.word, error.sentence, error.detail
    if isinstance(error, click.UsageError):
        return "usage", error.format_message(), None
    if isinstance(error, click.ClickException):
        return "failed", error.format_message(), None
    if isinstance(error, OSError) and error.errno is not None:
        return "system", _system_sentence(error), None
    raise error


def _system_sentence(error: OSError) -> str:
    if error.errno in _REMEDIES:
        return _REMEDIES[error.errno]
    where = f"{error.filename}: " if error.filename else ""
    owner = "; does it belong to you?" if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else "."
    return f"{where}{error.strerror}{owner}"


def _abort(error: click.exceptions.Abort) -> int:
    # Click keeps what happened as the cause, or, at a question, as the suppressed context.
    if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
        return INTERRUPTED
    click.echo("Stopped; nothing was changed.", err=True)
    return GENERAL


def _silence_output() -> None:
    """Whoever read our output has gone: let nothing more be written there, at exit either."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

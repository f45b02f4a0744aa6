"""Text that a command takes in: from its arguments, or from standard input with `-`."""

import sys

import click

from appliance.errors import InvalidError, TooLargeError


def given_text(words: tuple[str, ...], limit: int) -> str:
    """The text of a command's TEXT arguments: the words joined, or standard input for `-` and for none in a pipe.

    Args:
        words: the arguments, unquoted words included.
        limit: how many bytes are read at most; what the box would refuse need not be sent.

    Raises:
        click.UsageError: no text, and nobody pipes one in.
        TooLargeError, InvalidError: the input is over the limit, or no UTF-8.
    """
    if words == ("-",) or (not words and not sys.stdin.isatty()):
        return _standard_input(limit)
    if not words:
        raise click.UsageError("Missing the text; write it behind the command, or `-` to read standard input.")
    text = " ".join(words)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidError("not_utf8", "The text on the command line is not UTF-8; is the terminal set to it?")
    return text


def given_secret(prompt: str, limit: int, twice: bool = False) -> str:
    """A secret from a hidden prompt, or from standard input without the line end behind it.

    Args:
        prompt: what is asked for, on a terminal.
        limit: how many bytes it may have.
        twice: whether a person is to repeat it: nothing else would notice a slip.

    Raises:
        TooLargeError, InvalidError: the input is over the limit, or no UTF-8.
    """
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, err=True, confirmation_prompt=twice))
    return _standard_input(limit + len("\r\n")).removesuffix("\n").removesuffix("\r")


def _standard_input(limit: int) -> str:
    data = sys.stdin.buffer.read(limit + 1)
    if len(data) > limit:
        raise TooLargeError("too_large", f"The input is over {limit // 1024} KiB, more than the box takes.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidError(
            "not_utf8", f"The input is not UTF-8 text (byte {error.start}); convert it first, for instance with iconv."
        ) from error

"""What a notebook text is: UTF-8, line feeds, one line feed at the end. Both a file and the database hold this form.

A hand edit with CRLF, a byte order mark or a missing last line feed counts as the same text; the file keeps its
bytes until membox next writes it, then it takes this form.
"""

import difflib
import hashlib
from collections import Counter

from appliance.errors import InvalidError, StorageError, TooLargeError

MAX_TEXT_BYTES = 4 * 1024 * 1024
"""The largest text a save or a hand edit may bring."""


def normalise(text: str) -> str:
    """`text` with line feeds only, ending in exactly one; empty stays empty.

    Raises:
        InvalidError: `invalid_text`, it holds U+0000 or a lone surrogate.
    """
    if not is_storable(text):
        raise InvalidError("invalid_text", "The text holds U+0000 or half a character; remove it and save again.")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    return text + "\n" if text else ""


def is_storable(text: str) -> bool:
    """Whether `text` is free of U+0000 and lone surrogates, which no database and no UTF-8 file can hold."""
    if "\0" in text:
        return False
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def decode(raw: bytes) -> str:
    """The notebook text in a file's bytes.

    Raises:
        StorageError: `not_text`, the bytes are not UTF-8 or hold U+0000.
    """
    try:
        return normalise(raw.decode("utf-8"))
    except (UnicodeDecodeError, InvalidError) as fault:
        raise StorageError("not_text", "it is not UTF-8 text") from fault


def digest(text: str) -> str:
    """SHA-256 of `text`, hexadecimal: how versions, files and pending marks are compared."""
    return hashlib.sha256(text.encode()).hexdigest()


def lines_of(text: str) -> list[str]:
    """The lines of `text` without their line feeds. Only U+000A ends a line, unlike `str.splitlines`."""
    return text.removesuffix("\n").split("\n") if text else []


def joined(lines: list[str]) -> str:
    """The text of `lines`; the reverse of `lines_of`."""
    return "\n".join(lines) + "\n" if lines else ""


def distance(a: str, b: str) -> int:
    """How many lines one text has that the other has not, both ways."""
    left, right = Counter(lines_of(a)), Counter(lines_of(b))
    return (left - right).total() + (right - left).total()


def unified(path: str, old: str, new: str, old_name: str, new_name: str) -> str:
    """What differs between two texts of a file, as a unified diff."""
    lines = difflib.unified_diff(
        lines_of(old), lines_of(new), f"{path} ({old_name})", f"{path} ({new_name})", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def checked_text(text: str, allow_empty: bool) -> str:
    """The normalised `text` of a file that somebody wants to store.

    Raises:
        InvalidError: `invalid_text`, or `empty_document` unless `allow_empty`.
        TooLargeError: `document_too_large`, over 4 MB.
    """
    text = normalise(text)
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise TooLargeError("document_too_large", "A file has at most 4 MB; split it.")
    if not text.strip() and not allow_empty:
        raise InvalidError("empty_document", "The text is empty; say that you mean it, or keep the old one.")
    return text

"""Everything that can go wrong and be said to a person or an agent.

Each error carries the `word` its contract gives it (contract memory-api, Errors), and, for people, one sentence
that says what happened and what to do. A door turns the *class* into an HTTP status (`web/errors.py`) or an exit
code (`cli/errors.py`); nothing below a door knows either.
"""

from typing import Any


class MemboxError(Exception):
    """Base of all errors that membox raises on purpose.

    Args:
        word: the contract's fixed word for the case, e.g. ``memory_not_found``.
        sentence: what, why and what to do, for a person; the word itself when absent.
        detail: structured data a door may show instead of the word (a conflict's two sides, bad fields).
    """

    def __init__(self, word: str, sentence: str = "", detail: Any = None) -> None:
        super().__init__(sentence or word)
        self.word = word
        self.sentence = sentence or word
        self.detail = detail


class InvalidError(MemboxError):
    """The caller sent something that cannot be accepted as it is."""


class PreconditionError(MemboxError):
    """Well said, but not possible as things stand."""


class UnauthorizedError(MemboxError):
    """No credential, or one that is not valid."""


class ForbiddenError(MemboxError):
    """A valid credential that may not do this."""


class NotFoundError(MemboxError):
    """There is no such thing, or none the caller may know of."""


class ConflictError(MemboxError):
    """Two writes cannot both hold; `detail` has what is needed to settle it."""


class TooLargeError(MemboxError):
    """More bytes than the limit."""


class TooManyError(MemboxError):
    """Asked too often; come back later."""


class UnavailableError(MemboxError):
    """The box cannot answer now: it is starting, stopping, held, or unreachable; try again after `retry_after` s."""

    def __init__(self, word: str, sentence: str = "", detail: Any = None, retry_after: int = 5) -> None:
        super().__init__(word, sentence, detail)
        self.retry_after = retry_after


class StorageFullError(MemboxError):
    """The disk is full; nothing was written."""


class StorageError(MemboxError):
    """The database or a file is damaged, unreadable or from a newer membox; nothing was changed."""


class NotConfiguredError(MemboxError):
    """A setting is missing or wrong; the sentence names the key and what is allowed."""


class NoProviderError(MemboxError):
    """No language model can be asked: none is set up, or none that is can be used now; the sentence says why."""


class ProviderError(MemboxError):
    """A language model could not be reached, failed, or broke off; what was to be sent stays where it was."""


class MalformedReplyError(MemboxError):
    """A language model's reply has not the shape that was asked for. Its word is `malformed_reply`."""


class RefusedError(MemboxError):
    """A check refused what would have been written; nothing was changed. Its word is `refused`."""

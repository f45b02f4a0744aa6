"""Asking the model, and what of its reply may be stored."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from appliance.clock import Clock, local
from appliance.errors import RefusedError
from appliance.notebook.merge import has_conflict
from appliance.notebook.models import Document
from appliance.notebook.refresh import prompt
from appliance.notebook.refresh.checks import Checked, Limits, checked, document_in, require_room
from appliance.notebook.refresh.entries import Entry
from appliance.providers import OnText, Reply, Request
from appliance.redaction import Redactor
from appliance.settings import Core


class Model(Protocol):
    """Whoever answers a request: `appliance.providers.Providers`."""

    def complete(self, request: Request, on_text: OnText | None = None, record: bool = True) -> Reply:
        """The answer. NoProviderError when there is nobody to ask, ProviderError when nobody asked had one."""


class Hidden:
    """A text with a placeholder for each secret, which nobody can guess: no text can ask for one by it."""

    def __init__(self, redactor: Redactor, text: str) -> None:
        self._mark = f"[secret {secrets.token_hex(4)}-"
        found = sorted(redactor.found(text), key=len, reverse=True)
        self._placeholders = {f"{self._mark}{number}]": secret for number, secret in enumerate(found, 1)}
        for placeholder, secret in self._placeholders.items():
            text = text.replace(secret, placeholder)
        self.text = text

    def restored(self, text: str) -> str:
        """`text` with the secrets where their placeholders stand. RefusedError when it has another placeholder."""
        for placeholder, secret in self._placeholders.items():
            text = text.replace(placeholder, secret)
        if self._mark in text:
            raise RefusedError("refused", "The reply garbles a secret of the file; nothing was changed.")
        return text


@dataclass(frozen=True)
class Answer:
    """The reply to a question about a document, whose secrets were hidden from the model."""

    reply: Reply
    hidden: Hidden


class Asking:
    """Puts questions to the model; what leaves has no secret in it.

    Args:
        redactor: gives what takes secrets out, as they are now.
    """

    def __init__(self, model: Model, redactor: Callable[[], Redactor], core: Core, clock: Clock) -> None:
        self._model = model
        self._redactor = redactor
        self._core = core
        self._clock = clock
        self._limits = Limits(core.max_memory_lines, core.max_tokens)

    def ask(self, document: Document, entries: Sequence[Entry], on_text: OnText, record: bool) -> Answer:
        """The model's answer to how the document shall read with these entries.

        Args:
            record: whether the usage is kept.

        Raises:
            RefusedError: the document holds a conflict, or is longer than a reply may be.
            NoProviderError, ProviderError: there is nobody to ask, or nobody had an answer.
        """
        if has_conflict(document.text):
            raise RefusedError("refused", f"{document.path} holds a conflict, which has to be settled first.")
        require_room(document.text, self._limits)
        redactor = self._redactor()
        hidden = Hidden(redactor, document.text)
        shown = [replace(entry, text=redactor.text(entry.text)) for entry in entries]
        today = f"{local(self._clock(), self._core.timezone):%Y-%m-%d}"
        request = Request(
            system=prompt.system(self._core.max_memory_lines),
            prompt=prompt.question(document.path, hidden.text, shown, today),
            schema=prompt.SCHEMA,
            max_tokens=self._core.max_tokens,
            purpose="refresh",
            model=self._core.model,
        )
        return Answer(self._model.complete(request, on_text, record), hidden)

    def checked(self, document: Document, answer: Answer) -> Checked:
        """What the answer says the document shall be, once every check has passed.

        Raises:
            ProviderError: `truncated`.
            MalformedReplyError, RefusedError: a check says no.
        """
        proposed = answer.hidden.restored(document_in(answer.reply.data()))
        return checked(document.text, proposed, self._limits)

"""A language model that a test speaks for."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.providers import OnText, Reply, Request

MEMORY = """<!-- membox v1 -->
# Memory

## Current priorities

- Ship the shop

## Hard constraints

- Never push to main without review

## Recent completions

- Moved to the flat in Lisbon
"""


def as_asked(document: str, entries: list[str]) -> str:
    """What an obedient model returns: the first line of every entry at the end."""
    return document + "".join(f"- {entry.splitlines()[0]}\n" for entry in entries)


@dataclass
class Scribe:
    """Answers by `answer`, of the document and the entries it is shown, or fails by `fault`.

    `meanwhile` happens while it writes, once.
    """

    asked: list[Request] = field(default_factory=list)
    recorded: list[bool] = field(default_factory=list)
    answer: Callable[[str, list[str]], str] = as_asked
    meanwhile: Callable[[], object] | None = None
    fault: Exception | None = None

    def complete(self, request: Request, on_text: OnText | None = None, record: bool = True) -> Reply:
        self.asked.append(request)
        self.recorded.append(record)
        if self.fault:
            raise self.fault
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()
        text = json.dumps({"document": self.answer(document_in(request), entries_in(request))})
        if on_text:
            on_text(text)
        return Reply(text, "double", "scribe-1", 1000, 200, 4500)

    @property
    def shown(self) -> list[str]:
        """Every entry it was shown, in order, over all requests."""
        return [entry for request in self.asked for entry in entries_in(request)]


def document_in(request: Request) -> str:
    """The document that a request shows."""
    tag = next(line for line in request.prompt.splitlines() if line.startswith("<file-"))
    return request.prompt.partition(f"{tag}\n")[2].partition(tag.replace("<", "</"))[0]


def entries_in(request: Request) -> list[str]:
    """The entries that a request shows, without their heads and bars."""
    shown = request.prompt.partition("in the order in which they were written:\n\n")[2].rpartition("\n\nReturn")[0]
    parts = shown.split("\n\nEntry ")
    return ["\n".join(line.removeprefix("  │").removeprefix(" ") for line in part.splitlines()[1:]) for part in parts]

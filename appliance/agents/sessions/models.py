"""What sessions take and give (contract notebook, Session protocol for agents)."""

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

BUFFER, CURATED = "working-buffer.md", "GLOBAL_MEMORY.md"
TODO, LESSONS = "tasks/todo.md", "tasks/lessons.md"

MOST_TOKENS = 32_000
_UNFIT = re.compile("[\0-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)


# A client's text: what no file can hold is replaced, not refused; a hook must not fail by it.
Words = Annotated[str, AfterValidator(_fit)]
Line = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_fit)]
Lines = Annotated[tuple[Line, ...], Field(max_length=50)]
Project = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_fit)]


class Event(BaseModel):
    """What an agent's hook says, in the words of Claude Code's hooks; what is unknown is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    hook_event_name: str = Field(max_length=64)
    session_id: Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_fit)]
    cwd: Words = ""
    prompt: Words = ""
    prompt_id: str | None = Field(None, max_length=128)
    source: str | None = Field(None, max_length=32, description="Of SessionStart: startup, resume, clear or compact.")
    trigger: str | None = Field(None, max_length=32)
    reason: str | None = Field(None, max_length=64, description="Of SessionEnd.")
    message: Words = Field("", description="Of Notification.")
    last_assistant_message: Words | None = Field(None, description="Of Stop.")
    tool_name: str | None = Field(None, max_length=128)
    tool_input: dict[str, object] | None = None
    error: Words | None = Field(None, description="Of a tool call that failed.")
    is_interrupt: bool | None = None
    agent_id: str | None = Field(None, max_length=128, description="Of an agent within the session: passed over.")


class Beside(BaseModel):
    """What the hook's client knows besides: the project's directory, the machine, how full the context is."""

    model_config = ConfigDict(frozen=True)

    project: str = ""
    machine: str = ""
    context_tokens: int | None = None
    failures: int = 0


class HookOutput(BaseModel):
    """What goes on into the agent's context, as Claude Code expects it."""

    model_config = ConfigDict(populate_by_name=True)

    event: str = Field(alias="hookEventName")
    context: str = Field(alias="additionalContext")


class HookAnswer(BaseModel):
    """The answer to a hook: nothing, or words for the agent's context."""

    model_config = ConfigDict(populate_by_name=True)

    output: HookOutput | None = Field(None, alias="hookSpecificOutput")


class Entry(BaseModel):
    """What an agent without hooks writes into the buffer; a field left out stays as it is."""

    model_config = ConfigDict(frozen=True)

    project: Project = ""
    session_id: Annotated[str, StringConstraints(max_length=128), AfterValidator(_fit)] = ""
    task: Line | None = None
    next: Line | None = None
    blocked: Line | None = Field(None, description='What stands in the way; "" when nothing does any more.')
    decisions: Lines = ()
    said: Annotated[Words, StringConstraints(max_length=100_000)] = Field(
        "", description="A message of the person's: what of it must be kept is found and written down."
    )
    lessons: Lines = ()
    done: Lines = Field((), description="Finished todos; open boxes in tasks/todo.md that say the same are ticked.")
    end: bool = Field(False, description="The session ends: write its journal entry.")


def cleaned(entry: Entry, clean: Callable[[str], str]) -> Entry:
    """`entry` with `clean` done to whatever is written down of it."""
    texts = {name: clean(text) for name in ("task", "next", "blocked", "said") if (text := getattr(entry, name))}
    lists = {name: tuple(map(clean, getattr(entry, name))) for name in ("decisions", "lessons", "done")}
    return entry.model_copy(update=texts | lists)


class Kept(BaseModel):
    """What stands in the buffer now, of this project; `written`: the lines that came with this request."""

    project: str
    text: str
    written: list[str] = []


class Part(BaseModel):
    """One file of a bundle: what of it is there, and whether that is all."""

    path: str
    tokens: int
    whole: bool


class Recovered(BaseModel):
    """What an agent needs to go on: quoted text in a fixed order, within the budget."""

    project: str
    text: str
    tokens: int
    parts: list[Part]


After = Literal["start", "resume"]

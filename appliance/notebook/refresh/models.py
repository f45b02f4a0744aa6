"""What is told of refreshes (contract notebook, Refresh). Times are epoch milliseconds."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Outcome(StrEnum):
    """What came of a refresh."""

    APPLIED = "applied"
    FILED = "filed"  # nobody to ask: the notes stand in the digest, and wait
    REFUSED = "refused"  # by a check of the reply
    FAILED = "failed"  # of the provider
    AWAITING = "awaiting"  # a person's approval
    DECLINED = "declined"
    UNDONE = "undone"


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class Refreshed(_Result):
    """One refresh of a file. `base_version` is what the model read, `version` what was stored."""

    id: int
    at: int
    path: str
    outcome: Outcome
    detail: str = Field(description="What was done or why not, the first line a sentence, then the lines concerned.")
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cost_micros: int = Field(description="Millionths of a US dollar.")
    base_version: int
    version: int | None
    entries: int = Field(description="How many entries it was given.")


class Proposal(Refreshed):
    """A refresh with what it changed, or would, as a unified diff."""

    diff: str


class Offered(_Result):
    """A hard constraint that was kept as it was, and the wording a reply had for it."""

    id: int
    at: int
    path: str
    refresh_id: int
    kept: str
    offered: str


class Progress(_Result):
    """How far a refresh is: of how many entries, and how much the model has written by now."""

    path: str
    entries: int
    characters: int


class Finished(_Result):
    """How a refresh ended: what it changed as `diff`, where that was only tried; a word and a sentence on a fault."""

    refreshes: list[Refreshed] = []
    diff: str = ""
    word: str = ""
    message: str = ""


class State(_Result):
    """Whether a refresh is under way, how the last one here ended, what waits for it and for a person."""

    running: Progress | None
    last: Finished | None
    waiting_entries: int
    awaiting_approval: int
    offered: int

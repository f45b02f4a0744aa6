"""What is told of jobs (contract memory-api, Endpoints)."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["queued", "running", "completed", "failed"]


class JobAnswer(BaseModel):
    """One job: how far it is, and its result or error. Times are ISO 8601."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    kind: str
    status: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    result: dict[str, Any] | None
    error: str | None
    attempts: int
    max_attempts: int


class DeadLetters(BaseModel):
    """Jobs that failed for good, newest first."""

    model_config = ConfigDict(frozen=True)

    count: int
    items: list[JobAnswer]


class JobList(BaseModel):
    """Jobs, newest first."""

    model_config = ConfigDict(frozen=True)

    items: list[JobAnswer]

"""The door of what works on the memory (contract memory-api): compact at once, the rest as jobs to be asked about."""

from typing import Annotated

from pydantic import Field

from appliance.jobs.models import DeadLetters, JobAnswer, JobList, Status
from appliance.memory.models import Request as Named
from appliance.memory.work_models import (
    CleanupRequest,
    CompactAnswer,
    CompactRequest,
    QueuedAnswer,
    ReflectAnswer,
    ReflectRequest,
    TrainRequest,
)
from appliance.principal import Role
from appliance.web.endpoint import Request, endpoint

Limit = Annotated[int, Field(ge=1, le=200)]


class JobQuery(Named):
    """Who asks for a job; `explain`, ours, asks where its result comes from."""

    explain: bool = False


class DeadLettersQuery(Named):
    """Who asks for how many dead letters."""

    limit: Limit = 50


class JobsQuery(Named):
    """Who asks for how many jobs, of which status."""

    status: Status | None = None
    limit: Limit = 50


@endpoint(
    "POST",
    "/v0/memory/compact",
    role=Role.WRITER,
    body=CompactRequest,
    answer=CompactAnswer,
    summary="Sum up what a query finds, and keep the summary with links to its sources.",
)
def compact(request: Request) -> CompactAnswer:
    """Sum up."""
    return request.box.memory.compact(request.principal, request.body)


@endpoint(
    "POST",
    "/v0/memory/reflect",
    role=Role.WRITER,
    body=ReflectRequest,
    answer=ReflectAnswer,
    summary="Queue a job that looks through the last hours for facts.",
)
def reflect(request: Request) -> ReflectAnswer:
    """Queue a reflection."""
    return request.box.work.reflect(request.principal, request.body)


@endpoint(
    "POST",
    "/v0/memory/train",
    role=Role.ADMIN,
    body=TrainRequest,
    answer=QueuedAnswer,
    summary="Queue a job that fits a model of the tenant anew.",
)
def train(request: Request) -> QueuedAnswer:
    """Queue a training."""
    return request.box.work.train(request.principal, request.body)


@endpoint(
    "POST",
    "/v0/memory/cleanup",
    role=Role.ADMIN,
    body=CleanupRequest,
    answer=QueuedAnswer,
    summary="Queue a job that deletes the tenant's expired items for good.",
)
def cleanup(request: Request) -> QueuedAnswer:
    """Queue a cleanup."""
    return request.box.work.cleanup(request.principal, request.body)


@endpoint(
    "GET",
    "/v0/jobs/dead_letters",
    role=Role.ADMIN,
    query=DeadLettersQuery,
    answer=DeadLetters,
    summary="The tenant's jobs that failed for good, newest first.",
)
def dead_letters(request: Request) -> DeadLetters:
    """Dead letters."""
    asked = request.query
    return request.box.jobs.dead_letters(request.principal, asked.tenant_id, asked.agent_id, asked.limit)


@endpoint(
    "GET",
    "/v0/jobs/<job_id>",
    role=Role.READER,
    query=JobQuery,
    answer=JobAnswer,
    errors=(404,),
    summary="How far a job is, and its result.",
)
def job(request: Request) -> JobAnswer:
    """One job."""
    asked, job_id = request.query, request.params["job_id"]
    return request.box.jobs.job(request.principal, job_id, asked.tenant_id, asked.agent_id, asked.explain)


@endpoint(
    "GET",
    "/v1/jobs",
    role=Role.READER,
    query=JobsQuery,
    answer=JobList,
    summary="The newest jobs: an agent's own, to an admin all of the tenant.",
)
def jobs(request: Request) -> JobList:
    """The newest jobs."""
    asked = request.query
    return request.box.jobs.list(request.principal, asked.tenant_id, asked.agent_id, asked.status, asked.limit)


@endpoint(
    "POST",
    "/v1/jobs/<job_id>/retry",
    role=Role.ADMIN,
    body=Named,
    answer=JobAnswer,
    errors=(404, 409),
    summary="Queue a dead letter again.",
)
def retry(request: Request) -> JobAnswer:
    """Queue a dead letter again."""
    named, job_id = request.body, request.params["job_id"]
    return request.box.jobs.retry(request.principal, job_id, named.tenant_id, named.agent_id)

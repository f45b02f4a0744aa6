"""The box itself over the web: how it is, what runs when, its copies (`membox status | doctor | daemon | backup`)."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from appliance.clock import iso, to_ms
from appliance.daemon import health, schedule
from appliance.principal import Role
from appliance.web.endpoint import LOCAL, SOCKET, Reach, Request, endpoint

Severity = Literal["ok", "warn", "error"]


class FindingRow(BaseModel):
    """What a check found; a remedy unless it is well."""

    check: str
    severity: Severity
    sentence: str
    remedy: str


class JobRow(BaseModel):
    """A job: `outcome` is of the last run: ok, failed, running, or empty when it never ran; `asked`: to run now."""

    name: str
    schedule: str
    timezone: str
    enabled: bool
    last_run: str | None
    ended_at: str | None
    outcome: Literal["", "ok", "failed", "running"]
    detail: str
    last_success: str | None
    next_run: str | None
    asked: bool


class RunRequest(BaseModel):
    """Which job."""

    job: Annotated[str, Field(min_length=1, max_length=64)]


class Asked(BaseModel):
    """The job that runs now; the schedule tells what came of it."""

    job: str


class Schedule(BaseModel):
    """Everything that runs on its own."""

    jobs: list[JobRow]


class StatusQuery(BaseModel):
    """`deep`: with the full integrity check and a look at the mirror's disk; this can take a while.

    `machine`: with what the daemon sees of the machine; false for root, who sees more.
    """

    deep: bool = False
    machine: bool = True


class Status(BaseModel):
    """The box in one look: `state` the worst severity, `findings` what needs a person, `checks` all that was seen."""

    service: str
    version: str
    home: str
    now: str
    timezone: str
    state: Severity
    store_backend: str
    auth_mode: str
    database_bytes: int
    disk_free_bytes: int
    disk_total_bytes: int
    documents: int
    mirror_path: str | None
    unused_environment: list[str]
    jobs: list[JobRow]
    findings: list[FindingRow]
    checks: list[FindingRow]


class GenerationRow(BaseModel):
    """One finished copy in the mirror."""

    generation: str
    created_at: str
    bytes: int
    files: int
    membox: str
    schema_version: str
    items: int
    documents: int
    versions: int


class Backups(BaseModel):
    """Where the mirror is, null for none, and its copies, newest first; where snapshots go, and when the last did."""

    mirror: str | None
    generations: list[GenerationRow]
    snapshot_repository: str | None
    last_snapshot_at: str | None


class MirrorRequest(BaseModel):
    """`new_target`: the mirror's disk was changed or emptied on purpose."""

    new_target: bool = False


class Mirrored(BaseModel):
    """The outcome: `changed` is false when the newest copy already said the same, and was verified again."""

    mirror: str
    generation: str
    changed: bool
    files: int
    bytes: int
    removed: list[str]


class Copy(BaseModel):
    """Where a verified copy lies, on this machine."""

    path: str


class VerifyRequest(BaseModel):
    """Which copy; every one without a name."""

    generation: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class ReportRow(BaseModel):
    """What verifying one copy found; `faults` is empty when it is good."""

    generation: str
    path: str
    ok: bool
    created_at: str
    membox: str
    files: int
    bytes: int
    counts: dict[str, int]
    faults: list[str]


class Reports(BaseModel):
    """The reports, newest copy first; `ok` when every one is good."""

    ok: bool
    generations: list[ReportRow]


@endpoint(
    "GET", "/v1/status", role=Role.READER, query=StatusQuery, answer=Status, summary="How the box is, and what to do."
)
def status(request: Request) -> Status:
    """How the box is."""
    return Status.model_validate(health.status(request.box, request.query.deep, request.query.machine))


@endpoint("GET", "/v1/schedule", role=Role.ADMIN, answer=Schedule, summary="Every job, its last and its next run.")
def jobs(request: Request) -> Schedule:
    """Every job."""
    return Schedule.model_validate({"jobs": schedule.overview(request.box)})


@endpoint(
    "POST",
    "/v1/schedule/run",
    role=Role.ADMIN,
    body=RunRequest,
    answer=Asked,
    status=202,
    errors=(404,),
    summary="Run a job now; the schedule tells how it went.",
)
def run(request: Request) -> Asked:
    """Have a job run now."""
    schedule.ask_for(request.box, request.body.job)
    return Asked(job=request.body.job)


@endpoint("GET", "/v1/backups", role=Role.ADMIN, answer=Backups, summary="The mirror's copies, newest first.")
def backups(request: Request) -> Backups:
    """The mirror's copies."""
    backup = request.box.backup
    path = backup.mirror_path
    rows = [generation.as_dict() for generation in backup.generations()]
    last = backup.state.snapshot
    return Backups.model_validate(
        {
            "mirror": str(path) if path else None,
            "generations": rows,
            "snapshot_repository": backup.settings.snapshot_repository or None,
            "last_snapshot_at": iso(to_ms(last.at)) if last else None,
        }
    )


@endpoint(
    "POST",
    "/v1/backups",
    role=Role.ADMIN,
    body=MirrorRequest,
    answer=Mirrored,
    errors=(409,),
    summary="Bring the mirror up to date now.",
)
def mirror(request: Request) -> Mirrored:
    """Bring the mirror up to date, recorded like any run of it."""
    made = schedule.mirror_now(request.box, request.body.new_target)
    return Mirrored.model_validate(made.as_dict())


@endpoint(
    "POST",
    "/v1/backups/copy",
    role=Role.ADMIN,
    reach=Reach.OWNER,
    doors=frozenset({SOCKET, LOCAL}),
    answer=Copy,
    summary="A fresh, verified copy of the box for a snapshot taken beside the daemon.",
)
def copy(request: Request) -> Copy:
    """A copy for a snapshot."""
    return Copy(path=str(schedule.copy_for_snapshot(request.box)))


@endpoint(
    "POST",
    "/v1/backups/verify",
    role=Role.ADMIN,
    body=VerifyRequest,
    answer=Reports,
    errors=(404, 409),
    summary="Check the mirror's copies: every file, and the database against itself.",
)
def verify(request: Request) -> Reports:
    """Check the mirror's copies."""
    reports = request.box.backup.verify(request.body.generation)
    rows = [report.as_dict() for report in reports]
    return Reports.model_validate({"ok": all(report.ok for report in reports), "generations": rows})

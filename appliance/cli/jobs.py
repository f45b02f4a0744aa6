"""`membox worker` and `membox jobs list | show | dead-letters | retry`: durable jobs (contract memory-api, Jobs)."""

import json
import re
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, counted, emit, examples, fields, json_option, quote, table, when
from appliance.client.box_client import path_part
from appliance.errors import NotFoundError, UnavailableError

_ID = re.compile(r"\w+")
_agent_option = click.option("--agent", help="Speak for this agent; the default is the key's own.")
_limit_option = click.option(
    "-n", "--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="At most so many, the newest."
)


def _job_id(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if not _ID.fullmatch(value):
        raise NotFoundError("job_not_found", f"{value!r} is no id of a job; `membox jobs list` shows them.")
    return value


@click.command(epilog=examples("membox worker", "membox worker --once"))
@click.option("--once", is_flag=True, help="End when no job is due.")
@pass_caller
def worker(caller: Caller, once: bool) -> None:
    """Work on queued jobs: reflect, train, cleanup.

    The daemon does so itself unless jobs.worker_enabled is off. On PostgreSQL any number of workers may run, on this
    machine or another; on SQLite one, and while no daemon runs. Until Ctrl-C, or with --once until nothing is due.
    """
    from appliance.daemon import working

    caller.require_home()
    try:
        count = working.work(caller.home, once)
    except UnavailableError as error:
        if error.word != "daemon_works":
            raise
        click.echo(error.sentence)
        return
    if once:
        click.echo(f"Worked on {counted(count, 'job')}.")


@click.group(epilog=examples("membox jobs list", "membox jobs show job_0193…", "membox jobs dead-letters"))
def jobs() -> None:
    """Look after queued jobs, and those that failed for good."""


@jobs.command("list", epilog=examples("membox jobs list", "membox jobs list --status failed --json"))
@click.option(
    "--status", type=click.Choice(["queued", "running", "completed", "failed"]), help="Only those that are so far."
)
@_limit_option
@_agent_option
@json_option
@pass_caller
def list_jobs(caller: Caller, status: str | None, limit: int, agent: str | None, as_json: bool) -> None:
    """List the newest jobs: your own, to an admin all of the tenant."""
    with caller.box() as box:
        answer = box.get("/v1/jobs", **box.speaker(agent), status=status, limit=limit)
    emit(answer, as_json, lambda: _print_jobs(answer["items"], "No job was queued yet."))


@jobs.command("dead-letters", epilog=examples("membox jobs dead-letters", "membox jobs dead-letters --json"))
@_limit_option
@_agent_option
@json_option
@pass_caller
def dead_letters(caller: Caller, limit: int, agent: str | None, as_json: bool) -> None:
    """List the jobs that failed for good."""
    with caller.box() as box:
        answer = box.get("/v0/jobs/dead_letters", **box.speaker(agent), limit=limit)
    emit(answer, as_json, lambda: _print_jobs(answer["items"], "No job failed for good."))


def _print_jobs(rows: list[dict[str, Any]], none: str) -> None:
    head = ("ID", "KIND", "STATUS", "QUEUED", "ATTEMPTS", "ERROR")
    lines = [
        (
            row["job_id"],
            row["kind"],
            row["status"],
            when(row["created_at"]),
            f"{row['attempts']} of {row['max_attempts']}",
            row["error"] or "",
        )
        for row in rows
    ]
    table(head, lines, none)


@jobs.command(epilog=examples("membox jobs show job_0193…", "membox jobs show job_0193… --json"))
@click.argument("job_id", metavar="ID", callback=_job_id)
@_agent_option
@json_option
@pass_caller
def show(caller: Caller, job_id: str, agent: str | None, as_json: bool) -> None:
    """Show how far a job is, and its result."""
    with caller.box() as box:
        answer = box.get(f"/v0/jobs/{path_part(job_id)}", **box.speaker(agent), explain="true")
    emit(answer, as_json, lambda: _print_job(answer))


@jobs.command(epilog=examples("membox jobs retry job_0193…"))
@click.argument("job_id", metavar="ID", callback=_job_id)
@_agent_option
@json_option
@pass_caller
def retry(caller: Caller, job_id: str, agent: str | None, as_json: bool) -> None:
    """Queue a job again that failed for good."""
    with caller.box() as box:
        answer = box.post(f"/v1/jobs/{path_part(job_id)}/retry", box.speaker(agent))
    emit(answer, as_json, lambda: click.echo(f"Queued again: {answer['job_id']} ({answer['kind']})."))


def _print_job(job: dict[str, Any]) -> None:
    click.echo(bold(job["job_id"]))
    times = {name: when(job[name]) if job[name] else None for name in ("created_at", "started_at", "finished_at")}
    attempts = f"{job['attempts']} of {job['max_attempts']}"
    fields(
        [
            ("kind", job["kind"]),
            ("status", job["status"]),
            *times.items(),
            ("attempts", attempts),
            ("error", job["error"]),
        ]
    )
    for name, value in (job["result"] or {}).items():
        if name == "candidate_facts":
            for fact in value:
                click.echo(quote(fact))
        elif name != "sources":
            fields([(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))])

"""`membox daemon start | stop | status | schedule | run | install | uninstall | web | logs`: the box's service."""

import sys
import time
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.init import write_settings
from appliance.cli.output import emit, examples, fields, json_option, shown, table, waiting, when
from appliance.client.box_client import BoxClient
from appliance.clock import iso
from appliance.daemon import lifecycle
from appliance.durable import write_atomically
from appliance.errors import UnavailableError
from appliance.home import log_path, user_config
from appliance.lease import Holder

_FOLLOW_SECONDS = 0.3
_POLL_SECONDS = 0.5


@click.group(epilog=examples("membox daemon start --detach", "membox daemon status", "membox daemon logs -f"))
def daemon() -> None:
    """Start, stop and watch the box's service."""


@daemon.command(
    epilog=examples("membox daemon start", "membox daemon start --detach", "membox daemon start --port 9000")
)
@click.option("--host", help="Listen here instead of daemon.web_ui_host; beyond 127.0.0.1 others can reach it.")
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of daemon.web_ui_port; 0 takes a free one.")
@click.option("--detach", is_flag=True, help="In the background; return when it serves.")
@pass_caller
def start(caller: Caller, host: str | None, port: int | None, detach: bool) -> None:
    """Serve the box: web page, capture, REST, schedule.

    In the foreground until Ctrl-C, as a service manager wants it; with --detach in the background. Sets the box up
    first where there is none.
    """
    write_settings(caller.home)
    if detach:
        holder = lifecycle.start_detached(caller.home, host, port)
        click.echo(f"membox serves {holder.url}, as process {holder.pid}; `membox daemon stop` ends it.")
        return
    from appliance.cli.serving import make_listeners

    lifecycle.start(caller.home, make_listeners, host, port)


@daemon.command(epilog=examples("membox daemon stop"))
@pass_caller
def stop(caller: Caller) -> None:
    """Stop the daemon, once it has finished what it accepted."""
    stopped = lifecycle.stop(caller.home)
    click.echo("The daemon has stopped." if stopped else f"No daemon runs on {caller.home}.")


@daemon.command(epilog=examples("membox daemon status", "membox daemon status --json"))
@json_option
@pass_caller
def status(caller: Caller, as_json: bool) -> None:
    """Show whether the daemon runs, and its jobs.

    Exit code 1 when it does not run.
    """
    holder = lifecycle.status(caller.home)
    if holder is None:
        emit(
            {"running": False}, as_json, lambda: click.echo(f"No daemon runs on {caller.home}; `membox daemon start`.")
        )
        click.get_current_context().exit(1)
    jobs = _jobs(caller) if holder.ready else []
    answer = {"running": True, **asdict(holder), "since": iso(_since(holder)), "jobs": jobs}

    def plain() -> None:
        _print_holder(holder)
        click.echo()
        _print_jobs(jobs)

    emit(answer, as_json, plain)


def _print_holder(holder: Holder) -> None:
    state = "serving" if holder.ready else "starting or stopping"
    since = when(_since(holder))
    fields([("state", state), ("address", holder.url), ("process", holder.pid), ("since", since)])


def _since(holder: Holder) -> int:
    """Since when it runs, in epoch milliseconds."""
    return int(holder.since * 1000)


@daemon.command(epilog=examples("membox daemon schedule", "membox daemon schedule --json"))
@json_option
@pass_caller
def schedule(caller: Caller, as_json: bool) -> None:
    """List the jobs, with their last and next runs."""
    jobs = _jobs(caller)
    emit({"jobs": jobs}, as_json, lambda: _print_jobs(jobs))


@daemon.command(epilog=examples("membox daemon run mirror", "membox daemon run cleanup --no-wait"))
@click.argument("job")
@click.option("--no-wait", is_flag=True, help="Return when the daemon has taken it on.")
@json_option
@pass_caller
def run(caller: Caller, job: str, no_wait: bool, as_json: bool) -> None:
    """Run a JOB of the schedule now, also one that is switched off.

    The daemon runs it; where none runs, this command does. Exit code 1 when it fails.
    """
    if caller.url or caller.is_served():
        with caller.box() as box:
            row = _run_there(box, job, no_wait)
    else:
        from appliance.daemon.schedule import run_alone

        caller.require_home()
        row = {"name": job, "outcome": "ok", "detail": run_alone(caller.home, job)}
    has_failed = row["outcome"] == "failed"
    emit(row, as_json, lambda: click.echo(shown(row["detail"]), err=has_failed))
    click.get_current_context().exit(int(has_failed))


def _run_there(box: BoxClient, job: str, no_wait: bool) -> dict[str, Any]:
    before = _row(box, job).get("last_run")
    box.post("/v1/schedule/run", {"job": job})
    if no_wait:
        said = f"The daemon runs {job}; `membox daemon schedule` tells how it went."
        return {"name": job, "outcome": "running", "detail": said}
    with waiting(f"{job} runs"):
        while True:
            row = _row(box, job)
            if not row["asked"] and row["last_run"] != before and row["outcome"] != "running":
                return row
            time.sleep(_POLL_SECONDS)


def _row(box: BoxClient, job: str) -> dict[str, Any]:
    """The job in the schedule; empty when there is none of that name."""
    return next((row for row in box.get("/v1/schedule")["jobs"] if row["name"] == job), {})


def _jobs(caller: Caller) -> list[dict[str, Any]]:
    with caller.box() as box:
        return list(box.get("/v1/schedule")["jobs"])


def _print_jobs(jobs: list[dict[str, Any]]) -> None:
    rows = [
        (
            job["name"],
            job["schedule"],
            when(job["last_run"]),
            job["outcome"],
            when(job["next_run"]) if job["enabled"] else "switched off",
            job["detail"],
        )
        for job in jobs
    ]
    table(("JOB", "SCHEDULE", "LAST RUN", "OUTCOME", "NEXT RUN", "SAID"), rows, "No job is set up.")


@daemon.command(epilog=examples("membox daemon install", "membox --home ~/box daemon install"))
@pass_caller
def install(caller: Caller) -> None:
    """Run the daemon as your own service, from the machine's start on.

    A user service of systemd, also while you are not logged in; on macOS a launchd agent, from your login on. Run it
    again after an update. `sudo` is not needed and not wanted; a whole machine becomes a box by `membox provision`.
    """
    from appliance.daemon import user_service

    write_settings(caller.home)
    click.echo(user_service.install(caller.home))


@daemon.command(epilog=examples("membox daemon uninstall"))
@pass_caller
def uninstall(_caller: Caller) -> None:
    """Remove the service that `install` made.

    It is stopped first. What the box knows stays where it is.
    """
    from appliance.daemon import user_service

    click.echo(user_service.uninstall())


@daemon.command(epilog=examples("membox daemon web"))
@pass_caller
def web(caller: Caller) -> None:
    """Open the box's page in a browser, signed in.

    The link goes to the browser in a file that only you can read: a process's arguments are anybody's to see.
    """
    with caller.box() as box:
        link = str(box.post("/v1/login-link")["url"])
        if not box.is_served:
            raise UnavailableError("no_daemon", "No daemon runs to serve the page; `membox daemon start --detach`.")
    page = user_config() / "sign-in.html"
    page.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(page, _redirect(link).encode(), 0o600)
    if click.launch(page.as_uri()) != 0:
        click.echo(f"No browser could be opened here. Open this link; it is good once: {link}", err=True)


def _redirect(link: str) -> str:
    return f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(link)}"><title>membox</title>'


@daemon.command(epilog=examples("membox daemon logs -n 50", "membox daemon logs -f"))
@click.option(
    "-n", "--lines", "count", type=click.IntRange(0), default=100, show_default=True, help="The last so many."
)
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes; Ctrl-C ends it.")
@pass_caller
def logs(caller: Caller, count: int, follow: bool) -> None:
    """Print what a detached daemon said. A daemon in the foreground or under systemd says it there."""
    file = log_path(caller.home)
    offset = file.stat().st_size if file.exists() else 0
    said = lifecycle.logs(caller.home, count)
    if not said and not follow:
        click.echo(f"Nothing is logged in {file}; under systemd, `journalctl -u membox` has it.", err=True)
    for line in said:
        click.echo(shown(line))
    if follow:
        _follow(file, offset)


def _follow(file: Path, offset: int) -> None:
    """Print what is added to `file` after `offset`, from the start again when it was set aside for a new one."""
    while True:
        size = file.stat().st_size if file.exists() else 0
        offset = 0 if size < offset else offset
        if size > offset:
            with file.open("rb") as source:
                source.seek(offset)
                added = source.read()
            offset += len(added)
            click.echo(shown(added.decode("utf-8", "replace")), nl=False)
            sys.stdout.flush()
        time.sleep(_FOLLOW_SECONDS)

"""`membox backup now | list | restore | verify`: copies of the box (appliance/backup); the rest is in snapshots.py."""

import json
from pathlib import Path
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import counted, emit, examples, json_option, shown, size, table, when
from appliance.cli.snapshots import (
    drill,
    progress,
    recovery_key,
    restore_source,
    snapshot,
    snapshots_of,
)
from appliance.client.box_client import LONG_WORK_SECONDS, BoxClient
from appliance.errors import ForbiddenError, MemboxError
from appliance.home import expanded


@click.group(epilog=examples("membox backup now", "membox backup snapshot", "membox backup list"))
def backup() -> None:
    """Mirror the box, take snapshots, verify copies, restore from one.

    The mirror is a plain copy in daemon.backup_mirror_path, which the daemon renews by daemon.backup_mirror_schedule.
    Snapshots are encrypted, and made by restic in backups.snapshot_repository.
    """


for command in (snapshot, drill, recovery_key):
    backup.add_command(command)


@backup.command(epilog=examples("membox backup now", "membox backup now --new-target"))
@click.option("--new-target", is_flag=True, help="The mirror's disk was changed or emptied on purpose.")
@json_option
@pass_caller
def now(caller: Caller, new_target: bool, as_json: bool) -> None:
    """Bring the mirror up to date now; the copy is verified."""
    with caller.box() as box:
        answer = box.post("/v1/backups", {"new_target": new_target}, LONG_WORK_SECONDS)

    def plain() -> None:
        if answer["changed"]:
            what = f"{counted(answer['files'], 'file')}, {size(answer['bytes'])}"
            click.echo(f"Copied and verified: {answer['generation']} ({what}) in {shown(answer['mirror'])}.")
        else:
            click.echo(f"Nothing changed since {answer['generation']}; it was verified again.")

    emit(answer, as_json, plain)


@backup.command("list", epilog=examples("membox backup list", "membox backup list --json"))
@json_option
@pass_caller
def list_generations(caller: Caller, as_json: bool) -> None:
    """List the mirror's copies and the snapshots, newest first."""
    with caller.box() as box:
        answer = box.get("/v1/backups")
    if answer["snapshot_repository"] and not caller.url:
        answer |= _snapshots(caller)
    emit(answer, as_json, lambda: _print_copies(answer))


def _snapshots(caller: Caller) -> dict[str, Any]:
    """The snapshots, or why they cannot be listed: the mirror's copies are worth listing without them."""
    try:
        return {"snapshots": snapshots_of(caller)}
    except MemboxError as fault:
        return {"snapshots": [], "snapshots_error": fault.sentence}


def _print_copies(answer: dict[str, Any]) -> None:
    rows = [
        (row["generation"], when(row["created_at"]), row["files"], size(row["bytes"]), row["membox"])
        for row in answer["generations"]
    ]
    head = ("GENERATION", "MADE", "FILES", "SIZE", "MEMBOX")
    if answer["mirror"] is None:
        none = "No mirror is set; name a directory on another disk: `membox config set daemon.backup_mirror_path PATH`."
    else:
        none = f"There is no copy in {answer['mirror']}: is that disk mounted? Then `membox backup now` makes one."
    table(head, rows, none)
    if "snapshots" in answer:
        taken = [
            (row["id"], when(row["taken_at"]), row["host"], "" if row["bytes"] is None else size(row["bytes"]))
            for row in answer["snapshots"]
        ]
        empty = answer.get("snapshots_error") or "No snapshot yet; `membox backup snapshot` takes one."
        click.echo()
        table(("SNAPSHOT", "TAKEN", "HOST", "SIZE"), taken, empty)


def holding_copies(box: BoxClient) -> str:
    """What to say of copies after something was forgotten; "" when there are none, or the caller may not know."""
    try:
        found = box.get("/v1/backups")
    except ForbiddenError:
        return ""
    made, told = found["generations"], []
    if made:
        what = "The copy" if len(made) == 1 else f"{len(made)} copies"
        since, until = when(made[-1]["created_at"]), when(made[0]["created_at"])
        told.append(
            f"{what} in {found['mirror']} (from {since} to {until}) may still hold it, until they age out "
            "(backups.keep_days)."
        )
    if found.get("last_snapshot_at"):
        told.append(f"So may the snapshots in {found['snapshot_repository']} (backups.snapshot_keep_monthly).")
    return " ".join(told)


@backup.command(
    epilog=examples(
        "membox --home ~/restored backup restore /media/usb/membox",
        "membox backup restore /media/usb/membox --replace",
        "membox backup restore /media/usb/membox/generations/20261120T090000Z --to /tmp/look",
        "membox backup restore --snapshot latest --repository sftp:me@nas:/backup/box --to ~/restored",
    )
)
@click.argument("source", metavar="[FROM]", required=False, type=click.Path(path_type=Path))
@click.option("--snapshot", "snapshot_id", metavar="ID", help="Restore this snapshot, or the `latest`, instead.")
@click.option("--repository", help="Where the snapshots are. [default: backups.snapshot_repository]")
@click.option(
    "--home",
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    help="Restore here instead of the box's home.",
)
@click.option("--replace", is_flag=True, help="Where there is a box already, move it aside first; it is not deleted.")
@json_option
@pass_caller
def restore(
    caller: Caller,
    source: Path | None,
    snapshot_id: str | None,
    repository: str | None,
    home: Path | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Make the home an identical box from a copy.

    FROM is a mirror (its newest good copy is taken) or one generation in it. With --snapshot it is fetched from its
    repository; the recovery key is asked for, or read from standard input.
    """
    if (source is None) == (snapshot_id is None):
        raise click.UsageError("Name what to restore: FROM, or --snapshot with an id or `latest`.")
    target = expanded(home).absolute() if home else caller.home
    if source is not None:
        from appliance.backup.restore import restore as restore_home

        answer = restore_home(expanded(source), target, replace).as_dict()
    else:
        from appliance.backup.fetching import restore_snapshot

        restic = restore_source(caller, repository)
        with progress("Fetching") as tell:
            answer = restore_snapshot(restic, str(snapshot_id), target, tell, replace).as_dict()
    emit(answer, as_json, lambda: _print_restored(answer))


def _print_restored(answer: dict[str, Any]) -> None:
    for passed_over in answer["skipped"]:
        click.echo(f"{click.style('Passed over, damaged:', fg='yellow')} {shown(passed_over)}")
    click.echo(f"Restored to {shown(answer['home'])}: the box as it was at {when(answer['created_at'])}.")
    if answer["moved_to"]:
        click.echo(f"The box that was there is in {shown(answer['moved_to'])}.")
    click.echo(str(answer["secrets"]))


@backup.command(
    epilog=examples(
        "membox backup verify",
        "membox backup verify /media/usb/membox",
        "membox backup verify --output-json report.json",
    )
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--output-json", type=click.Path(path_type=Path, dir_okay=False), help="Write the report there too.")
@json_option
@pass_caller
def verify(caller: Caller, path: Path | None, output_json: Path | None, as_json: bool) -> None:
    """Check that copies are whole.

    Every file is held against its manifest, the database against itself. PATH is a mirror or one generation, wherever
    it is; without it, the box's own mirror is checked. Exit code 1 when
    a copy is damaged.
    """
    reports = _verify_here(path) if path else _verify_mirror(caller)
    answer = {"ok": all(report["ok"] for report in reports), "generations": reports}
    if output_json:
        output_json.write_text(json.dumps(answer, ensure_ascii=False, indent=2) + "\n", "utf-8")
    emit(answer, as_json, lambda: _print_reports(reports))
    if not answer["ok"]:
        click.get_current_context().exit(1)


def _verify_here(path: Path) -> list[dict[str, Any]]:
    from appliance.backup.verify import verify as verify_copies

    return [report.as_dict() for report in verify_copies(expanded(path).absolute())]


def _verify_mirror(caller: Caller) -> list[dict[str, Any]]:
    with caller.box() as box:
        return list(box.post("/v1/backups/verify", seconds=LONG_WORK_SECONDS)["generations"])


def _print_reports(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        state = click.style("good", fg="green") if report["ok"] else click.style("damaged", fg="red")
        click.echo(
            f"{state}  {shown(report['generation'])}  {counted(report['files'], 'file')}, {size(report['bytes'])}"
        )
        for fault in report["faults"]:
            click.echo(f"      {shown(fault)}")
    if not reports:
        click.echo("No copy yet; `membox backup now` makes one.")

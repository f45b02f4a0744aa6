"""`membox backup now | list | restore | verify`: copies of the box (appliance/backup)."""

import json
from pathlib import Path
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import counted, emit, examples, json_option, shown, size, table, when
from appliance.client.box_client import LONG_WORK_SECONDS, BoxClient
from appliance.errors import ForbiddenError
from appliance.home import expanded


@click.group(epilog=examples("membox backup now", "membox backup list", "membox backup verify"))
def backup() -> None:
    """Mirror the box, verify copies, restore from one.

    The mirror's place is the setting daemon.backup_mirror_path; the daemon renews it by daemon.backup_mirror_schedule.
    """


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
    """List the mirror's copies, newest first."""
    with caller.box() as box:
        answer = box.get("/v1/backups")
    rows = [
        (row["generation"], when(row["created_at"]), row["files"], size(row["bytes"]), row["membox"])
        for row in answer["generations"]
    ]
    head = ("GENERATION", "MADE", "FILES", "SIZE", "MEMBOX")
    if answer["mirror"] is None:
        none = "No mirror is set; name a directory on another disk: `membox config set daemon.backup_mirror_path PATH`."
    else:
        none = f"There is no copy in {answer['mirror']}: is that disk mounted? Then `membox backup now` makes one."
    emit(answer, as_json, lambda: table(head, rows, none))


def holding_copies(box: BoxClient) -> str:
    """What to say of copies after something was forgotten; "" when there are none, or the caller may not know."""
    try:
        found = box.get("/v1/backups")
    except ForbiddenError:
        return ""
    made = found["generations"]
    if not made:
        return ""
    what = "The copy" if len(made) == 1 else f"{len(made)} copies"
    since, until = when(made[-1]["created_at"]), when(made[0]["created_at"])
    return (
        f"{what} in {found['mirror']} (from {since} to {until}) may still hold it, until they age out "
        "(backups.keep_days)."
    )


@backup.command(
    epilog=examples(
        "membox --home ~/restored backup restore /media/usb/membox",
        "membox backup restore /media/usb/membox --replace",
        "membox backup restore /media/usb/membox/generations/20261120T090000Z --home /tmp/look",
    )
)
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path))
@click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), help="Restore here instead of the box's home."
)
@click.option("--replace", is_flag=True, help="Where there is a box already, move it aside first; it is not deleted.")
@json_option
@pass_caller
def restore(caller: Caller, source: Path, home: Path | None, replace: bool, as_json: bool) -> None:
    """Make the home an identical box from a copy.

    FROM is a mirror (its newest good copy is taken) or one generation in it.
    """
    from appliance.backup.restore import restore as restore_home

    restored = restore_home(expanded(source), expanded(home).absolute() if home else caller.home, replace)
    answer = restored.as_dict()
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

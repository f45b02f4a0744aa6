"""`membox backup snapshot | drill | recovery-key`: encrypted snapshots off the box (appliance/backup/snapshots.py).

They work in this process, beside a running daemon, which only hands out a verified copy and the key.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, emit, examples, json_option, shown, size, when
from appliance.client.box_client import LONG_WORK_SECONDS, BoxClient
from appliance.errors import ConflictError, InvalidError, NotConfiguredError, NotFoundError

if TYPE_CHECKING:
    from appliance.backup.restic import Progress, Restic
    from appliance.config import Config

_MOST_INPUT = 4096  # characters


@click.command(epilog=examples("membox backup snapshot", "membox backup snapshot --new-repository"))
@click.option("--new-repository", is_flag=True, help="The repository was changed or emptied on purpose.")
@json_option
@pass_caller
def snapshot(caller: Caller, new_repository: bool, as_json: bool) -> None:
    """Store an encrypted snapshot off the box.

    It goes to backups.snapshot_repository, and is of the mirror, brought up to date, or of a copy made for it. The
    first one makes the repository.
    """
    from appliance.backup.snapshots import Snapshots

    settings = settings_here(caller)
    with caller.box() as box:
        restic = _restic(caller, box, _key(box) or _made_key(caller, box))

    def copied() -> Path:
        with caller.box() as box:
            return Path(box.post("/v1/backups/copy", seconds=LONG_WORK_SECONDS)["path"])

    with progress("Storing") as tell:
        taken = Snapshots(caller.home, settings.backups, restic).take(copied, tell, new_repository)

    def plain() -> None:
        what = f"{taken.files} files, {size(taken.bytes)}, {size(taken.added)} of it new"
        click.echo(f"Snapshot {taken.id} in {shown(taken.repository)}: {what}.")

    emit(taken.model_dump(mode="json"), as_json, plain)


@click.command(epilog=examples("membox backup drill", "membox backup drill --json"))
@json_option
@pass_caller
def drill(caller: Caller, as_json: bool) -> None:
    """Bring the newest snapshot back, as a rehearsal.

    It is restored to a temporary home, opened and asked. Without snapshots, the mirror is drilled. The result stands in
    `membox status`; exit code 1 when it failed.
    """
    from appliance.backup.drill import Drill
    from appliance.backup.snapshots import required
    from appliance.clock import system_clock
    from appliance.daemon.proving import prove

    settings = settings_here(caller)
    drilling = Drill(caller.home, prove, system_clock)
    if settings.backups.snapshot_repository or settings.mirror_path is None:
        required(settings.backups)
        with caller.box() as box:
            restic = _restic(caller, box, _required_key(box), cached=False)
        with progress("Fetching") as tell:
            drilled = drilling.of_snapshots(restic, tell)
    else:
        drilled = drilling.of_mirror(settings.mirror_path)
    answer = drilled.as_dict()
    emit(answer, as_json, lambda: click.echo(f"Restored as on an empty machine: {shown(drilled.sentence)}."))


@click.command("recovery-key", epilog=examples("membox backup recovery-key", "membox backup recovery-key --confirm"))
@click.option("--confirm", is_flag=True, help="Ask for the key, and see whether you still have it.")
@json_option
@pass_caller
def recovery_key(caller: Caller, confirm: bool, as_json: bool) -> None:
    """Show the key that opens the snapshots, once.

    Keep it apart from the box: without it nobody can open them, and with it any machine can. It is proved to open the
    repository before it is shown.
    """
    if confirm:
        _confirm(caller, as_json)
    else:
        _show(caller, as_json)


def _show(caller: Caller, as_json: bool) -> None:
    from appliance.backup import state
    from appliance.backup.snapshots import Snapshots
    from appliance.clock import system_clock

    settings = settings_here(caller)
    before = state.read(caller.home).key_shown_at
    with caller.box() as box:
        key = _key(box)
        if key and before:
            raise ConflictError(
                "recovery_key_shown",
                f"The recovery key was shown on {when(before.isoformat())}, and is shown once: `membox backup "
                "recovery-key --confirm` sees whether you have it. If it is lost, `membox secrets get restic-password` "
                "tells it while this box lives.",
            )
        key = key or _made_key(caller, box)
        restic = _restic(caller, box, key)
    Snapshots(caller.home, settings.backups, restic).prepare()

    def plain() -> None:
        click.echo(bold(key))
        click.echo(
            f"This key opens the snapshots in {shown(restic.repository)}; that was just tried. Write it down and keep "
            "it apart from this box, then run `membox backup recovery-key --confirm`.",
            err=True,
        )

    emit({"key": key, "repository": restic.repository}, as_json, plain)
    state.update(caller.home, key_shown_at=system_clock(), key_confirmed_at=None)


def _confirm(caller: Caller, as_json: bool) -> None:
    from appliance.backup import state
    from appliance.backup.recovery_key import is_same
    from appliance.clock import system_clock

    settings_here(caller)
    with caller.box() as box:
        key = _required_key(box)
    if not is_same(asked("Recovery key"), key):
        raise InvalidError(
            "wrong_recovery_key",
            "This is not the recovery key of this box's snapshots: look again. If it is lost, `membox secrets get "
            "restic-password` tells it while this box lives.",
        )
    now = state.update(caller.home, key_confirmed_at=system_clock()).model_dump(mode="json")
    answer = {"confirmed": True, "key_confirmed_at": now["key_confirmed_at"]}
    emit(answer, as_json, lambda: click.echo("That is it: with this key any machine can restore the snapshots."))


def snapshots_of(caller: Caller) -> list[dict[str, Any]]:
    """The snapshots in the box's repository, newest first; raises what reaching it raises."""
    from appliance.clock import iso, to_ms

    with caller.box() as box:
        restic = _restic(caller, box, _required_key(box))
    return [
        {"id": each.id, "taken_at": iso(to_ms(each.taken_at)), "host": each.host, "bytes": each.bytes}
        for each in restic.snapshots()
    ]


def restore_source(caller: Caller, repository: str | None) -> "Restic":
    """The repository to restore from: the one that is named, or this home's; its key from the keyring or asked for."""
    from appliance.backup.recovery_key import SECRET, SERVER_SECRET, as_made
    from appliance.backup.restic import Restic
    from appliance.backup.snapshots import required
    from appliance.config import load_config
    from appliance.errors import MemboxError
    from appliance.secrets import Secrets

    secrets = Secrets(caller.home)

    def own_or_asked(name: str, question: str) -> str:
        if repository is None:
            try:
                return secrets.get(name)
            except MemboxError:
                pass  # on a box only its services can open the keyring
        return asked(question)

    place = repository or required(load_config(caller.home).backups)
    key = as_made(own_or_asked(SECRET, "Recovery key"))
    with_user = place.startswith("rest:") and "@" in place
    password = own_or_asked(SERVER_SECRET, "Password of the repository's server") if with_user else ""
    return Restic(place, key, password)


def settings_here(caller: Caller) -> "Config":
    """The settings of the home on this machine; NotConfiguredError when the box is elsewhere, or there is none."""
    from appliance.config import load_config

    if caller.url:
        raise NotConfiguredError(
            "not_here", f"Snapshots are taken and drilled on the box itself; run this there, not through {caller.url}."
        )
    caller.require_home()
    return load_config(caller.home)


def asked(question: str) -> str:
    """A secret, typed unseen at a terminal or read from a line of standard input; never an argument."""
    if sys.stdin.isatty():
        typed: str = click.prompt(question, hide_input=True, err=True)
    else:
        typed = sys.stdin.readline(_MOST_INPUT).strip()
    if not typed:
        raise InvalidError("no_recovery_key", f"{question}: nothing came; type it, or pipe it in.")
    return typed


@contextmanager
def progress(what: str) -> "Iterator[Progress]":
    """A line that tells how far it is, on a terminal; nothing in a log."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return

    def tell(done: int, total: int) -> None:
        click.echo(f"\r{what}: {size(done)} of {size(total)}".ljust(40), nl=False, err=True)

    try:
        yield tell
    finally:
        click.echo("\r" + " " * 40 + "\r", nl=False, err=True)


def _restic(caller: Caller, box: BoxClient, key: str, cached: bool = True) -> "Restic":
    from appliance.backup.recovery_key import SERVER_SECRET
    from appliance.backup.snapshots import restic_of

    return restic_of(caller.home, settings_here(caller), key, _secret(box, SERVER_SECRET) or "", cached)


def _made_key(caller: Caller, box: BoxClient) -> str:
    """A new recovery key, kept by the box; refused where there is a repository that another key has made.

    Of two commands that come here at once both get the same one: the other's would be lost, with what it encrypted.
    """
    from appliance.backup.recovery_key import SECRET, new_key

    key = new_key()
    with suppress(NotFoundError):  # else it is refused: another key has made what is there
        _restic(caller, box, key).open()
    box.put(f"/v1/secrets/{SECRET}", {"value": key, "replace": False})
    return _required_key(box)


def _required_key(box: BoxClient) -> str:
    if key := _key(box):
        return key
    raise NotFoundError(
        "no_recovery_key",
        "This box has no recovery key yet: `membox backup recovery-key` makes one; for snapshots made by another box, "
        "put its key in with `membox secrets set restic-password`.",
    )


def _key(box: BoxClient) -> str | None:
    from appliance.backup.recovery_key import SECRET

    return _secret(box, SECRET)


def _secret(box: BoxClient, name: str) -> str | None:
    try:
        return str(box.get(f"/v1/secrets/{name}")["value"])
    except NotFoundError:
        return None

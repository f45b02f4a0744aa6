"""`membox init`: a memory box on this machine."""

from pathlib import Path

import click

from appliance import lease
from appliance.cli.connect import Caller, open_in_process, pass_caller
from appliance.cli.output import bold, emit, examples, json_option
from appliance.home import CONFIG_FILE, NOTEBOOK_DIRECTORY

_CONFIG = """\
# The settings of this memory box. A key that is not here has its default: `membox config show` lists all, and
# `membox config set KEY VALUE` changes one and checks it. Secrets never stand here.

[core]
# Days and times in the notebook are in this zone (default: the machine's).
# timezone = "Europe/Berlin"

[daemon]
# Where the web page is. Another address than 127.0.0.1 lets others on the network reach it, with a key or sign-in.
# web_ui_host = "127.0.0.1"
# web_ui_port = 8080

# A second disk or machine that gets an exact copy every hour ("" = none).
# backup_mirror_path = "/media/usb/membox"

[backups]
# So many days of daily copies stay there.
# keep_days = 30
"""

_NEXT = (
    ('membox note "The spare key is in the blue tin"', "write something down"),
    ('membox recall "spare key"', "find it again"),
    ("membox daemon start", "the web page, the phone, other machines"),
)


@click.command(epilog=examples("membox init", "membox --home ~/second-box init"))
@json_option
@pass_caller
def init(caller: Caller, as_json: bool) -> None:
    """Set up a memory box on this machine.

    Makes the home, its settings, the database and the notebook. Where there is a box already, nothing is changed.
    """
    is_new = write_settings(caller.home)
    if not caller.is_served():
        open_in_process(caller.home, wait=10.0).close()
    answer = {"home": str(caller.home), "created": is_new}
    emit(answer, as_json, lambda: _tell(caller, is_new))


def write_settings(home: Path) -> bool:
    """Make `home` and its commented config.toml; False when that was there already.

    Raises:
        StorageError, StorageFullError: the home cannot be written.
    """
    file = home / CONFIG_FILE
    try:
        lease.make_home(home)
        with file.open("x", encoding="utf-8") as out:
            file.chmod(0o600)
            out.write(_CONFIG)
    except FileExistsError as fault:
        if not file.is_file():
            raise lease.unwritable(home, fault) from fault
        return False
    except OSError as fault:
        raise lease.unwritable(home, fault) from fault
    return True


def _tell(caller: Caller, is_new: bool) -> None:
    home = click.style(str(caller.home), bold=True)
    click.echo(f"Your memory box is ready: {home}" if is_new else f"There is a memory box already, in order: {home}")
    click.echo(f"The notebook, plain Markdown, is in {caller.home / NOTEBOOK_DIRECTORY}.")
    click.echo("\nNext:")
    width = max(len(command) for command, _ in _NEXT)
    for command, purpose in _NEXT:
        click.echo(f"  {bold(command.ljust(width))}  {purpose}")

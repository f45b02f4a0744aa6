"""`membox provision --local` and `membox cloud-init render`: how a machine becomes a box."""

import sys
from pathlib import Path
from typing import TextIO

import click

from appliance.cli.output import examples
from appliance.errors import InvalidError


@click.command(
    epilog=examples(
        "sudo membox provision --local",
        "sudo membox provision --local --check",
        "sudo membox provision --local --answers site.yml --wheel ./membox-0.2.0-py3-none-any.whl",
    )
)
@click.option("--local", is_flag=True, required=True, help="This machine. Others: ansible-playbook playbooks/site.yml.")
@click.option(
    "--answers",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Further variables of the roles, as YAML; wins over /etc/membox/site.yml and site.d/*.yml.",
)
@click.option("--wheel", help="Where membox comes from: a path, a URL or a package spec. [default: the answers']")
@click.option("--newest", is_flag=True, help="Ask a URL or spec again what it gives today, and upgrade to that.")
@click.option("--check", is_flag=True, help="Only tell what would change.")
@click.option(
    "--wipe", is_flag=True, help="Take the answers' secrets out of what cloud-init keeps, as a first boot does."
)
def provision(local: bool, answers: tuple[Path, ...], wheel: str | None, newest: bool, check: bool, wipe: bool) -> int:  # noqa: ARG001 - `local` is there to be said
    """Make this machine a memory box, or bring it up to date.

    Runs the same playbook as a fleet's, with Ansible on this machine. It can be run again at any time.
    """
    from appliance.provision.local import answer_files, provision_here
    from appliance.provision.wipe import secrets_in, strike_out
    from appliance.provision.wipe import wipe as wipe_caches

    files = answer_files(answers)
    code = provision_here(files, wheel, newest, check)
    if wipe and not check:
        wipe_caches(secrets_in(files))
        if code == 0:
            strike_out(files)
    return code


@click.group(
    "cloud-init", epilog=examples("membox cloud-init render", "membox cloud-init render --auth-key-file key.txt")
)
def cloud_init() -> None:
    """Write the file that makes a new cloud server a box."""


@cloud_init.command(
    epilog=examples(
        "membox cloud-init render",
        "membox cloud-init render --hostname notes --owner me@example.com --auth-key-file key.txt --output notes.yaml",
    )
)
@click.option("--auth-key-file", type=click.File("r"), help="Holds the Tailscale key; - reads it from a pipe.")
@click.option("--hostname", help="The box's name on the tailnet.  [default: memory-box]")
@click.option("--owner", "owners", multiple=True, help="A login of yours on the tailnet; it is let in at once.")
@click.option("--timezone", help="An IANA zone such as Europe/Berlin.  [default: this machine's]")
@click.option("--wheel", help="Where membox comes from: a URL or a package spec.  [default: membox]")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("membox-cloud-init.yaml"),
    show_default=True,
    help="Where to write it.",
)
@click.option("--force", is_flag=True, help="Write over an existing file.")
def render(
    auth_key_file: TextIO | None,
    hostname: str | None,
    owners: tuple[str, ...],
    timezone: str | None,
    wheel: str | None,
    output: Path,
    force: bool,
) -> None:
    """Ask for what a new box needs to know, and write the file to paste.

    At a terminal it asks for what no option says; elsewhere the defaults stand.
    """
    from appliance.provision.cloud_init import PLACEHOLDER, write
    from appliance.provision.cloud_init import render as rendered
    from appliance.settings import system_timezone

    asks = sys.stdin.isatty()
    hostname = hostname or _ask("Name of the box on the tailnet", "memory-box", asks)
    timezone = timezone or _ask("Time zone", system_timezone(), asks)
    logins = list(owners) or _ask("Your login on the tailnet (empty: none)", "", asks).split()
    if auth_key_file is not None:
        key = auth_key_file.read().strip()
    elif asks:
        key = click.prompt(
            "Tailscale auth key (empty: sign in by a link)", default="", hide_input=True, show_default=False
        )
    else:
        key = PLACEHOLDER
    _check(hostname, timezone)
    answers: dict[str, object] = {
        "membox_tailscale_hostname": hostname,
        "membox_tailscale_owners": logins,
        "membox_base_timezone": timezone,
        **({"membox_wheel": wheel} if wheel else {}),
    }
    write(output, rendered(answers, key), force)
    click.echo(f"Wrote {output}: paste it as cloud-init (user data) when you order the server.")
    if key == PLACEHOLDER:
        click.echo(f"Its marked line wants your Tailscale auth key in place of {PLACEHOLDER}.")
    elif key:
        click.echo("It holds your Tailscale key: delete it once the box is up.")


def _ask(question: str, default: str, asks: bool) -> str:
    return str(click.prompt(question, default=default, show_default=bool(default))) if asks else default


def _check(hostname: str, timezone: str) -> None:
    from zoneinfo import ZoneInfo

    if not all(part.isalnum() and part.isascii() for part in hostname.split("-")) or len(hostname) > 63:
        raise InvalidError("bad_hostname", "The box's name is made of letters, digits and hyphens, 63 at most.")
    try:
        ZoneInfo(timezone)
    except (ValueError, OSError, KeyError) as error:
        raise InvalidError(
            "bad_timezone", f"There is no time zone {timezone!r}; try one like Europe/Berlin."
        ) from error

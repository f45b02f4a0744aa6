"""`membox config show | set`: the home's settings, worked on directly, so that a wrong one can be put right."""

from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import bold, emit, examples, json_option
from appliance.cli.secrets import box_with_secrets
from appliance.cli.streams import given_secret
from appliance.client.box_client import path_part
from appliance.errors import NotConfiguredError
from appliance.home import CONFIG_FILE
from appliance.secrets import MAX_VALUE_BYTES

_KEPT_AS_SECRETS = ("capture_token", "digest_smtp_password", "api_key")


@click.group(epilog=examples("membox config show", "membox config set daemon.web_ui_port 9000"))
def config() -> None:
    """Show and change settings.

    They stand in config.toml in the home; what is not there has its default.
    """


@config.command(
    epilog=examples("membox config show", "membox config show daemon.web_ui_port", "membox config show --json")
)
@click.argument("key", required=False)
@json_option
@pass_caller
def show(caller: Caller, key: str | None, as_json: bool) -> None:
    """Show every setting in force, or the one called KEY (section.key)."""
    from appliance.config import load_config

    caller.require_home()
    settings = load_config(caller.home).settings()
    if key:
        value = _value(settings, key)
        emit({key: value}, as_json, lambda: click.echo(_toml(value) if not isinstance(value, str) else value))
    else:
        emit(settings, as_json, lambda: _print(settings))


@config.command(
    "set",
    epilog=examples(
        "membox config set core.timezone Europe/Berlin",
        "membox config set daemon.backup_mirror_path /media/usb/membox",
        'membox config set daemon.web_hosts "box.example.ts.net, box"',
        "membox config set llm.anthropic_api_key",
    ),
)
@click.argument("key")
@click.argument("value", required=False)
@json_option
@pass_caller
def set_(caller: Caller, key: str, value: str | None, as_json: bool) -> None:
    """Set KEY (section.key) to VALUE.

    A value that is not possible is refused and changes nothing. A password or API key, such as
    daemon.digest_smtp_password, is kept as a secret instead, and is better asked for than written behind the command.
    """
    from appliance.config_file import set_value
    from appliance.settings import LIVE_KEYS

    name = key.rpartition(".")[2]
    if name.endswith(_KEPT_AS_SECRETS):
        _keep(caller, name.replace("_", "-"), value, as_json)
        return
    if value is None:
        raise click.UsageError(f"Missing the value of {key}.")
    caller.require_home()
    settings = set_value(caller.home, key, value).settings()
    now = _value(settings, key)

    def plain() -> None:
        click.echo(f"{key} = {_toml(now)}, in {caller.home / CONFIG_FILE}.")
        if key not in LIVE_KEYS and caller.is_served():
            click.echo("The daemon is running; it takes the change at its next start (membox daemon stop, then start).")

    emit({key: now}, as_json, plain)


def _keep(caller: Caller, name: str, value: str | None, as_json: bool) -> None:
    """Keep a secret that was to be a setting."""
    if value is not None:
        click.echo("Others on this machine can read a command line; the next time leave the value out.", err=True)
    secret = given_secret(f"The value of {name}", MAX_VALUE_BYTES) if value is None else value
    with box_with_secrets(caller) as box:
        answer = box.put(f"/v1/secrets/{path_part(name)}", {"value": secret})
    emit(answer, as_json, lambda: click.echo(f"Kept as a secret: {bold(name)}."))


def _value(settings: dict[str, dict[str, Any]], key: str) -> Any:
    section, _, name = key.partition(".")
    if name and name in settings.get(section, {}):
        return settings[section][name]
    raise NotConfiguredError("no_such_key", f"There is no setting {key!r}; `membox config show` lists them.")


def _print(settings: dict[str, dict[str, Any]]) -> None:
    for number, (section, values) in enumerate(settings.items()):
        click.echo(("\n" if number else "") + bold(f"[{section}]"))
        for name, value in values.items():
            click.echo(f"{name} = {_toml(value)}")


def _toml(value: Any) -> str:
    """A setting's value as it is written in config.toml."""
    import tomlkit

    return str(tomlkit.item(value).as_string())

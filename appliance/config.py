"""The box's settings: `config.toml` in its home, overridden by the environment (contract notebook, Service and
configuration; contract memory-api, Environment). A wrong one is refused with one sentence, never passed over.
"""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from appliance import cadence
from appliance.errors import NotConfiguredError
from appliance.home import CONFIG_FILE, DATABASE_FILE, expanded


# A password would stand between the user's name and the @: it is a secret (restic-server-password).
_REPOSITORY = re.compile(r"/[^\n]*|sftp:[^\n]+|rest:https?://([^\s/@:]+@)?[^\s/@]+(/[^\s@]*)?")


def system_timezone() -> str:
    """The machine's IANA zone, `UTC` when it does not say."""
    candidates = [os.environ.get("TZ", "").lstrip(":")]
    try:
        candidates.append(os.path.realpath("/etc/localtime").partition("zoneinfo/")[2])
        candidates.append(Path("/etc/timezone").read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        pass  # a machine without these files simply does not say
    return next((name for name in candidates if name and _is_timezone(name)), "UTC")


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ill-formed, a directory, unknown
        return False
    return True


def _timezone(value: str) -> str:
    if not _is_timezone(value):
        raise ValueError("no such zone")
    return value


def _schedule(value: str) -> str:
    cadence.parse(value, "UTC")
    return value


def _mirror_path(value: str) -> str:
    # Unlike Path's, this leaves a ~user whom there is not as it is, which is then not absolute.
    if value and not os.path.isabs(os.path.expanduser(value)):
        raise ValueError("not absolute")
    return value


def _login(value: str) -> str:
    # Of these forms no person has one: what two headers become, and what tagged devices share.
    if not value or re.search(r"[\s,]", value) or value.lower() == "tagged-devices":
        raise ValueError("nobody's login")
    return value


def _repository(value: str) -> str:
    if value and not _REPOSITORY.fullmatch(value):
        raise ValueError("no repository, or with a password in it")
    return value


# A field's description is what is allowed there: it stands in the sentence that refuses a value.
Switch = Annotated[bool, Field(description="true or false")]
Text = Annotated[str, Field(description="text"), StringConstraints(max_length=512)]
Texts = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=512)], ...],
    Field(description='a list of texts: ["…", "…"]'),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128), Field(description="1 to 128 characters")]
Port = Annotated[int, Field(ge=1, le=65535, description="a port from 1 to 65535")]
Host = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9.:_\-]{1,253}$"),
    Field(description="an address or host name of this machine, such as 127.0.0.1"),
]
Schedule = Annotated[str, AfterValidator(_schedule), Field(description=cadence.ALLOWED)]


class Section(BaseModel):
    """One table of config.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Core(Section):
    """What the box is; model and sizes are for the refresh."""

    tenant: Name = "home"
    timezone: Annotated[str, AfterValidator(_timezone), Field(description="an IANA zone such as Europe/Berlin")] = (
        Field(default_factory=system_timezone)
    )
    model: Text = ""
    max_memory_lines: Annotated[int, Field(ge=20, le=100_000, description="20 to 100000 lines")] = 400
    max_tokens: Annotated[int, Field(ge=256, le=200_000, description="256 to 200000 tokens")] = 16384


class Auth(Section):
    """Who may ask. `keys_file`: JSON {key: {tenant_id, agent_id, role}}, for tests and containers."""

    mode: Annotated[Literal["api_key", "disabled"], Field(description="api_key or disabled")] = "api_key"
    keys_file: Text = ""


class Store(Section):
    """Where the database is; an empty path is `membox.db` in the home. A relative one starts at the home."""

    backend: Annotated[Literal["sqlite", "postgres", "inmemory"], Field(description="sqlite or inmemory")] = "sqlite"
    sqlite_path: Text = ""


class Llm(Section):
    """Language-model providers in the order they are tried; for the refresh."""

    providers: Texts = ()


class Paths(Section):
    """Instruction targets: files that get the curated memory."""

    targets: Texts = ()


class Backups(Section):
    """How long the mirror's daily generations stay; where snapshots go, and how many of each kind stay (all 0: all)."""

    keep_days: Annotated[int, Field(ge=1, le=3650, description="1 to 3650 days")] = 30
    snapshot_repository: Annotated[
        str,
        AfterValidator(_repository),
        Field(description='an absolute path, sftp:USER@HOST:/PATH, rest:https://HOST/PATH (no password), or ""'),
    ] = ""
    snapshot_keep_daily: Annotated[int, Field(ge=0, le=1000, description="0 to 1000")] = 7
    snapshot_keep_weekly: Annotated[int, Field(ge=0, le=1000, description="0 to 1000")] = 5
    snapshot_keep_monthly: Annotated[int, Field(ge=0, le=1000, description="0 to 1000")] = 12


class Daemon(Section):
    """The service. `web_hosts`: further Host names under which the web pages may be asked for."""

    enabled: Switch = True
    web_ui_enabled: Switch = True
    web_ui_host: Host = "127.0.0.1"
    web_ui_port: Port = 8080
    web_hosts: Texts = ()
    capture_enabled: Switch = True
    capture_port: Annotated[int, Field(ge=0, le=65535, description="a port from 1 to 65535, or 0 for the web port")] = 0
    backup_mirror_path: Annotated[
        str, AfterValidator(_mirror_path), Field(description='an absolute path outside the home, or "" for none')
    ] = ""
    backup_mirror_schedule: Schedule = "hourly"
    refresh_enabled: Switch = True
    refresh_schedule: Schedule = "23:55"
    drift_check_enabled: Switch = True
    drift_check_interval_hours: Annotated[int, Field(ge=1, le=168, description="1 to 168 hours")] = 6
    drift_notify: Name = "log"
    digest_enabled: Switch = False
    digest_schedule: Schedule = "Monday 09:00"
    digest_email_to: Text = ""
    digest_email_from: Text = ""
    digest_smtp_host: Text = ""
    digest_smtp_port: Port = 587
    digest_smtp_user: Text = ""


class Tailnet(Section):
    """How Tailscale Serve reaches the box, and whom it signs in as the owner (docs/tailnet.md)."""

    serve: Switch = False
    hostname: Annotated[
        str,
        StringConstraints(pattern=r"^([A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*)?$", max_length=253),
        Field(description='the box\'s whole name in the tailnet, such as "box.example.ts.net"'),
    ] = ""
    owners: Annotated[
        tuple[Annotated[str, AfterValidator(_login)], ...],
        Field(description='a list of persons\' logins as the tailnet has them: ["alice@example.com"]'),
    ] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which the tailnet reaches the box: whole and short."""
        return (self.hostname, self.hostname.partition(".")[0]) if self.hostname else ()

    @property
    def url(self) -> str:
        """Where the pages are on the tailnet; empty when they are not served there."""
        return f"https://{self.hostname}" if self.serve else ""


class Settings(BaseModel):
    """All tables of config.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    core: Core = Field(default_factory=Core)
    auth: Auth = Field(default_factory=Auth)
    store: Store = Field(default_factory=Store)
    llm: Llm = Field(default_factory=Llm)
    paths: Paths = Field(default_factory=Paths)
    backups: Backups = Field(default_factory=Backups)
    daemon: Daemon = Field(default_factory=Daemon)
    tailnet: Tailnet = Field(default_factory=Tailnet)


class GivenKey(BaseModel):
    """What a key handed in by environment or `auth.keys_file` may do (contract memory-api, Auth)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant_id: Name
    agent_id: Name
    role: Literal["capture", "reader", "writer", "admin"]


class Config(Settings):
    """The settings in force, with what only the environment can give.

    `given_keys` are secrets: never shown, never logged. `unused_environment` names variables of ours that were set
    and have no effect.
    """

    home: Path
    given_keys: dict[str, GivenKey] = Field(default_factory=dict, repr=False, exclude=True)
    unused_environment: tuple[str, ...] = ()

    @property
    def database_path(self) -> Path:
        """The SQLite file; with backend `inmemory` whoever opens it puts it into a temporary directory instead."""
        return self.home / (self.store.sqlite_path or DATABASE_FILE)

    @property
    def mirror_path(self) -> Path | None:
        """Where the mirror goes, None when none is configured."""
        given = self.daemon.backup_mirror_path
        return Path(given).expanduser() if given else None

    def settings(self) -> dict[str, dict[str, Any]]:
        """Every table and key with the value in force; holds no secret."""
        return {name: getattr(self, name).model_dump(mode="json") for name in Settings.model_fields}


# Read at every use (backup/service.py, cli/snapshots.py); every other setting counts from the daemon's next start.
LIVE_KEYS = frozenset({"daemon.backup_mirror_path", *(f"backups.{key}" for key in Backups.model_fields)})

# Variable (after the prefix) -> its key.
_ENVIRONMENT = {
    "STORE_BACKEND": ("store", "backend"),
    "SQLITE_PATH": ("store", "sqlite_path"),
    "AUTH_MODE": ("auth", "mode"),
}
_PREFIXES = ("MEMBOX_", "BRAINSTEM_")  # the first wins
_NOT_SETTINGS = frozenset({"MEMBOX_HOME", "MEMBOX_URL", "MEMBOX_API_KEY"})


def load_config(home: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The settings of the box in `home`: defaults, then its config.toml, then the environment.

    Raises:
        NotConfiguredError: a key or value is wrong; the sentence says where and what is allowed.
    """
    file = home / CONFIG_FILE
    settings = validated(read_toml(file), str(file))
    tables = {name: getattr(settings, name) for name in Settings.model_fields}
    for word, (section, key) in _ENVIRONMENT.items():
        if variable := _variable(environ, word):
            tables[section] = _overridden(tables[section], section, key, variable, environ[variable])
    config = Config(
        **tables,
        home=home,
        given_keys=_given_keys(home, tables["auth"].keys_file, environ),
        unused_environment=_unused(environ),
    )
    _check(config, str(file))
    return config


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of `file`, none when there is no such file; NotConfiguredError when it cannot be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotConfiguredError("bad_config", f"{file} is not valid TOML: {error}. Correct that line.") from None
    except OSError as error:
        raise NotConfiguredError("bad_config", f"{file} cannot be read: {error.strerror}.") from None


def validated(tables: Mapping[str, Any], source: str) -> Settings:
    """`tables` as settings; NotConfiguredError naming `source`, key, value and what is allowed."""
    _refuse_secrets(tables, source)
    try:
        # Through JSON, strict: "9000" is not a port and 1 is not true, but a list may become a tuple.
        return Settings.model_validate_json(json.dumps(tables, default=str), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NotConfiguredError("bad_config", f"{source}: {_sentence(first['loc'], first)}") from None


def _sentence(where: tuple[int | str, ...], fault: Mapping[str, Any]) -> str:
    section = str(where[0])
    if section not in Settings.model_fields:
        return f"there is no section [{section}]; {_did_you_mean(section, Settings.model_fields)}"
    fields = section_model(section).model_fields
    if len(where) == 1:
        return f"{section} = {_shown(fault['input'])} is not a section; write [{section}] on a line of its own."
    key = str(where[1])
    if key not in fields:
        return f"there is no key {section}.{key} (= {_shown(fault['input'])}); {_did_you_mean(key, fields)}"
    return f"{section}.{key} = {_shown(fault['input'])} is not possible; allowed: {fields[key].description}."


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


def _did_you_mean(word: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(known)}."


def section_model(section: str) -> type[Section]:
    """The model of one table; KeyError when there is none."""
    return cast("type[Section]", Settings.model_fields[section].annotation)


def is_secret(key: str) -> bool:
    """Whether a key of that name holds a secret, which config.toml must not."""
    return key in ("capture_token", "digest_smtp_password") or key.endswith("api_key")


def refusal_of_secret(key: str) -> str:
    """The sentence for a secret that was to be written into, or was found in, config.toml."""
    remedy = (
        "make a key for the phone with `membox key create --role capture`"
        if key.endswith("capture_token")
        else f"remove it, and keep it with `membox secrets set {key.rpartition('.')[2].replace('_', '-')}`"
    )
    return f"{key} is a secret and never stands in config.toml: {remedy}."


def _refuse_secrets(tables: Mapping[str, Any], source: str) -> None:
    for section, table in tables.items():
        for key in table if isinstance(table, dict) else ():
            if is_secret(key):
                raise NotConfiguredError("secret_in_config", f"{source}: {refusal_of_secret(f'{section}.{key}')}")


def _variable(environ: Mapping[str, str], word: str) -> str | None:
    """The variable of ours that gives `word`; one set to nothing counts as unset."""
    return next((prefix + word for prefix in _PREFIXES if environ.get(prefix + word)), None)


def _overridden(table: Section, section: str, key: str, variable: str, value: str) -> Section:
    # A path on the command line or in a unit starts where the process does, as it does for existing deployments.
    text = str(expanded(Path(value)).absolute()) if key == "sqlite_path" else value
    try:
        return type(table).model_validate({**table.model_dump(), key: text})
    except ValidationError:
        allowed = section_model(section).model_fields[key].description
        raise NotConfiguredError("bad_config", f"{variable}={value} is not possible; allowed: {allowed}.") from None


def _given_keys(home: Path, keys_file: str, environ: Mapping[str, str]) -> dict[str, GivenKey]:
    keys: dict[str, GivenKey] = {}
    if keys_file:
        file = home / expanded(Path(keys_file))
        try:
            keys |= _parse_keys(file.read_text(encoding="utf-8"), f"{file} (auth.keys_file)")
        except (OSError, UnicodeDecodeError) as error:
            raise NotConfiguredError("bad_config", f"auth.keys_file = {file} cannot be read: {error}.") from None
    if variable := _variable(environ, "API_KEYS"):
        keys |= _parse_keys(environ[variable], variable)
    return keys


def _parse_keys(text: str, source: str) -> dict[str, GivenKey]:
    try:
        return {key: GivenKey.model_validate(given) for key, given in json.loads(text).items() if _plausible(key)}
    except (ValueError, AttributeError):
        # Not JSON, not an object or a bad role: the text holds secrets, so none of it is shown.
        raise NotConfiguredError(
            "bad_config",
            f'{source} must be JSON {{"KEY": {{"tenant_id": …, "agent_id": …, "role": '
            '"capture", "reader", "writer" or "admin"}}, no key empty.',
        ) from None


def _plausible(key: str) -> bool:
    if not key.strip():
        raise ValueError("empty key")
    return True


def _unused(environ: Mapping[str, str]) -> tuple[str, ...]:
    used = {prefix + word for prefix in _PREFIXES for word in (*_ENVIRONMENT, "API_KEYS")} | _NOT_SETTINGS
    return tuple(sorted(name for name in environ if name.startswith(_PREFIXES) and name not in used))


def _check(config: Config, source: str) -> None:
    if config.store.backend == "postgres":
        raise NotConfiguredError(
            "store_not_built", "The store backend postgres is not built yet: use sqlite, or unset it."
        )
    _check_tailnet(config, source)
    mirror = config.mirror_path
    if mirror and mirror.resolve().is_relative_to(config.home.resolve()):
        raise NotConfiguredError(
            "bad_config",
            f"{source}: daemon.backup_mirror_path = {mirror} lies inside the home {config.home}, and would be lost "
            "with it; choose another disk or machine.",
        )


def _check_tailnet(config: Config, source: str) -> None:
    if config.tailnet.serve and not config.tailnet.hostname:
        raise NotConfiguredError(
            "bad_config",
            f"{source}: tailnet.serve needs tailnet.hostname, the box's whole name in the tailnet; set that first.",
        )
    if config.tailnet.serve and config.auth.mode == "disabled":
        raise NotConfiguredError(
            "bad_config",
            f"{source}: with auth.mode = disabled the whole tailnet would be the owner: set it to api_key, or "
            "tailnet.serve to false.",
        )

"""Every setting there is: the tables of config.toml, their defaults, and what is allowed (contract notebook, Service
and configuration). `config.py` reads them.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from appliance import cadence

# A password would stand between the user's name and the @: it is a secret (restic-server-password). A host that begins
# with a hyphen would be an option of ssh's.
_REPOSITORY = re.compile(r"/[^\n]*|sftp:(?!/*-|[^\n]*@-)[^\n]+|rest:https?://([^\s/@:]+@)?[^\s/@]+(/[^\s@]*)?")

_DSN = re.compile(r"postgres(ql)?://(?!\S*[?&](ssl)?password=)([^\s/@:]+@)?[^\s@]*")


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


def _dsn(value: str) -> str:
    if value and not _DSN.fullmatch(value):
        raise ValueError("no address of a database, or with a password in it")
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
Weight = Annotated[float, Field(ge=0, le=100, description="0 to 100")]
Url = Annotated[
    str,
    StringConstraints(pattern=r"^(https?://[^\s/@?#]+(/[^\s@?#]*)?)?$", max_length=512),
    Field(description='an address such as https://HOST/v1 without a user in it, or ""'),
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

    backend: Annotated[Literal["sqlite", "postgres", "inmemory"], Field(description="sqlite, postgres or inmemory")] = (
        "sqlite"
    )
    sqlite_path: Text = ""
    postgres_dsn: Annotated[
        str,
        AfterValidator(_dsn),
        Field(description="postgresql://USER@HOST/DATABASE, the password apart as secret postgres-password"),
    ] = ""


class Memory(Section):
    """How items are found. `embedding`: what turns texts into vectors, each needing more memory than the one before."""

    embedding: Annotated[Literal["off", "light", "better"], Field(description="off, light or better")] = "light"


class Graph(Section):
    """Items that come along with those found, as they have words, a time or a reference in common."""

    enabled: Switch = False
    max_expansion: Annotated[int, Field(ge=0, le=100, description="0 to 100 items")] = 4
    half_life_hours: Annotated[float, Field(gt=0, le=876_000, description="hours, more than 0")] = 168.0
    keyword_weight: Weight = 1.0
    phrase_weight: Weight = 1.4
    temporal_weight: Weight = 1.2
    reference_weight: Weight = 1.6


class Jobs(Section):
    """Whether the daemon works on queued jobs itself; else `membox worker` does."""

    worker_enabled: Switch = True


class Models(Section):
    """The model registry. Of `signal_window` last signals the summary is made; `signals_kept` of each model stay."""

    signal_window: Annotated[int, Field(ge=1, le=100_000, description="1 to 100000 signals")] = 500
    signals_kept: Annotated[int, Field(ge=500, le=10_000_000, description="500 to 10000000 signals")] = 20_000


class Mcp(Section):
    """The MCP server. `auth_mode` disabled counts on stdio only."""

    auth_mode: Annotated[Literal["token", "disabled"], Field(description="token or disabled")] = "token"
    host: Host = "127.0.0.1"
    port: Port = 8090


class Llm(Section):
    """Language models: `providers` in the order in which they are tried, and what a day may take of them.

    Prices are US dollars for a million tokens of the OpenAI-compatible server; those of Claude are known.
    """

    providers: Annotated[
        tuple[Literal["anthropic", "claude", "openai"], ...],
        Field(description='a list of anthropic, claude and openai: ["anthropic", "openai"]'),
    ] = ("anthropic", "openai")
    timeout_seconds: Annotated[int, Field(ge=1, le=3600, description="1 to 3600 seconds")] = 600
    daily_budget_usd: Annotated[float, Field(ge=0, le=100_000, description="US dollars, 0 for no limit")] = 2.0
    daily_tokens: Annotated[int, Field(ge=0, le=10**12, description="a number of tokens, 0 for no limit")] = 0
    anthropic_base_url: Url = ""
    claude_command: Name = "claude"
    openai_base_url: Url = ""
    openai_model: Text = ""
    openai_input_usd: Annotated[float, Field(ge=0, le=100_000, description="US dollars, 0 or more")] = 0.0
    openai_output_usd: Annotated[float, Field(ge=0, le=100_000, description="US dollars, 0 or more")] = 0.0


class Session(Section):
    """Sessions of agents: how many tokens a context holds, and how full it is when the log leaves the buffer."""

    context_tokens: Annotated[int, Field(ge=1000, le=10_000_000, description="1000 to 10000000 tokens")] = 200_000
    rotate_at: Annotated[float, Field(gt=0, le=1, description="a share of the context, more than 0 to 1")] = 0.6


class Paths(Section):
    """Instruction targets: files that get the curated memory; after how long a machine counts as silent."""

    targets: Texts = ()
    silent_after_hours: Annotated[int, Field(ge=1, le=8760, description="1 to 8760 hours")] = 72


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
    drill_enabled: Switch = True
    drill_schedule: Schedule = "Sunday 04:00"
    refresh_enabled: Switch = True
    refresh_schedule: Schedule = "23:55"
    cleanup_enabled: Switch = True
    cleanup_schedule: Schedule = "03:30"
    buffer_check_enabled: Switch = True
    buffer_check_schedule: Schedule = "hourly"
    harvest_enabled: Switch = False
    harvest_schedule: Schedule = "02:00"
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
        Field(description='a list of persons\' logins as the tailnet has them: ["mine@example.com"]'),
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
    memory: Memory = Field(default_factory=Memory)
    graph: Graph = Field(default_factory=Graph)
    jobs: Jobs = Field(default_factory=Jobs)
    models: Models = Field(default_factory=Models)
    mcp: Mcp = Field(default_factory=Mcp)
    llm: Llm = Field(default_factory=Llm)
    session: Session = Field(default_factory=Session)
    paths: Paths = Field(default_factory=Paths)
    backups: Backups = Field(default_factory=Backups)
    daemon: Daemon = Field(default_factory=Daemon)
    tailnet: Tailnet = Field(default_factory=Tailnet)


# Read at every use (backup/service.py, cli/snapshots.py, notebook/targets, providers, notify.py); every other setting
# counts from the daemon's next start.
LIVE_KEYS = frozenset(
    {
        "daemon.backup_mirror_path",
        "core.model",
        "daemon.drift_notify",
        *(f"daemon.{key}" for key in Daemon.model_fields if key.startswith(("digest_email_", "digest_smtp_"))),
        *(f"llm.{key}" for key in Llm.model_fields),
        *(f"backups.{key}" for key in Backups.model_fields),
        *(f"paths.{key}" for key in Paths.model_fields),
    }
)

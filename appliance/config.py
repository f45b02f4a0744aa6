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
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import NotConfiguredError
from appliance.home import CONFIG_FILE, DATABASE_FILE, content, expanded
from appliance.settings import Name, Section, Settings

# A password in an address, in a value that is not possible.
_PASSWORD = re.compile(r"(//[^\s/@:]+:(?=[^\s/@]*@)|password=)[^\s/@&\"]*")


class GivenKey(BaseModel):
    """What a key handed in by environment or `auth.keys_file` may do (contract memory-api, Auth)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant_id: Name
    agent_id: Name
    role: Literal["capture", "reader", "writer", "admin"]


class Config(Settings):
    """The settings in force, with what only the environment can give.

    `given_keys`, `mcp_tokens` and a `postgres_dsn` from the environment are secrets: never shown, never logged.
    `unused_environment` names variables of ours that were set and have no effect.
    """

    home: Path
    given_keys: dict[str, GivenKey] = Field(default_factory=dict, repr=False, exclude=True)
    mcp_tokens: dict[str, GivenKey] = Field(default_factory=dict, repr=False, exclude=True)
    postgres_dsn: str = Field(default="", repr=False, exclude=True)
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


# Variable (after the prefix) -> its key.
_ENVIRONMENT = {
    "STORE_BACKEND": ("store", "backend"),
    "SQLITE_PATH": ("store", "sqlite_path"),
    "AUTH_MODE": ("auth", "mode"),
    "MCP_AUTH_MODE": ("mcp", "auth_mode"),
    "JOB_WORKER_ENABLED": ("jobs", "worker_enabled"),
    "GRAPH_ENABLED": ("graph", "enabled"),
    "GRAPH_MAX_EXPANSION": ("graph", "max_expansion"),
    "GRAPH_HALF_LIFE_HOURS": ("graph", "half_life_hours"),
    "MODEL_REGISTRY_SIGNAL_WINDOW": ("models", "signal_window"),
}
# Those that are no single key of config.toml.
_OTHERS = ("API_KEYS", "MCP_TOKENS", "POSTGRES_DSN", "GRAPH_RELATION_WEIGHTS")
_PREFIXES = ("MEMBOX_", "BRAINSTEM_")  # the first wins
_NOT_SETTINGS = frozenset({"MEMBOX_HOME", "MEMBOX_URL", "MEMBOX_API_KEY", "MEMBOX_MCP_DOTTED"})


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
    if variable := _variable(environ, "GRAPH_RELATION_WEIGHTS"):
        tables["graph"] = _weighted(tables["graph"], variable, environ[variable])
    config = Config(
        **tables,
        home=home,
        given_keys=_given_keys(home, tables["auth"].keys_file, environ),
        mcp_tokens=_keys_of(environ, "MCP_TOKENS"),
        postgres_dsn=environ.get(_variable(environ, "POSTGRES_DSN") or "", tables["store"].postgres_dsn),
        unused_environment=_unused(environ),
    )
    _check(config, str(file))
    return config


def read_toml(file: Path) -> dict[str, Any]:
    """The tables of `file`, none when there is no such file; NotConfiguredError when it cannot be read."""
    try:
        return tomllib.loads(content(file).decode())
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
    text = _PASSWORD.sub(r"\1…", json.dumps(value, ensure_ascii=False, default=str))  # this may go to a log
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
    name = key.rpartition(".")[2].replace("_", "-")
    return f"{key} is a secret and never stands in config.toml: remove it, and keep it by `membox secrets set {name}`."


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
    return keys | _keys_of(environ, "API_KEYS")


def _keys_of(environ: Mapping[str, str], word: str) -> dict[str, GivenKey]:
    variable = _variable(environ, word)
    return _parse_keys(environ[variable], variable) if variable else {}


def _weighted(graph: Section, variable: str, value: str) -> Section:
    """`graph` with the weights of a JSON object by kind of relation; those not named stay as they are."""
    try:
        weights = {f"{kind}_weight": weight for kind, weight in json.loads(value).items()}
        if weights.keys() <= type(graph).model_fields.keys():
            return type(graph).model_validate({**graph.model_dump(), **weights})
    except (ValueError, AttributeError):
        pass  # told below, with the others
    raise NotConfiguredError(
        "bad_config",
        f'{variable}={value} is not possible; allowed: JSON such as {{"keyword": 1.0, "phrase": 1.4, "temporal": 1.2, '
        '"reference": 1.6}, each weight 0 to 100.',
    )


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
    used = {prefix + word for prefix in _PREFIXES for word in (*_ENVIRONMENT, *_OTHERS)} | _NOT_SETTINGS
    return tuple(sorted(name for name in environ if name.startswith(_PREFIXES) and name not in used))


def _check(config: Config, source: str) -> None:
    if config.store.backend == "postgres" and not config.postgres_dsn:
        raise NotConfiguredError(
            "bad_config",
            f"{source}: store.backend = postgres needs store.postgres_dsn, such as postgresql://USER@HOST/DATABASE "
            "(or MEMBOX_POSTGRES_DSN); set that first.",
        )
    _check_tailnet(config, source)
    mirror = config.mirror_path
    if mirror and mirror.resolve().is_relative_to(config.home.resolve()):
        raise NotConfiguredError(
            "bad_config",
            f"{source}: daemon.backup_mirror_path = {mirror} lies inside the home {config.home}, and would be lost "
            "with it; choose another disk or machine.",
        )
    repository = Path(config.backups.snapshot_repository)
    if repository.is_absolute() and repository.resolve().is_relative_to(config.home.resolve()):
        raise NotConfiguredError(
            "bad_config",
            f"{source}: backups.snapshot_repository = {repository} lies inside the home {config.home}, and would be "
            "lost with it; choose another disk or machine.",
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

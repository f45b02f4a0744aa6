"""Changing config.toml: one key at a time, comments and order kept, validated before anything is written."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from appliance.config import (
    Config,
    is_secret,
    load_config,
    read_toml,
    refusal_of_secret,
    section_model,
    validated,
)
from appliance.durable import write_atomically
from appliance.errors import NotConfiguredError
from appliance.home import CONFIG_FILE
from appliance.settings import Settings


def set_value(home: Path, key: str, value: str, environ: Mapping[str, str] = os.environ) -> Config:
    """Set `key` ("daemon.web_ui_port") to what `value` says, durably, and return the settings now in force.

    A list is given as TOML (`["a", "b"]`) or with commas.

    Raises:
        NotConfiguredError: no such key, a value that is not possible, or a secret; the file is as it was.
    """
    file = home / CONFIG_FILE
    section, _, name = key.partition(".")
    if is_secret(name or section):
        raise NotConfiguredError("secret_in_config", refusal_of_secret(key))
    parsed = _parsed(section, name, value)
    tables = read_toml(file)
    validated({**tables, section: {**_table(tables, section), name: parsed}}, f"`membox config set {key}`")
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    write_atomically(file, _edited(before, section, name, parsed))
    try:
        return load_config(home, environ)
    except NotConfiguredError:
        write_atomically(file, before)  # what only the whole can tell, such as a mirror inside the home
        raise


def _table(tables: Mapping[str, Any], section: str) -> dict[str, Any]:
    table = tables.get(section, {})
    return table if isinstance(table, dict) else {}


def _parsed(section: str, name: str, value: str) -> Any:
    """`value` as the type its key has; left as text when key or value is wrong, for `validated` to say so."""
    if section not in Settings.model_fields or name not in section_model(section).model_fields:
        return value
    annotation: Any = section_model(section).model_fields[name].annotation
    given: Any = value
    if annotation not in (str, int, bool) and getattr(annotation, "__origin__", None) is tuple:
        given = _list(value)
    try:
        return TypeAdapter(annotation).dump_python(TypeAdapter(annotation).validate_python(given), mode="json")
    except ValidationError:
        return given


def _list(value: str) -> list[str]:
    if value.lstrip().startswith("["):
        try:
            return list(json.loads(value))
        except ValueError:
            return [value]
    return [part.strip() for part in value.split(",") if part.strip()]


def _edited(text: str, section: str, name: str, value: Any) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    if section not in document:
        document[section] = tomlkit.table()
    table: Any = document[section]
    table[name] = value
    return tomlkit.dumps(document)

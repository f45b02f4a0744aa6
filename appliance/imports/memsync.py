"""A memsync folder and its configuration, read: Markdown files, settings that mean the same here, and secrets.

The folder is only read. A secret found in it, in the configuration or in a file's text, is told apart, and blanked in
what is taken over.
"""

import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import InvalidError, NotConfiguredError
from appliance.home import content
from appliance.redaction import KEY_FORMS, Redactor

CURATED = "GLOBAL_MEMORY.md"
_LEFT_OUT = ("backups", "journal")  # copies and records of its own
_MOST_BYTES = 4 * 1024 * 1024

# What a person has set is taken over; memsync's own default is no decision, and several of them aged (a model that is
# no more, an address open to the whole network, ports).
_SAME = {
    "core.model": ("core.model", "claude-sonnet-4-20250514"),
    "core.max_memory_lines": ("core.max_memory_lines", 400),
    "core.max_tokens": ("core.max_tokens", 16384),
    "backups.keep_days": ("backups.keep_days", 30),
    "daemon.refresh_enabled": ("daemon.refresh_enabled", True),
    "daemon.refresh_schedule": ("daemon.refresh_schedule", "55 23 * * *"),
    "daemon.backup_mirror_path": ("daemon.backup_mirror_path", ""),
    "daemon.backup_mirror_schedule": ("daemon.backup_mirror_schedule", "0 * * * *"),
    "daemon.web_ui_enabled": ("daemon.web_ui_enabled", True),
    "daemon.web_ui_port": ("daemon.web_ui_port", 5000),
    "daemon.web_ui_host": ("daemon.web_ui_host", "0.0.0.0"),  # noqa: S104 - memsync's default, which is not taken over
    "daemon.capture_enabled": ("daemon.capture_enabled", True),
    "daemon.capture_port": ("daemon.capture_port", 5001),
    "daemon.drift_check_enabled": ("daemon.drift_check_enabled", True),
    "daemon.drift_check_interval_hours": ("daemon.drift_check_interval_hours", 6),
    "daemon.drift_notify": ("daemon.drift_notify", "log"),
    "daemon.harvest_enabled": ("daemon.harvest_enabled", True),
    "daemon.harvest_schedule": ("daemon.harvest_schedule", "0 2 * * *"),
    "daemon.digest_enabled": ("daemon.digest_enabled", False),
    "daemon.digest_schedule": ("daemon.digest_schedule", "0 9 * * 1"),
    "daemon.digest_email_to": ("daemon.digest_email_to", ""),
    "daemon.digest_email_from": ("daemon.digest_email_from", ""),
    "daemon.digest_smtp_host": ("daemon.digest_smtp_host", ""),
    "daemon.digest_smtp_port": ("daemon.digest_smtp_port", 587),
    "daemon.digest_smtp_user": ("daemon.digest_smtp_user", ""),
}
_SECRETS = {
    "core.api_key": "anthropic-api-key",
    "llm.gemini_api_key": "gemini-api-key",
    "daemon.capture_token": "capture-token",
    "daemon.digest_smtp_password": "digest-smtp-password",
}
_TARGETS = ("paths.claude_md_target", "paths.codex_agents_target")


@dataclass(frozen=True, slots=True)
class Taken:
    """What there is to take over: texts by notebook path, settings by key, targets, secrets by name; `left` says, a
    sentence each, what is not.
    """

    files: dict[str, str]
    settings: dict[str, Any]
    targets: list[str]
    secrets: dict[str, str]
    left: list[str]


def taken(folder: Path, config: Path | None) -> Taken:
    """What is in a memsync `folder` and in its configuration file, if it has one.

    Raises:
        InvalidError: `not_memsync`, there is no folder with a `GLOBAL_MEMORY.md`.
        NotConfiguredError: `bad_config`, the configuration cannot be read.
    """
    if not (folder / CURATED).is_file():
        raise InvalidError("not_memsync", f"{folder} is no memsync folder: it has no {CURATED}.")
    left: list[str] = []
    flat = _flat(_tables(config)) if config else {}
    secrets = {name: str(flat.pop(key)) for key, name in _SECRETS.items() if flat.get(key)}
    files = _files(folder, secrets, left)
    targets = _targets([str(flat.pop(key)) for key in _TARGETS if flat.get(key)], folder, left)
    return Taken(files, dict(_settings(flat, left)), targets, secrets, left)


def default_config(environ: Mapping[str, str] = os.environ) -> Path:
    """Where memsync keeps its configuration."""
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "memsync" / "config.toml"


def _tables(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(content(config).decode())
    except (OSError, ValueError) as fault:
        raise NotConfiguredError(
            "bad_config", f"{config} cannot be read as memsync's configuration: {fault}."
        ) from None


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{section}.{key}": value
        for section, table in tables.items()
        if isinstance(table, dict)
        for key, value in table.items()
    }


def _settings(flat: dict[str, Any], left: list[str]) -> Iterator[tuple[str, Any]]:
    """The settings of ours for what was set there."""
    if flat.get("llm.backend") == "ollama":
        yield "llm.providers", ["openai"]
        for theirs, ours in (("llm.ollama_base_url", "llm.openai_base_url"), ("llm.ollama_model", "llm.openai_model")):
            if value := flat.pop(theirs, None):
                yield ours, value
    elif flat.get("llm.backend") == "gemini":
        left.append("Gemini is asked by its OpenAI-compatible address: set llm.openai_base_url and llm.openai_model.")
    for key, value in flat.items():
        ours, default = _SAME.get(key, ("", None))
        if ours and value != default:
            yield ours, value
        elif not ours and value and not key.startswith(("providers.", "llm.")):
            left.append(f"The setting {key} has no meaning here.")


def _targets(paths: list[str], folder: Path, left: list[str]) -> list[str]:
    """Those that are files of their own; memsync makes links into its folder, which is not to be written."""
    kept = []
    for path in paths:
        file = Path(os.path.expanduser(path))
        if Path(os.path.realpath(file)).is_relative_to(folder.resolve()):
            left.append(f"{path} leads into the folder: remove that link, then `membox targets add {path}`.")
        else:
            kept.append(str(file))
    return kept


def _files(folder: Path, secrets: dict[str, str], left: list[str]) -> dict[str, str]:
    """The folder's Markdown files; a secret in one is put among `secrets`, and its name stands there."""
    files = {}
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder)
        if name.parts[0] in _LEFT_OUT or any(part.startswith(".") for part in name.parts):
            continue
        try:
            raw = content(path)
            text = raw.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            left.append(f"{name} cannot be read as text.")
            continue
        if len(raw) > _MOST_BYTES or "\0" in text:
            left.append(f"{name} is no text of at most 4 MB.")
        elif text.strip():
            files[name.as_posix()] = _blanked(text, secrets)
    return files


def _blanked(text: str, secrets: dict[str, str]) -> str:
    names = {value: name for name, value in secrets.items()}
    for value in sorted(Redactor(names, KEY_FORMS).found(text), key=len, reverse=True):
        name = names.get(value) or f"memsync-{hashlib.sha256(value.encode()).hexdigest()[:8]}"
        secrets.setdefault(name, value)
        text = text.replace(value, f"[secret {name}]")
    return text

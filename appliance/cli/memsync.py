"""`membox import memsync`: a memsync folder becomes part of this box's notebook."""

import json
from pathlib import Path
from typing import Any

import click

from appliance.cli.connect import Caller, pass_caller
from appliance.cli.output import counted, emit, examples, json_option, progress_bar, shown
from appliance.client.box_client import BoxClient, path_part
from appliance.errors import InvalidError, NotConfiguredError, NotFoundError

STORED, KNOWN, ASIDE = "stored", "known", "aside"
_DOCUMENT = "/v1/notebook/document"
_MOST_VERSIONS = 500


@click.command(epilog=examples("membox import memsync ~/OneDrive/.claude-memory"))
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--config", type=click.Path(path_type=Path), help="memsync's config.toml. [default: where memsync keeps it]"
)
@json_option
@pass_caller
def memsync(caller: Caller, path: Path, config: Path | None, as_json: bool) -> None:
    """Take over a memsync folder and its settings.

    PATH is the folder with GLOBAL_MEMORY.md. Its files become the notebook's; where this box has a curated memory of
    its own already, theirs is put into archive/memsync. Settings that mean the same are set, unless you have set them
    here. Secrets go into the keyring, and only their names stay in the text.
    """
    from appliance.imports.memsync import default_config, taken

    known = config or (default_config() if default_config().exists() else None)
    found = taken(path, known)
    with caller.box() as box:
        left = list(found.left)
        outcomes = _place_all(box, found.files, left)
        settings: list[str] = []
        secrets: list[str] = []
        if caller.url:
            left.append("Settings, targets and secrets are taken over on the box itself only.")
        else:
            secrets = _keep_secrets(box, found.secrets)
            settings = _set_all(caller.home, {**found.settings, "paths.targets": found.targets}, left)
    counts = {word: sum(outcome == word for outcome in outcomes.values()) for word in (STORED, KNOWN, ASIDE)}
    answer = {**counts, "files": outcomes, "settings": settings, "secrets": secrets, "left": left}
    emit(answer, as_json, lambda: _tell(answer))


def _place_all(box: BoxClient, files: dict[str, str], left: list[str]) -> dict[str, str]:
    """What became of each file; `left` is told of those that the notebook cannot hold."""
    outcomes = {}
    with progress_bar("Importing", len(files)) as move_on:
        for path, text in files.items():
            try:
                outcomes[path] = _place(box, path, text)
            except InvalidError as fault:
                left.append(fault.sentence)
            move_on(1)
    return outcomes


def _place(box: BoxClient, path: str, text: str) -> str:
    """Put one file into the notebook: as it is, added to the day's log, or aside; nothing that was there before."""
    from appliance.notebook.plaintext import normalise

    text = normalise(text)
    history = _history(box, path)
    if not history:
        _save(box, path, text, 0)
        return STORED
    if any(row["removed"] for row in history) or _was_here(box, path, history, text):
        return KNOWN
    version = int(history[0]["number"])
    if len(history) == 1 and history[0]["reason"] == "start":
        _save(box, path, text, version)
        return STORED
    if (both := _with_missing(_text(box, path, version), text)) is not None:
        _save(box, path, both, version)
        return STORED
    if path.startswith("archive/"):
        return KNOWN
    outcome = _place(box, f"archive/memsync/{path}", text)
    return ASIDE if outcome == STORED else KNOWN


def _history(box: BoxClient, path: str) -> list[dict[str, Any]]:
    """The versions of a file, newest first; none where it never was."""
    try:
        return list(box.get("/v1/notebook/history", path=path, limit=_MOST_VERSIONS)["versions"])
    except NotFoundError:
        return []


def _was_here(box: BoxClient, path: str, history: list[dict[str, Any]], text: str) -> bool:
    """Whether some version of the file was this text, or had all of its entries."""
    return any(_has_all(_text(box, path, int(row["number"])), text) for row in history)


def _text(box: BoxClient, path: str, number: int) -> str:
    return str(box.get("/v1/notebook/version", path=path, number=number)["text"])


def _save(box: BoxClient, path: str, text: str, base_version: int) -> None:
    box.put(_DOCUMENT, {"path": path, "text": text, "base_version": base_version})


def _entries(text: str) -> dict[tuple[str, str], list[str]]:
    """The lines of each entry of a day's log, by its time and text."""
    from appliance.notebook import journal
    from appliance.notebook.plaintext import lines_of

    lines = lines_of(text)
    return {(entry.time, entry.text): lines[entry.first_line - 1 : entry.last_line] for entry in journal.parse(text)}


def _has_all(here: str, theirs: str) -> bool:
    wanted = _entries(theirs).keys()
    return here == theirs or bool(wanted and wanted <= _entries(here).keys())


def _with_missing(here: str, theirs: str) -> str | None:
    """A day's log with the entries it lacks; None when theirs is no log."""
    known = _entries(here)
    missing = [lines for key, lines in _entries(theirs).items() if key not in known]
    if not missing:
        return None
    return here + "".join("\n".join(["", "---", "", *lines, ""]) for lines in missing)


def _keep_secrets(box: BoxClient, secrets: dict[str, str]) -> list[str]:
    """Those that were not there yet."""
    known = set(box.get("/v1/secrets")["names"])
    new = [name for name in secrets if name not in known]
    for name in new:
        box.put(f"/v1/secrets/{path_part(name)}", {"value": secrets[name], "replace": False})
    return new


def _set_all(home: Path, wanted: dict[str, Any], left: list[str]) -> list[str]:
    """The keys that were set: none that is in config.toml already, and none whose value is not possible here."""
    from appliance.config import read_toml
    from appliance.config_file import set_value
    from appliance.home import CONFIG_FILE

    here, done = read_toml(home / CONFIG_FILE), []
    for key, value in wanted.items():
        section, _, name = key.partition(".")
        if name in here.get(section, {}) or value == []:
            continue
        try:
            set_value(home, key, value if isinstance(value, str) else json.dumps(value))
            done.append(key)
        except NotConfiguredError as fault:
            left.append(fault.sentence)
    return done


def _tell(answer: dict[str, Any]) -> None:
    told = f"{counted(answer[STORED], 'file')} taken over"
    if answer[KNOWN]:
        told += f", {answer[KNOWN]} known already"
    click.echo(f"{told}.")
    for path, outcome in answer["files"].items():
        if outcome == ASIDE:
            click.echo(shown(f"This box has a {path} of its own; theirs is in archive/memsync/{path}."))
    if answer["settings"]:
        click.echo(f"Set: {', '.join(answer['settings'])}. A running daemon takes most of it at its next start.")
    if answer["secrets"]:
        click.echo(f"Moved into the keyring: {', '.join(answer['secrets'])}.")
    for sentence in answer["left"]:
        click.echo(shown(sentence))

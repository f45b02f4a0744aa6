"""Putting membox's hooks into Claude Code's settings, and taking them out again so that nothing of them is left.

What was in the settings file before is kept beside the hook's own files: as long as nobody changed the settings since,
removing restores every byte. Otherwise only our own entries go.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.agents.hooks.jsonc import Node, added, parse, removed
from appliance.durable import ChangedError, rewrite, write_atomically
from appliance.errors import InvalidError, NotConfiguredError
from appliance.home import user_config

# Which of Claude Code's events are told; those that nobody waits for run beside the agent.
EVENTS = {
    "SessionStart": False,
    "UserPromptSubmit": False,
    "PreCompact": False,
    "Stop": False,
    "Notification": True,
    "PostToolUseFailure": True,
    "SessionEnd": False,
}
_TIMEOUT_SECONDS = 5
_ATTEMPTS = 5
_BLANK = " \t\r\n\ufeff"
_SCRIPT = Path(__file__).with_name("hook.sh")
_KEY = re.compile(r'"Authorization: Bearer ([^"]+)"')
_OURS = "membox/hooks/"


@dataclass(frozen=True, slots=True)
class Place:
    """Where Claude Code's settings are, and where the hook's own files."""

    settings: Path
    directory: Path

    @classmethod
    def of_user(cls, environ: Mapping[str, str] = os.environ) -> "Place":
        """The user's."""
        given = environ.get("CLAUDE_CONFIG_DIR", "")
        directory = Path(given) if given else Path.home() / ".claude"
        return cls(directory / "settings.json", user_config(environ) / "hooks")

    @property
    def script(self) -> Path:
        """What the hooks run."""
        return self.directory / "hook"

    @property
    def curl(self) -> Path:
        """Address and key, as curl reads them."""
        return self.directory / "curl"

    @property
    def failures(self) -> Path:
        """A byte for each call since the last one that succeeded."""
        return self.directory / "failures"

    @property
    def kept(self) -> Path:
        """The settings before and after they were changed."""
        return self.directory / "settings.json"


def install(place: Place, url: str, key: str, machine: str) -> bool:
    """Let Claude Code tell the box at `url` (http, https or unix:) what happens; False when all was there already.

    Raises:
        InvalidError: `bad_settings`, the settings file is not what Claude Code reads; it stays as it is.
        NotConfiguredError: `no_curl`.
    """
    if shutil.which("curl") is None:
        raise NotConfiguredError("no_curl", "The hooks tell the box by curl, which is not there; install it.")
    before = _read(place.settings)
    after = with_hooks(before or "", command_of(place), place.settings)
    place.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.directory.chmod(0o700)
    write_atomically(place.curl, curl_config(url, key, machine))
    write_atomically(place.script, _SCRIPT.read_bytes(), mode=0o700)
    if after == before:
        return False
    if place.kept.exists():
        place.kept.unlink()  # the settings were changed since: what was before is of no use any more
    else:
        write_atomically(place.kept, json.dumps({"before": before, "after": after}))
    _change(place.settings, lambda text: with_hooks(text or "", command_of(place), place.settings))
    return True


def remove(place: Place) -> bool:
    """Take our hooks out, and their files; False when there were none.

    Raises:
        InvalidError: `bad_settings`, as above.
    """
    was_there = place.directory.exists()
    changed = _change(place.settings, lambda text: text and _as_before(place, text))
    shutil.rmtree(place.directory, ignore_errors=True)
    return was_there or changed


def _as_before(place: Place, now: str) -> str | None:
    """What the settings were, when they are still as we left them (None: no file); else without our hooks."""
    try:
        kept = json.loads(place.kept.read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("after") == now:
        before = kept.get("before")
        return before if before is None else str(before)
    return without_hooks(now, place.settings)


def command_of(place: Place) -> str:
    """The command of a hook, but for the event."""
    quoted = str(place.script).replace("'", "'\\''")
    return f"'{quoted}'"


def with_hooks(text: str, command: str, file: Path) -> str:
    """The settings with a hook for each of our events; as they are where it stands already.

    Raises:
        InvalidError: `bad_settings`.
    """
    text = text if text.strip(_BLANK) else "{}\n"
    for event, beside in EVENTS.items():
        entry = {"type": "command", "command": f"{command} {event}", "timeout": _TIMEOUT_SECONDS}
        group = {"hooks": [entry | ({"async": True} if beside else {})]}
        text = _with_hook(text, event, group, file)
    return text


def _with_hook(text: str, event: str, group: object, file: Path) -> str:
    written = json.dumps(group, indent=2, ensure_ascii=False)
    root, hooks, groups = _found(text, event, file)
    if _ours(text, groups):
        return text
    if hooks is None:
        return added(text, root, f'"hooks": {{\n  "{event}": [\n    {_deeper(written, 4)}\n  ]\n}}')
    if groups is None:
        return added(text, hooks, f'"{event}": [\n  {_deeper(written, 2)}\n]')
    return added(text, groups, written)


def _deeper(written: str, spaces: int) -> str:
    return written.replace("\n", "\n" + " " * spaces)


def without_hooks(text: str, file: Path) -> str:
    """The settings without our hooks, and without what is empty after that."""
    if not text.strip(_BLANK):
        return text
    for event in EVENTS:
        while True:
            _, hooks, groups = _found(text, event, file)
            ours = _ours(text, groups)
            if not (hooks and groups and ours):
                break
            text = removed(text, groups, ours)
            root, hooks, groups = _found(text, event, file)
            if hooks and groups and not groups.elements:
                text = removed(text, hooks, groups)
            root, hooks, _ = _found(text, event, file)
            if hooks and not hooks.members:
                text = removed(text, root, hooks)
    return text


def _found(text: str, event: str, file: Path) -> tuple[Node, Node | None, Node | None]:
    """The settings, in them `hooks`, in that the list of an event."""
    try:
        root = parse(text)
    except InvalidError as fault:
        raise _bad(file, fault.sentence) from None
    hooks = (root.members or {}).get("hooks")
    groups = (hooks.members or {}).get(event) if hooks else None
    if root.members is None or (hooks and hooks.members is None) or (groups and groups.elements is None):
        raise _bad(file, "It has another form than Claude Code's settings.")
    return root, hooks, groups


def _ours(text: str, groups: Node | None) -> Node | None:
    """Our element of an event's list."""
    elements = (groups.elements or ()) if groups else ()
    return next((each for each in elements if _OURS in text[each.start : each.end]), None)


def curl_config(url: str, key: str, machine: str) -> str:
    """How curl reaches the box: it gives up soon, and says nothing of an error."""
    lines = ["silent", "fail", "connect-timeout = 1", "max-time = 1.4"]
    lines += ['header = "Content-Type: application/json"', 'header = "Expect:"']
    if url.startswith("unix:"):
        socket = url.removeprefix("unix:").removeprefix("//")
        lines += [f"unix-socket = {_quoted(socket)}", 'url = "http://localhost/v1/session/hook"']
    else:
        lines.append(f"url = {_quoted(url.rstrip('/') + '/v1/session/hook')}")
    for name, value in (("Authorization", f"Bearer {key}" if key else ""), ("X-Membox-Machine", machine)):
        if value:
            lines.append(f"header = {_quoted(f'{name}: {value}')}")
    return "\n".join(lines) + "\n"


def key_in(file: Path) -> str:
    """The key in such a file; empty when there is none."""
    try:
        found = _KEY.search(file.read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return found[1] if found else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _read(file: Path) -> str | None:
    """A file's text with its line ends; None when there is no file."""
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise _bad(file, "It is not UTF-8.") from None


def _change(file: Path, edit: Callable[[str | None], str | None]) -> bool:
    """Change a file by `edit`, also one behind a link; its permissions stay. False when nothing was to be done."""
    target = file.resolve()
    for attempt in range(_ATTEMPTS):
        look = target.stat() if target.exists() else None
        before = _read(target)
        after = edit(before)
        if after == before:
            return False
        try:
            target.unlink() if after is None else rewrite(target, after.encode(), look)
        except ChangedError:
            if attempt + 1 == _ATTEMPTS:
                raise _bad(file, "Somebody else is changing it.") from None
        else:
            break
    return True


def _bad(file: Path, why: str) -> InvalidError:
    return InvalidError("bad_settings", f"{file} is left as it is: {why} Mend it, then try again.")

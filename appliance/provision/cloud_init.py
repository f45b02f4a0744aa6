"""The cloud-init file that is pasted where a new server is ordered: one template, one script, a few answers."""

import json
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import ConflictError, InvalidError, TooLargeError
from appliance.provision import bundled

__all__ = ["DEFAULTS", "LIMIT_BYTES", "PLACEHOLDER", "render", "write"]

LIMIT_BYTES = 32 * 1024  # what Hetzner takes, and the smallest limit of those providers that take a file at all
PLACEHOLDER = "PASTE-YOUR-TAILSCALE-AUTH-KEY-HERE"  # first-boot.sh stops at its first word
# What cloud-init/hetzner.yaml says: the variables of the roles that a person may want to see there.
DEFAULTS: Mapping[str, object] = {
    "membox_wheel": "membox",
    "membox_tailscale_hostname": "memory-box",
    "membox_tailscale_owners": [],
    "membox_base_timezone": "Etc/UTC",
}


def render(answers: Mapping[str, object] | None = None, auth_key: str = PLACEHOLDER) -> str:
    """The file's text, with `answers` over the defaults.

    Raises:
        InvalidError: the key is not one line of printable ASCII.
        TooLargeError: it got larger than providers take.
    """
    import jinja2

    if not (auth_key.isascii() and auth_key.isprintable()) or " " in auth_key:
        raise InvalidError("bad_auth_key", "A Tailscale key is one word; copy it again from the admin console.")
    # It makes YAML, not HTML: every value goes through the filter of that name.
    environment = jinja2.Environment(keep_trailing_newline=True, trim_blocks=True)  # noqa: S701 - as said above
    environment.filters["yaml"] = _yaml
    template = environment.from_string(bundled("cloud-init/box.yaml.j2").read_text(encoding="utf-8"))
    script = bundled("cloud-init/first-boot.sh").read_text(encoding="utf-8")
    text = template.render(answers={**DEFAULTS, **(answers or {})}, auth_key=auth_key, script=script.rstrip("\n"))
    if len(text.encode()) > LIMIT_BYTES:
        raise TooLargeError("cloud_init_too_large", f"The file is larger than the {LIMIT_BYTES} bytes providers take.")
    return text


def _yaml(value: object) -> str:
    """A string, list of strings, number or switch as YAML, on one line and in ASCII."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if not isinstance(value, str):
        return json.dumps(value)
    plain = (c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in value)
    return f'"{"".join(plain)}"'


def write(path: Path, text: str, force: bool = False) -> None:
    """Put `text` into a new file that only its owner can read, as it holds a key.

    Raises:
        ConflictError: there is such a file already, and `force` is not set.
    """
    from appliance.durable import write_atomically

    if path.exists() and not force:
        raise ConflictError("file_exists", f"There is a file {path} already; choose another name, or add --force.")
    write_atomically(path, text)

"""Secrets taken out of what leaves the box: whatever equals one of its own, or is formed like one."""

import base64
import json
import re
import secrets as randomness
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

REMOVED = "[removed]"
_SHORTEST = 4  # characters; a shorter secret would take half of every text with it

# How keys and passwords are formed. What stands before one, in the group `kept`, stays.
KEY_FORMS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY[A-Z ]*-----(?:.*?-----END [A-Z ]*PRIVATE KEY[A-Z ]*-----|(?:\s+[\w+/=]{16,})*)",
    r"AGE-SECRET-KEY-\w+",
    r"\bmbx_\w+[\w-]*",  # our keys
    r"\b(?:tskey|sk|pk|rk|gh[a-z]|github_pat|glpat|xox[a-z]|hf|npm)[-_][\w-]{8,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
    r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?",  # JSON web tokens
    r"(?<=://)[^/\s@\"'<>]+@",  # user and password in an address
    r"(?<=[?#&])[\w-]*(?:ticket|token|key|secret|passw|auth|sig)[\w-]*=[^&\s\"'<>]+",
)
# A value said to be one, such as "password: hunter2!" or TOKEN=4f…; words alone, such as "password: ask me", stay.
_NAMES = r"[\w-]*(?:password|passwort|passphrase|passwd|secret|token|api[ _-]?key|access[ _-]?key)"
_VALUE = r"(?=[^\s\"'`]*\d)[^\s\"'`]{6,}"
SAID_FORMS = (rf"(?P<kept>(?i:\b(?:{_NAMES}\b[\"'`*]*\s*(?:=|:|is\b)|bearer|basic)[\s\"'`*]*)){_VALUE}",)


@dataclass(frozen=True)
class Hidden:
    """A text with a placeholder for each secret; `restore` puts them back into what was made of it."""

    text: str
    secrets: dict[str, str]

    def restore(self, text: str) -> str:
        """`text` with the secrets where their placeholders stand."""
        for placeholder, secret in self.secrets.items():
            text = text.replace(placeholder, secret)
        return text


class Redactor:
    """Takes out `secrets`, also as JSON, addresses and base64 write them, and whatever has one of `forms`."""

    def __init__(self, secrets: Iterable[str], forms: Iterable[str] = KEY_FORMS + SAID_FORMS) -> None:
        pieces = {piece for secret in secrets for piece in (secret.strip(), *secret.splitlines())}
        written = {form for piece in pieces if len(piece) >= _SHORTEST for form in _written(piece)}
        # The longest first, so that no part of one is left when another is found inside of it.
        self._known = [re.compile(re.escape(form), re.IGNORECASE) for form in sorted(written, key=len, reverse=True)]
        self._forms = re.compile("|".join(forms), re.DOTALL)

    def text(self, text: str) -> str:
        """`text` without them."""
        for known in self._known:
            text = known.sub(REMOVED, text)
        return self._forms.sub(lambda found: _kept(found) + REMOVED, text)

    def value(self, value: Any) -> Any:
        """`value`, as JSON has it, without them: in every text, names of fields too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value

    def hide(self, text: str) -> Hidden:
        """`text` with placeholders that nobody can guess, so that no text can ask for a secret by its placeholder."""
        mark, secrets = randomness.token_hex(4), dict[str, str]()

        def placeholder(found: re.Match[str]) -> str:
            secret = found.group().removeprefix(_kept(found))
            for known, kept in secrets.items():
                if kept == secret:
                    return _kept(found) + known
            secrets[name := f"[secret {mark}-{len(secrets) + 1}]"] = secret
            return _kept(found) + name

        for pattern in (*self._known, self._forms):
            text = pattern.sub(placeholder, text)
        return Hidden(text, secrets)


def _kept(found: re.Match[str]) -> str:
    return found.groupdict().get("kept") or ""


def _written(secret: str) -> set[str]:
    return {
        secret,
        json.dumps(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    }

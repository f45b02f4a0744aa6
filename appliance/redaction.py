"""Secrets taken out of what leaves the box: whatever equals one of its own, or is formed like one."""

import base64
import json
import re
from collections.abc import Iterable
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

    def found(self, text: str) -> list[str]:
        """What `text` would take out of `text`, each once."""
        secrets: dict[str, None] = {}

        def note(match: re.Match[str]) -> str:
            secrets[match.group().removeprefix(_kept(match))] = None
            return _kept(match) + REMOVED

        for pattern in (*self._known, self._forms):
            text = pattern.sub(note, text)
        return list(secrets)


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

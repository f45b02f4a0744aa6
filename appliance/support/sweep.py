"""The last look at what leaves the box: whatever equals a secret, or is formed like one, goes.

What goes into a bundle was chosen by what may be shown (appliance/support/contents.py); this is for what slipped in.
"""

import base64
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

REMOVED = "[removed]"
_SHORTEST = 4  # characters; a shorter secret would take half of every text with it
_FORMS = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)",
            r"AGE-SECRET-KEY-\w+",
            r"\bmbx_\w+[\w-]*",  # our keys
            r"\b(?:tskey|sk|pk|rk|gh[a-z]|github_pat|glpat|xox[a-z]|hf|npm)[-_][\w-]{8,}",
            r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
            r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?",  # JSON web tokens
            r"(?<=://)[^/\s@\"'<>]+@",  # user and password in an address
            r"(?<=[?#&])[\w-]*(?:ticket|token|key|secret|passw|auth|sig)[\w-]*=[^&\s\"'<>]+",
            r"(?i:\b(?:bearer|basic)\s+[\w+/=.~-]{6,})",
            r"(?i:\b(?:cookie|authorization)\s*:\s*.+)",
            r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",  # logins and mail addresses
            r"\b[\w-]+(?:\.[\w-]+)*\.ts\.net\b",  # names in a tailnet
            r"(?<![\w+=-])(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{32,}",  # anything long and random
        )
    ),
    re.DOTALL,
)


class Sweep:
    """Takes out `secrets`, also as JSON, addresses and base64 write them, and whatever is formed like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        pieces = {piece for secret in secrets for piece in (secret.strip(), *secret.splitlines())}
        written = {form for piece in pieces if len(piece) >= _SHORTEST for form in _written(piece)}
        # The longest first, so that no part of one is left when another is found inside of it.
        self._known = [re.compile(re.escape(form), re.IGNORECASE) for form in sorted(written, key=len, reverse=True)]

    def text(self, text: str) -> str:
        """`text` without them."""
        for known in self._known:
            text = known.sub(REMOVED, text)
        return _FORMS.sub(REMOVED, text)

    def value(self, value: Any) -> Any:
        """`value`, as JSON has it, without them: in every text, names of fields too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.value(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value


def _written(secret: str) -> set[str]:
    return {
        secret,
        json.dumps(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    }

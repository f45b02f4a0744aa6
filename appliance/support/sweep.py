"""The last look at what leaves the box in a bundle: whatever equals a secret, or is formed like one, goes.

What goes into a bundle was chosen by what may be shown (appliance/support/contents.py); this is for what slipped in.
"""

from collections.abc import Iterable

from appliance.redaction import KEY_FORMS, REMOVED, Redactor

__all__ = ["REMOVED", "Sweep"]

# A bundle is for strangers, and loses nothing by these.
_PRIVATE_FORMS = (
    r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)",
    r"(?i:\b(?:cookie|authorization)\s*:\s*.+)",
    r"(?i:\b(?:bearer|basic)\s+[\w+/=.~-]{6,})",
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",  # logins and mail addresses
    r"\b[\w-]+(?:\.[\w-]+)*\.ts\.net\b",  # names in a tailnet
    r"(?<![\w+=-])(?=[\w+=-]*\d)(?=[\w+=-]*[A-Za-z])[\w+=-]{32,}",  # anything long and random
)


class Sweep(Redactor):
    """Takes out `secrets`, also as JSON, addresses and base64 write them, and whatever is formed like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(secrets, _PRIVATE_FORMS + KEY_FORMS)

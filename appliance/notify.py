"""Messages to the owner: through Apprise, into a file, into the log (contract notebook, The day).

Apprise is loaded in a child process (`python -m appliance.notify`), which is told over its standard input where to send
what; a message goes out a few times a month, and the daemon stays small.
"""

import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from appliance.clock import Clock, iso, local, to_ms
from appliance.config import Config
from appliance.durable import write_atomically
from appliance.errors import MemboxError, NotConfiguredError, NotFoundError
from appliance.redaction import Redactor
from appliance.secrets import NAME, Secrets

LOG, EMAIL, FILE = "log", "email", "file"
PREFIX = "notify-"  # of the secrets that are the addresses of named targets
ALERTS = "alerts"
_FAILURES = "notify-failures.json"
_SECONDS = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """The last message that did not reach a target: when, and why."""

    at: str
    why: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages can go; `missing` says what has to be set before they can, `failure` is the last one's."""

    name: str
    is_default: bool
    missing: str
    failure: Failure | None


class Notifier:
    """Sends messages; the settings are read at every use. Thread safe.

    Args:
        settings: gives the settings as they are now.
    """

    def __init__(self, settings: Callable[[], Config], secrets: Secrets, home: Path, clock: Clock) -> None:
        self._settings = settings
        self._secrets = secrets
        self._home = home
        self._clock = clock
        self._lock = threading.Lock()

    def send(self, title: str, body: str, link: str | None = None, target: str | None = None) -> bool:
        """Tell the owner; whether it was handed over. Never raises: a failure is in the log and on Today.

        Args:
            link: a page on it, put below the text.
            target: `log`, `email`, `file` or a named one; by default that of `daemon.drift_notify`.
        """
        title, text = " ".join(title.split()), f"{body}\n\n{link}" if link else body
        try:
            name = target or self._settings().daemon.drift_notify
            return self._handed_over(name, title, text)
        except Exception:  # noqa: BLE001 - whoever has something to tell is not to fail by it; the log has it
            _log.exception("the message %r could not be handed over: %s", title, text)
            return False

    def targets(self) -> list[Target]:
        """Every target there is, and the default one also when there is none of that name."""
        settings, failures = self._settings(), self._failures()
        named = [name.removeprefix(PREFIX) for name in self._secrets.names() if name.startswith(PREFIX)]
        default = settings.daemon.drift_notify
        missing = {LOG: "", FILE: "", EMAIL: _missing(settings), **dict.fromkeys(named, "")}
        missing.setdefault(default, f"Give it an address: `membox notify add {default}`.")
        return [Target(name, name == default, what, failures.get(name)) for name, what in missing.items()]

    def failure(self, target: str) -> str:
        """Why the last message did not reach `target`; empty when it did, or none was sent."""
        return failure.why if (failure := self._failures().get(target)) else ""

    def _handed_over(self, name: str, title: str, text: str) -> bool:
        try:
            why = self._sent(name, title, text)
        except (MemboxError, OSError) as fault:
            why = str(fault)
        self._note(name, why)
        if why:
            _log.warning("the message %r did not reach %s (%s): %s", title, name, why, text)
        return not why

    def _sent(self, name: str, title: str, text: str) -> str:
        """Why it did not go; empty when it did."""
        if name == LOG:
            _log.warning("%s: %s", title, text)
            return ""
        if name == FILE:
            self._write(title, text)
            return ""
        if name == EMAIL:
            address, login = self._mail()
            return _told_by_child(address, title, text, [login])
        address = self._address(name)
        return _told_by_child(address, title, text, re.split(r"[/:?&=@]+", address))

    def _write(self, title: str, text: str) -> None:
        """A file of its own, whatever is there already."""
        directory = self._home / ALERTS
        directory.mkdir(mode=0o700, exist_ok=True)
        moment = local(self._clock(), self._settings().core.timezone)
        words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "message"
        for number in range(1, 10_000):
            name = f"{moment:%Y-%m-%dT%H%M%S}-{words}{f'-{number}' if number > 1 else ''}.txt"
            try:
                with (directory / name).open("x", encoding="utf-8") as file:
                    file.write(f"{title}\n\n{text}\n")
            except FileExistsError:
                continue
            return

    def _address(self, name: str) -> str:
        try:
            return self._secrets.get(PREFIX + name)
        except NotFoundError as fault:
            raise NotConfiguredError("no_target", f"There is no target {name}: `membox notify add {name}`.") from fault

    def _mail(self) -> tuple[str, str]:
        """The mail server for Apprise, which refuses one without STARTTLS, and the password in that address."""
        settings = self._settings()
        if missing := _missing(settings):
            raise NotConfiguredError("no_mail", missing)
        daemon = settings.daemon
        fields = {"from": daemon.digest_email_from, "to": daemon.digest_email_to, "mode": "starttls", "format": "text"}
        fields["smtp"] = daemon.digest_smtp_host
        login = password = ""
        if daemon.digest_smtp_user:
            password = self._secrets.get("digest-smtp-password")
            login = f"{quote(daemon.digest_smtp_user, safe='')}:{quote(password, safe='')}@"
        return f"mailtos://{login}{daemon.digest_smtp_host}:{daemon.digest_smtp_port}/?{urlencode(fields)}", password

    def _failures(self) -> dict[str, Failure]:
        try:
            kept = json.loads((self._home / _FAILURES).read_bytes())
            return {str(name): Failure(str(each["at"]), str(each["why"])) for name, each in kept.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # none yet, or half of a file that a person made

    def _note(self, name: str, why: str) -> None:
        with self._lock:
            failures = self._failures()
            if not why and name not in failures:
                return
            failures.pop(name, None)
            if why:
                failures[name] = Failure(iso(to_ms(self._clock())), why)
            kept = {name: asdict(failure) for name, failure in failures.items()}
            write_atomically(self._home / _FAILURES, json.dumps(kept, indent=1).encode())


def check_name(name: str) -> None:
    """NotConfiguredError unless `name` can be that of a target of one's own."""
    if name in (LOG, EMAIL, FILE) or not re.fullmatch(NAME, name) or not re.fullmatch(NAME, PREFIX + name):
        raise NotConfiguredError(
            "bad_target", f"A target cannot be called {name!r}; take another name, of lower-case letters and digits."
        )


def check_address(address: str) -> None:
    """NotConfiguredError unless `address` has the form of one of Apprise's."""
    if not re.fullmatch(r"[a-z][a-z0-9]+://\S+", address):
        raise NotConfiguredError(
            "bad_address",
            "That is no address of Apprise's, such as ntfys://ntfy.sh/TOPIC; https://appriseit.com lists them.",
        )


def _missing(settings: Config) -> str:
    keys = ("digest_email_to", "digest_email_from", "digest_smtp_host")
    missing = [f"daemon.{key}" for key in keys if not getattr(settings.daemon, key)]
    return f"Set {', '.join(missing)}." if missing else ""


def _told_by_child(address: str, title: str, text: str, secrets: Iterable[str]) -> str:
    """Why the child could not send; `secrets` stand in the address, which what Apprise says may repeat."""
    told = json.dumps({"address": address, "title": title, "text": text})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "appliance.notify"],
            input=told.encode(), capture_output=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
        why = json.loads(done.stdout)["why"]
    except subprocess.TimeoutExpired:
        return f"there was no answer within {_SECONDS:.0f} s"
    except (OSError, ValueError, KeyError, TypeError) as fault:
        return f"the sending process failed ({type(fault).__name__})"
    return " ".join(Redactor([address, *secrets]).text(str(why)).split())[:300]


def _send(told: dict[str, Any]) -> str:
    """Send by Apprise, in the child; why it did not go, empty when it did."""
    try:
        import apprise
    except ImportError:
        return "the library apprise is not installed; install membox[notify]"
    sender = apprise.Apprise()
    with apprise.LogCapture(  # type: ignore[no-untyped-call]  # Apprise has no types there
        level=logging.WARNING, fmt="%(message)s"
    ) as said:
        if not sender.add(told["address"]):
            return "Apprise does not know such an address"
        if sender.notify(title=told["title"], body=told["text"], body_format=apprise.NotifyFormat.TEXT):
            return ""
        return said.getvalue() or "the service did not take it"


if __name__ == "__main__":
    json.dump({"why": _send(json.loads(sys.stdin.buffer.read()))}, sys.stdout)

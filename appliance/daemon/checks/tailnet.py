"""Is the box on its tailnet, and served there?"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from appliance.config import read_toml
from appliance.daemon.findings import Finding, error, ok, warn
from appliance.errors import NotConfiguredError
from appliance.home import CONFIG_FILE
from appliance.machine import Machine

_LEAST = (1, 94)  # the first that serves a unix socket (contract box)
_SOON = timedelta(days=14)
_MACHINES = "https://login.tailscale.com/admin/machines"
_DNS = "https://login.tailscale.com/admin/dns"
_STATES = {
    "NeedsLogin": ("The box is not signed in to its tailnet.", "`sudo tailscale up` prints a link to sign it in."),
    "NeedsMachineAuth": ("The tailnet's admin has not let this box in yet.", f"Approve it at {_MACHINES}."),
    "Stopped": ("Tailscale is switched off, so nobody reaches the box over the tailnet.", "`sudo tailscale up`."),
}


def check_machine(machine: Machine, _deep: bool) -> Iterator[Finding]:
    """What tailscaled says of the connection, the key, the names, and of what it serves."""
    if not machine.is_box:
        return
    asked = machine.ask("tailscale", "status", "--json")
    if asked is None:
        return  # a box without a tailnet, which is possible
    seen = table(asked.out)
    if not seen.get("BackendState"):
        remedy = "`sudo systemctl restart tailscaled`, then `sudo tailscale status`."
        yield error("tailnet", "tailscaled does not answer.", remedy)
        return
    faults = [*_version(seen), *_connection(seen), *_serving(machine, seen)]
    yield from faults
    if not faults:
        yield ok("tailnet", f"On the tailnet as {_name(seen)}.")


def table(text: str) -> dict[str, Any]:
    """What a tool printed as a JSON object; nothing when it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def served(machine: Machine) -> dict[str, Any]:
    """What `tailscale serve` serves here."""
    said = machine.ask("tailscale", "serve", "status", "--json")
    return table(said.out) if said and not said.code else {}


def _name(seen: dict[str, Any]) -> str:
    self = seen.get("Self") or {}
    return str(self.get("DNSName") or self.get("HostName") or "this machine").rstrip(".")


def _version(seen: dict[str, Any]) -> Iterator[Finding]:
    found = re.match(r"(\d+)\.(\d+)", str(seen.get("Version", "")))
    if found and (int(found[1]), int(found[2])) < _LEAST:
        sentence = f"Tailscale {found[0]} cannot serve the box's socket; that takes {_LEAST[0]}.{_LEAST[1]}."
        yield error("tailnet", sentence, "`sudo apt-get update && sudo apt-get install tailscale`.")


def _connection(seen: dict[str, Any]) -> Iterator[Finding]:
    state, expiry = seen["BackendState"], _key_expiry(seen)
    if state in _STATES:
        yield error("tailnet", *_STATES[state])
    elif state != "Running":
        yield warn("tailnet", "Tailscale is starting, or has no network.", "Look again in a minute.")
    elif expiry and expiry - datetime.now(UTC) < _SOON:
        sentence = f"The box's key to the tailnet ends on {expiry:%Y-%m-%d}; then nobody reaches it there."
        yield warn("tailnet", sentence, f"Choose “Disable key expiry” for {_name(seen)} at {_MACHINES}.")


def _key_expiry(seen: dict[str, Any]) -> datetime | None:
    """When the node's key ends; None for one that does not."""
    try:
        moment = datetime.fromisoformat(str((seen.get("Self") or {}).get("KeyExpiry", "")))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _serving(machine: Machine, seen: dict[str, Any]) -> Iterator[Finding]:
    """Funnel must be off whoever switched it on; what is missing counts only where the box is to be served."""
    serving = served(machine)
    sessions = (serving.get("Foreground") or {}).values()  # of those who keep `tailscale funnel` open at a terminal
    if any(on for config in (serving, *sessions) for on in (config.get("AllowFunnel") or {}).values()):
        sentence = "Tailscale Funnel is on: the box is offered to the whole internet."
        yield error("tailnet", sentence, "`sudo tailscale funnel reset`, then `sudo membox provision --local`.")
    if seen["BackendState"] != "Running" or not _is_to_be_served(machine):
        return
    if not (seen.get("CurrentTailnet") or {}).get("MagicDNSEnabled"):
        yield error("tailnet", "MagicDNS is off in the tailnet, so the box has no name there.", f"Enable it at {_DNS}.")
    elif not seen.get("CertDomains"):
        sentence = "HTTPS is off in the tailnet, so no browser can open the box."
        yield error("tailnet", sentence, f"Choose “Enable HTTPS” at {_DNS}.")
    elif not serving.get("Web"):
        sentence = "The box is on the tailnet, but not served there."
        yield error("tailnet", sentence, "Run the playbook again: `sudo membox provision --local`.")


def _is_to_be_served(machine: Machine) -> bool:
    try:
        tables = read_toml(machine.home / CONFIG_FILE)
    except NotConfiguredError:
        return False  # the check of the settings says so
    return (tables.get("tailnet") or {}).get("serve") is True

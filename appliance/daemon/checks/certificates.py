"""Does the certificate by which browsers know the box last?"""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from appliance.daemon.checks.tailnet import served, table
from appliance.daemon.findings import Finding, error, ok, warn
from appliance.machine import Machine

_SOON = timedelta(days=14)  # tailscaled renews it a month before its end
_SECONDS = 5.0
_REMEDY = "`sudo tailscale cert {name}` asks for a new one and says what stands in its way."


def check_machine(machine: Machine, deep: bool) -> Iterator[Finding]:
    """Deep, as it takes connections: the certificate of every name that `tailscale serve` answers for."""
    if not machine.is_box or not deep:
        return
    said = machine.ask("tailscale", "status", "--json")
    addresses = (table(said.out).get("TailscaleIPs") if said else None) or []
    for place in served(machine).get("Web") or {} if addresses else ():
        name, _, port = str(place).rpartition(":")
        if moment := _end(str(addresses[0]), int(port) if port.isdigit() else 443, name):
            yield _judged(name, moment)


def _judged(name: str, end: datetime) -> Finding:
    left = end - datetime.now(UTC)
    if left < timedelta():
        sentence = f"The certificate of {name} ended on {end:%Y-%m-%d}: browsers refuse the box."
        return error("certificates", sentence, _REMEDY.format(name=name))
    if left < _SOON:
        sentence = f"The certificate of {name} ends on {end:%Y-%m-%d} and has not been renewed."
        return warn("certificates", sentence, _REMEDY.format(name=name))
    return ok("certificates", f"The certificate of {name} is good until {end:%Y-%m-%d}.")


def _end(address: str, port: int, name: str) -> datetime | None:
    """When the certificate ends that is shown there under `name`; None when nobody shows one."""
    from cryptography import x509

    # Only its dates are wanted, of an expired one too; nothing is sent over this connection.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address, port), _SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name) as shown,
        ):
            certificate = shown.getpeercert(binary_form=True)
    except OSError:
        return None
    return x509.load_der_x509_certificate(certificate).not_valid_after_utc if certificate else None

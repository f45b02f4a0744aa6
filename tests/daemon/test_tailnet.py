"""What the doctor says of the tailnet and of the certificate by which browsers know the box."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.daemon.findings import Severity

OK, WARN, ERROR = Severity.OK, Severity.WARN, Severity.ERROR
Tools = Any  # of conftest.py


def on_tailnet(**changes: object) -> str:
    """`tailscale status --json` of a box that is well, but for `changes`."""
    status = {
        "Version": "1.94.2-t8b1f1e1d5-g1",
        "TUN": True,
        "BackendState": "Running",
        "HaveNodeKey": True,
        "AuthURL": "",
        "TailscaleIPs": ["127.0.0.1", "fd7a:115c:a1e0::1"],
        "Self": {"ID": "n1", "HostName": "box", "DNSName": "box.tail1.ts.net.", "OS": "linux", "Online": True},
        "Health": [],
        "MagicDNSSuffix": "tail1.ts.net",
        "CurrentTailnet": {"Name": "ada@example.com", "MagicDNSSuffix": "tail1.ts.net", "MagicDNSEnabled": True},
        "CertDomains": ["box.tail1.ts.net"],
        "Peer": {},
        "User": {"1": {"ID": 1, "LoginName": "ada@example.com"}},
    }
    return json.dumps(status | changes)


def served_at(port: int = 443, **more: object) -> str:
    """`tailscale serve status --json` of a box that serves its socket."""
    handlers = {"Handlers": {"/": {"Proxy": "unix:/var/lib/membox/run/serve.sock"}}}
    return json.dumps({"TCP": {str(port): {"HTTPS": True}}, "Web": {f"box.tail1.ts.net:{port}": handlers}, **more})


def key_ends_in(days: int) -> dict[str, object]:
    end = datetime.now(UTC) + timedelta(days=days, hours=1)
    return {"Self": {"DNSName": "box.tail1.ts.net.", "KeyExpiry": end.isoformat().replace("+00:00", "Z")}}


@pytest.mark.parametrize(
    ("status", "serving", "says", "remedy"),
    [
        (on_tailnet(BackendState="NeedsLogin"), "{}", "not signed in", "tailscale up"),
        (on_tailnet(BackendState="Stopped"), "{}", "switched off", "tailscale up"),
        (on_tailnet(BackendState="NeedsMachineAuth"), "{}", "not let this box in", "https://login.tailscale.com"),
        (on_tailnet(**key_ends_in(5)), served_at(), "key to the tailnet ends", "Disable key expiry"),
        (on_tailnet(Version="1.86.2"), served_at(), "1.86", "apt-get install tailscale"),
        (on_tailnet(CertDomains=None), "{}", "HTTPS is off", "admin/dns"),
        (on_tailnet(CurrentTailnet={"MagicDNSEnabled": False}), "{}", "MagicDNS is off", "admin/dns"),
        (on_tailnet(), "{}", "not served", "provision"),
        (on_tailnet(), served_at(AllowFunnel={"box.tail1.ts.net:443": True}), "Funnel is on", "funnel reset"),
        (on_tailnet(), served_at(Foreground={"1": {"AllowFunnel": {"a:443": True}}}), "Funnel is on", "funnel reset"),
        ("failed to connect to local tailscaled; it doesn't appear to be running", "", "not answer", "restart"),
    ],
)
def test_what_is_wrong_with_the_tailnet_is_named(box: Tools, status: str, serving: str, says: str, remedy: str) -> None:
    (box.machine.home / "config.toml").write_text("[tailnet]\nserve = true\n")
    box.prints("tailscale", status, when="status --json")
    box.prints("tailscale", serving, when="serve status --json")
    finding = box.fault("tailnet")
    assert says in finding.sentence
    assert remedy in finding.remedy


def test_a_box_well_on_its_tailnet_tells_its_name_and_nobodys_login(box: Tools) -> None:
    (box.machine.home / "config.toml").write_text("[tailnet]\nserve = true\n")
    box.prints("tailscale", on_tailnet(**key_ends_in(90)), when="status --json")
    box.prints("tailscale", served_at(), when="serve status --json")
    (finding,) = box.found("tailnet")
    assert (finding.severity, "box.tail1.ts.net" in finding.sentence) == (OK, True)
    assert "ada@example.com" not in finding.sentence


def test_a_box_that_is_not_to_be_served_needs_no_names_and_no_https(box: Tools) -> None:
    box.prints("tailscale", on_tailnet(CertDomains=None, CurrentTailnet=None), when="status --json")
    box.prints("tailscale", "{}", when="serve status --json")
    assert box.is_well("tailnet")


@pytest.fixture
def shows_certificate(tmp_path: Path) -> Iterator[Callable[[int], int]]:
    """Starts servers whose certificate is good for so many more days; their port."""
    servers: list[socket.socket] = []

    def show(days: int) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(tmp_path, days))
        servers.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=greet, args=(servers[-1], context), daemon=True).start()
        return int(servers[-1].getsockname()[1])

    yield show
    for server in servers:
        server.close()


def greet(server: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = server.accept()
    with suppress(OSError), context.wrap_socket(connection, server_side=True) as shaken:
        shaken.recv(1)


def certificate(directory: Path, days: int) -> Path:
    """A file with a key and a certificate that ends in `days` days."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "box.tail1.ts.net")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=99)).not_valid_after(now + timedelta(days=days, hours=1))
    file = directory / f"certificate-{days}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signed = builder.sign(key, hashes.SHA256())
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize(("days", "severity"), [(60, OK), (5, WARN), (-2, ERROR)])
def test_a_certificate_is_judged_by_the_one_that_is_shown(
    box: Tools, shows_certificate: Callable[[int], int], days: int, severity: Severity
) -> None:
    port = shows_certificate(days)
    box.prints("tailscale", on_tailnet(), when="status --json")
    box.prints("tailscale", served_at(port), when="serve status --json")
    assert box.found("certificates") == []
    (finding,) = box.found("certificates", deep=True)
    assert (finding.severity, "box.tail1.ts.net" in finding.sentence) == (severity, True)


def test_a_certificate_that_nobody_shows_is_no_finding(box: Tools) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    box.prints("tailscale", on_tailnet(), when="status --json")
    box.prints("tailscale", served_at(port), when="serve status --json")
    assert box.found("certificates", deep=True) == []

"""The machines of a scenario, seen from outside: over SSH, through tunnels, and by their power switch.

`.ci/molecule` sets the surroundings, `shared/create.yml` starts the machines and writes how they are reached.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import testinfra  # type: ignore[import-untyped] # it ships no types
from testinfra.host import Host  # type: ignore[import-untyped] # likewise

PROJECT = Path(__file__).parents[1]
SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]
RUN = Path(os.environ["MEMBOX_RUN"]) / SCENARIO
SSH = ["ssh", "-F", str(RUN / "ssh_config")]
START_IN_OWN_CGROUP = 'mkdir -p "$0"; echo $$ > "$0/cgroup.procs"; exec podman start "$1"'


def until[T](condition: Callable[[], T], what: str, seconds: float = 60) -> T:
    """What `condition` gives as soon as that is true; looks again every quarter of a second."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        time.sleep(0.25)
    return found


@dataclass(frozen=True)
class Machine:
    """A host of the scenario's inventory."""

    name: str

    @property
    def container(self) -> str:
        return f"{os.environ['MEMBOX_HOSTS']}-{SCENARIO}-{self.name}"

    @property
    def infra(self) -> Host:
        return testinfra.get_host(f"ssh://{self.name}", ssh_config=str(RUN / "ssh_config"), controlpersist=0)

    def tries(
        self, command: str, stdin: str = "", user: str = "root", timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command there over SSH."""
        if user != "root":
            command = f"cd / && runuser --user {user} -- sh -c {shlex.quote(command)}"
        given: dict[str, Any] = {"input": stdin, "capture_output": True, "text": True, "timeout": timeout}
        return subprocess.run([*SSH, self.name, command], check=False, **given)

    def run(self, command: str, stdin: str = "", user: str = "root") -> str:
        """What a shell command prints there; it has to succeed."""
        done = self.tries(command, stdin, user)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, command: str, stdin: str = "") -> Any:
        return json.loads(self.run(f"{command} --json", stdin))

    @contextmanager
    def tunnel(self, to: str = "127.0.0.1:8080") -> Iterator[int]:
        """A port here that leads to an address or a socket there, as `ssh -L` makes it."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["-S", "none", "-o", "ControlMaster=no", "-o", "ExitOnForwardFailure=yes", "-N", "-L"]
        command = [*SSH, *options, f"127.0.0.1:{port}:{to}", self.name]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as forwarding:
            try:
                until(lambda: _listens(port), "the tunnel is there")
                yield port
            finally:
                forwarding.terminate()

    @contextmanager
    def running(self, command: str) -> Iterator[None]:
        """A command that runs there until the block ends."""
        with subprocess.Popen([*SSH, "-tt", self.name, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            try:
                yield
            finally:
                run.terminate()

    @contextmanager
    def client(self, key: str = "", to: str = "127.0.0.1:8080") -> Iterator[httpx.Client]:
        """A program elsewhere that speaks HTTP with the box."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with (
            self.tunnel(to) as port,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client,
        ):
            yield client

    def new_key(self, name: str, role: str) -> str:
        return str(self.json(f"membox key create {name} --role {role}")["key"])

    def recalls(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.json(f"membox recall {shlex.quote(query)}")["items"]
        return found

    def is_healthy(self) -> bool:
        return self.tries("membox health").returncode == 0

    def reboot(self) -> None:
        """Shut it down in good order and start it again, as `reboot` does."""
        self.tries("systemctl poweroff")
        subprocess.run(["podman", "wait", self.container], capture_output=True, check=True, timeout=90)
        self.start()

    def start(self) -> None:
        """Power on; the machine may have another address afterwards, as with DHCP."""
        subprocess.run([*SSH, "-O", "exit", self.name], check=False, capture_output=True)
        cgroup = f"/sys/fs/cgroup/{self.container}"
        subprocess.run(
            ["sh", "-ec", START_IN_OWN_CGROUP, cgroup, self.container], capture_output=True, check=True, timeout=60
        )
        address = subprocess.run(
            ["podman", "exec", self.container, "hostname", "-I"], capture_output=True, text=True, check=True
        ).stdout.split()[0]
        config = (RUN / "ssh_config").read_text()
        (RUN / "ssh_config").write_text(
            re.sub(rf"(?<=^Host {self.name}\n  HostName ).*", address, config, flags=re.MULTILINE)
        )
        until(self._has_started, f"{self.name} has started", 90)

    def _has_started(self) -> bool:
        state = self.tries("systemctl is-system-running").stdout.strip()
        assert state != "degraded", self.run("systemctl --failed; journalctl --priority=err --boot")
        return state == "running"


@dataclass(frozen=True)
class Play:
    """How a playbook ended."""

    status: int
    output: str
    seconds: float

    def changed(self, machine: str) -> int:
        counted = re.search(rf"^{machine} .*changed=(\d+) .*unreachable=0 +failed=0", self.output, re.MULTILINE)
        assert counted, self.output
        return int(counted.group(1))

    @property
    def sentence(self) -> str:
        """The output as one line, in which a sentence is found however it was broken."""
        return " ".join(self.output.split())


@pytest.fixture(scope="session")
def play() -> Callable[..., Play]:
    """Run a playbook of the project against machines of the scenario, as its owner would."""

    def run(playbook: str, *options: str, limit: str = "boxes", **variables: Any) -> Play:
        inventories = (PROJECT / "molecule/shared/inventory", PROJECT / "molecule" / SCENARIO / "inventory")
        command = [
            "ansible-playbook",
            *(f"--inventory={each}/" for each in inventories),
            f"--limit={limit}",
            f"--extra-vars={json.dumps(variables)}",
            *options,
            str(PROJECT / "playbooks" / playbook),
        ]
        began = time.monotonic()
        heard: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 900}
        done = subprocess.run(command, check=False, env={**os.environ, "ANSIBLE_FORCE_COLOR": "false"}, **heard)
        return Play(done.returncode, done.stdout, time.monotonic() - began)

    return run


@pytest.fixture(scope="session")
def machine() -> type[Machine]:
    return Machine


@pytest.fixture(scope="session")
def box() -> Machine:
    return Machine("box")


@pytest.fixture(name="until", scope="session")
def wait_until() -> Callable[..., Any]:
    return until


@pytest.fixture
def chromium() -> str:
    for name in (os.environ.get("MEMBOX_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    pytest.skip("no Chromium: install Debian's chromium or say where it is with MEMBOX_CHROMIUM")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

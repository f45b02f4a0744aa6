"""From one release to the next and back, while a phone goes on sending notes."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from appliance import __version__

RUN = Path(os.environ["MEMBOX_RUN"]) / os.environ["MOLECULE_SCENARIO_NAME"]
WHEELS = {**json.loads((RUN / "wheels/wheels.json").read_text()), "this": os.environ["MEMBOX_WHEEL"]}


class Phone:
    """Sends notes as the phone's page does: what was not answered with 200 is sent again under the same key."""

    def __init__(self, name: str, client: httpx.Client) -> None:
        self.name = name
        self.sent: list[str] = []
        self.told_to_wait = 0
        self._client = client
        self._done = threading.Event()

    def send(self) -> None:
        while not self._done.is_set():
            note = f"{self.name} {len(self.sent)}"
            headers = {"Idempotency-Key": note.replace(" ", "-")}
            try:
                answer = self._client.post("/note", json={"text": note}, headers=headers)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code == 503:
                self.told_to_wait += int(answer.headers["Retry-After"]) > 0
                time.sleep(0.1)
                continue
            assert answer.status_code == 200, answer.text
            self.sent.append(note)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Sends from the first note that arrived until one more arrived after the block."""
        thread = threading.Thread(target=self.send)
        thread.start()
        try:
            self._one_more()
            yield
            self._one_more()
        finally:
            self._done.set()
            thread.join(timeout=60)

    def _one_more(self) -> None:
        seen, deadline = len(self.sent), time.monotonic() + 60
        while len(self.sent) <= seen:
            assert time.monotonic() < deadline, "no note arrives"
            time.sleep(0.05)


@pytest.fixture
def phone(box: Any, request: pytest.FixtureRequest) -> Iterator[Phone]:
    name = str(request.node.name).replace("_", "-")
    with box.client(box.new_key(name, "capture")) as client:
        yield Phone(name, client)


@pytest.fixture
def upgrade(play: Callable[..., Any]) -> Callable[[str], Any]:
    return lambda wheel: play("upgrade.yml", membox_wheel=WHEELS[wheel])


def version(box: Any) -> str:
    with box.client() as client:
        return str(client.get("/healthz").json()["version"])


def notes_of(box: Any, phone: Phone) -> list[str]:
    """The phone's notes in the order in which they stand in the notebook."""
    lines = box.run("cat /var/lib/membox/notebook/sessions/*.md").splitlines()
    return [line for line in lines if line.startswith(phone.name)]


def terminal(box: Any) -> str:
    return str(box.run("pgrep --oldest --full 'tmux -S /run/membox-agent'"))


def test_this_release_takes_over_from_the_one_before(box: Any, phone: Phone, upgrade: Callable[[str], Any]) -> None:
    agent = terminal(box)
    assert version(box) == f"{__version__}.dev1"
    with phone.sending():
        done = upgrade("this")
    assert done.status == 0, done.output
    assert version(box) == __version__
    assert notes_of(box, phone) == phone.sent
    assert terminal(box) == agent
    print(f"upgrade.yml: {done.seconds:.0f} s, {len(phone.sent)} notes meanwhile, {phone.told_to_wait} told to wait")


def test_a_release_with_a_new_schema_takes_over(box: Any, phone: Phone, upgrade: Callable[[str], Any]) -> None:
    before = box.json("membox db status")
    with phone.sending():
        done = upgrade("next")
    assert done.status == 0, done.output
    assert version(box) == f"{__version__}.post1"
    assert box.json("membox db status") != before
    assert phone.told_to_wait
    assert notes_of(box, phone) == phone.sent


def test_a_release_that_does_not_get_well_goes_back_by_itself(
    box: Any, phone: Phone, upgrade: Callable[[str], Any]
) -> None:
    agent, before = terminal(box), box.json("membox db status")
    with phone.sending():
        done = upgrade("broken")
    assert done.status != 0
    assert f"the box is back on {__version__}.post1" in done.sentence.lower(), done.output
    assert version(box) == f"{__version__}.post1"
    assert box.json("membox db status") == before
    assert phone.told_to_wait
    assert notes_of(box, phone) == phone.sent
    assert terminal(box) == agent


def test_after_going_back_the_good_release_is_still_in_place(box: Any, upgrade: Callable[[str], Any]) -> None:
    daemon = box.run("systemctl show --property MainPID membox")
    again = upgrade("next")
    assert again.status == 0, again.output
    assert again.changed("box") <= 1, again.output  # its wheel comes over again, as only the last one is kept
    assert box.run("systemctl show --property MainPID membox") == daemon
    assert box.is_healthy()
    assert not box.run("systemctl --failed --quiet --plain --no-legend").strip()


def test_the_last_three_releases_are_kept(box: Any) -> None:
    kept = set(box.run("ls /opt/membox/releases").split())
    assert {__version__, f"{__version__}.dev1", f"{__version__}.post1"} <= kept
    assert len(kept) <= 4  # with the one that was tried

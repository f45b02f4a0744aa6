"""What cannot work stops early, with one sentence that says what to do, and can be run again."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def refused(play: Callable[..., Any]) -> Callable[..., str]:
    """The sentence with which site.yml refuses a machine."""

    def ask(machine: str, **variables: Any) -> str:
        ended = play("site.yml", limit=machine, **variables)
        assert ended.status != 0, ended.output
        told = re.findall(r"^fatal: \[\w+\].*?\n((?:    .*\n)+)", ended.output, re.MULTILINE)
        assert told, ended.output
        message = re.search(r"\bmsg: (?:\|-|>-)?\s*(.*?)(?=\n    \w+:|\Z)", told[-1], re.DOTALL)
        assert message, told
        sentence = " ".join(message.group(1).split()).strip("'")
        print(sentence)
        assert "Traceback" not in ended.output
        return sentence

    return ask


@contextmanager
def without_network(box: Any) -> Iterator[None]:
    way = box.run("ip route show default").strip()
    box.run("ip route del default")
    try:
        yield
    finally:
        box.run(f"ip route add {way}")


def is_untouched(machine: Any) -> bool:
    return not machine.infra.file("/etc/membox").exists and not machine.infra.user("membox").exists


def test_debian_12_is_refused_by_name_with_what_to_install(refused: Callable[..., str], machine: Any) -> None:
    sentence = refused("old")
    assert sentence.startswith("Debian GNU/Linux 12 (bookworm) cannot become a box: install Debian 13")
    assert is_untouched(machine("old"))


def test_a_full_disk_is_told_before_anything_is_changed(refused: Callable[..., str], box: Any) -> None:
    assert re.match(r"Only \d+ MB are free and \d+ are needed: make room", refused("box"))
    assert is_untouched(box)
    box.run("mount -o remount,size=4g /opt")


def test_without_a_network_the_sentence_names_it(refused: Callable[..., str], box: Any) -> None:
    with without_network(box):
        assert "check the network" in refused("box")
    assert is_untouched(box)


def test_a_wheel_that_is_not_there_is_told_at_once(refused: Callable[..., str], box: Any) -> None:
    assert "There is no wheel /nowhere/membox-9-py3-none-any.whl" in refused(
        "box", membox_wheel="/nowhere/membox-9-py3-none-any.whl"
    )
    assert is_untouched(box)


def test_a_damaged_wheel_is_told(refused: Callable[..., str], box: Any, tmp_path: Path) -> None:
    wheel = tmp_path / Path(os.environ["MEMBOX_WHEEL"]).name
    wheel.write_bytes(Path(os.environ["MEMBOX_WHEEL"]).read_bytes()[:100_000])
    assert "is damaged or incomplete" in refused("box", membox_wheel=str(wheel))
    assert box.tries("systemctl is-active membox").returncode != 0


def test_a_key_that_is_none_is_told_before_tailscale_is_fetched(refused: Callable[..., str], box: Any) -> None:
    sentence = refused("box", membox_tailscale_state="present", membox_tailscale_auth_key="my password")
    assert "membox_tailscale_auth_key" in sentence
    assert "my password" not in sentence
    assert not box.infra.package("tailscale").is_installed


def test_after_all_that_the_same_machine_becomes_a_box(play: Callable[..., Any], box: Any) -> None:
    made = play("site.yml", limit="box")
    assert made.status == 0, made.output
    assert box.is_healthy()
    box.run("membox note 'Here at last'")


def test_a_damaged_wheel_leaves_a_box_that_serves_as_it_is(
    refused: Callable[..., str], box: Any, tmp_path: Path
) -> None:
    wheel = tmp_path / "membox-99.0-py3-none-any.whl"
    wheel.write_bytes(b"not a wheel")
    assert "is damaged or incomplete" in refused("box", membox_wheel=str(wheel))
    assert box.is_healthy()

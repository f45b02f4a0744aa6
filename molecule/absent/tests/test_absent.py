"""Every role undone leaves no unit, user, file or rule of ours behind."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LISTING = (Path(__file__).parents[1] / "listing.sh").read_text()


@pytest.fixture(scope="module")
def debians(box: Any, machine: Callable[[str], Any]) -> set[str]:
    """What a machine is with the packages that the roles had Debian install, and with nothing else."""
    plain = machine("plain")
    packages = set(box.run("apt-mark showmanual").split()) - set(plain.run("apt-mark showmanual").split())
    install = f"apt-get install --yes --no-install-recommends {shlex.join(sorted(packages))}"
    plain.run(f"export DEBIAN_FRONTEND=noninteractive; {{ apt-get update && {install}; }} 2>&1")
    return set(plain.run("sh -s", stdin=LISTING).splitlines())


@pytest.fixture
def left(box: Any, debians: set[str]) -> Callable[[], list[str]]:
    """What of ours is on the box."""
    return lambda: [line for line in box.run("sh -s", stdin=LISTING).splitlines() if line not in debians]


def test_the_box_was_one(box: Any, left: Callable[[], list[str]]) -> None:
    box.run("membox note 'I outlive it all'")
    assert {"unit: membox.service enabled", "file: /opt/membox/current"} <= set(left())


def test_without_a_word_about_the_data_it_stays_and_a_box_made_anew_finds_it(
    box: Any, play: Callable[..., Any]
) -> None:
    removed = play("remove.yml")
    assert removed.status == 0, removed.output
    assert box.tries("command -v membox").returncode != 0
    assert "I outlive it all" in box.run("cat /var/lib/membox/notebook/sessions/*.md")
    made = play("site.yml")
    assert made.status == 0, made.output
    assert "I outlive it all" in box.recalls("outlive it all")[0]["text"]


def test_told_to_remove_the_data_too_nothing_of_ours_is_left(
    box: Any, play: Callable[..., Any], left: Callable[[], list[str]]
) -> None:
    removed = play("remove.yml", membox_remove_data=True)
    assert removed.status == 0, removed.output
    assert left() == [], "\n".join(left())
    assert box.run("ls /srv/copies/mirror/generations")


def test_removing_again_changes_nothing(play: Callable[..., Any]) -> None:
    again = play("remove.yml", membox_remove_data=True)
    assert again.status == 0, again.output
    assert again.changed("box") == 0, again.output

"""Every role undone leaves no unit, user, file or rule of ours behind."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUN = Path(os.environ["MEMBOX_RUN"]) / os.environ["MOLECULE_SCENARIO_NAME"]
LISTING = Path(__file__).parents[1] / "listing.sh"
# Debian's own packages, which the roles installed and which stay: their users, units and settings.
DEBIANS = re.compile(
    r"""
    user: \s (postgres|polkitd|systemd-timesync|_chrony|messagebus|tcpdump):
    | group: \s (postgres|ssl-cert|polkitd|systemd-timesync|_chrony|messagebus):
    | unit: \s (?!.*membox|.*postgres.*membox)
    | file: \s /etc/(alternatives|rc\d\.d|systemd/system/[\w@.-]+\.wants|ssl/certs|postgresql|postgresql-common)(/|$)
    | file: \s /var/lib/(postgresql|polkit-1|pam|ucf|python|misc|dbus|git|unattended-upgrades)(/|$)
    | file: \s /(usr/share/(mime|info|icons|glib-2.0)|usr/lib/locale|usr/lib/.*\.cache|etc/ld\.so\.cache)(/|$)
    """,
    re.VERBOSE,
)


def left_on(box: Any) -> list[str]:
    """The lines of the listing which were not there before, without what Debian's packages account for."""
    before = set((RUN / "before").read_text().splitlines())
    after = box.run("sh -s", stdin=LISTING.read_text()).splitlines()
    return [line for line in after if line not in before and not DEBIANS.match(line)]


def test_the_box_was_one(box: Any) -> None:
    box.run("membox note 'I outlive it all'")
    assert any("membox" in line for line in left_on(box))


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


def test_told_to_remove_the_data_too_nothing_of_ours_is_left(box: Any, play: Callable[..., Any]) -> None:
    removed = play("remove.yml", membox_remove_data=True)
    assert removed.status == 0, removed.output
    assert left_on(box) == []


def test_removing_again_changes_nothing(play: Callable[..., Any]) -> None:
    again = play("remove.yml", membox_remove_data=True)
    assert again.status == 0, again.output
    assert again.changed("box") == 0, again.output

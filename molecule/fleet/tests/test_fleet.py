"""Three boxes and the machine they are run from, over SSH on a network of their own."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance import __version__

RUN = Path(os.environ["MEMBOX_RUN"]) / os.environ["MOLECULE_SCENARIO_NAME"]
WHEELS = {
    name: f"/root/membox/wheels/{Path(wheel).name}"
    for name, wheel in json.loads((RUN / "wheels/wheels.json").read_text()).items()
}
BOXES = ("one", "two", "three")

type Playing = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def play(machine: Callable[[str], Any]) -> Playing:
    """Run a playbook on the control machine."""

    def run(playbook: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        extra = shlex.quote(json.dumps(variables))
        command = f".venv/bin/ansible-playbook playbooks/{playbook} -i boxes.yml --extra-vars {extra}"
        done: subprocess.CompletedProcess[str] = machine("control").tries(f"cd membox && {command}", timeout=1200)
        return done

    return run


def versions(machine: Callable[[str], Any]) -> list[str]:
    return [str(machine(name).run("membox --version")).split()[-1] for name in BOXES]


def test_site_yml_makes_three_boxes_over_ssh(play: Playing, machine: Callable[[str], Any]) -> None:
    done = play("site.yml")
    assert done.returncode == 0, done.stdout
    assert versions(machine) == [__version__] * 3
    for name in BOXES:
        machine(name).run(f"membox note 'I am {name}'")
        assert f"I am {name}" in json.dumps(machine(name).recalls("I am"))


def test_a_rolling_upgrade_stops_at_the_first_box_that_does_not_get_well(
    play: Playing, machine: Callable[[str], Any]
) -> None:
    wheel = f"{{{{ '{WHEELS['broken']}' if inventory_hostname == 'two' else '{WHEELS['next']}' }}}}"
    done = play("upgrade.yml", membox_wheel=wheel)
    assert done.returncode != 0, done.stdout
    assert f"back on {__version__}, and nothing is lost" in " ".join(done.stdout.split()), done.stdout
    assert versions(machine) == [f"{__version__}.post1", __version__, __version__]
    for name in BOXES:
        assert machine(name).is_healthy()
        assert f"I am {name}" in json.dumps(machine(name).recalls("I am"))


def test_run_again_with_a_good_release_it_brings_the_rest_along(play: Playing, machine: Callable[[str], Any]) -> None:
    done = play("upgrade.yml", membox_wheel=WHEELS["next"])
    assert done.returncode == 0, done.stdout
    assert versions(machine) == [f"{__version__}.post1"] * 3


def test_remove_yml_makes_them_ordinary_machines_and_keeps_what_was_noted(
    play: Playing, machine: Callable[[str], Any]
) -> None:
    done = play("remove.yml")
    assert done.returncode == 0, done.stdout
    for name in BOXES:
        box = machine(name)
        assert box.tries("command -v membox").returncode != 0
        assert "membox" not in box.run("systemctl list-unit-files --no-legend; nft list ruleset")
        assert f"I am {name}" in box.run("cat /var/lib/membox/notebook/sessions/*.md")

"""`site.yml` on a blank machine, and on the box it made."""

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUN = Path(os.environ["MEMBOX_RUN"]) / os.environ["MOLECULE_SCENARIO_NAME"]
# What the roles may cost beside the packages they install, and what a run that has nothing to do may take.
DEAREST_FIRST_RUN, LONGEST_SECOND_RUN = 1.5, 45


def test_a_check_of_the_finished_box_finds_nothing_to_do(play: Callable[..., Any]) -> None:
    checked = play("site.yml", "--check", "--diff")
    assert checked.status == 0, checked.output
    assert checked.changed("box") == 0, checked.output


def test_a_second_run_changes_nothing_and_is_quick(play: Callable[..., Any]) -> None:
    second = play("site.yml")
    assert second.status == 0, second.output
    assert second.changed("box") == 0, second.output
    print(f"site.yml again: {second.seconds:.0f} s, 0 changed")
    assert second.seconds <= LONGEST_SECOND_RUN


def test_a_check_of_a_blank_machine_tells_what_would_be_done_and_does_nothing(
    play: Callable[..., Any], machine: Callable[[str], Any]
) -> None:
    blank = machine("blank")
    checked = play("site.yml", "--check", "--diff", limit="blank")
    assert checked.status == 0, checked.output
    assert checked.changed("blank") > 0
    assert not blank.infra.file("/opt/membox").exists
    assert not blank.infra.user("membox").exists


def test_the_first_run_took_little_more_than_the_packages_it_installs(machine: Callable[[str], Any], box: Any) -> None:
    """The same packages from the same places, by apt and pip alone on a blank machine."""
    debian = [line.partition("/")[0] for line in box.run("apt-mark showmanual").split()]
    blank = machine("blank")
    new = sorted(set(debian) - set(blank.run("apt-mark showmanual").split()))
    began, ended = (float((RUN / f"site-{name}").read_text()) for name in ("began", "ended"))
    lock = Path(__file__).parents[3] / "requirements.lock"
    bare = blank.run(
        f"""set -e; began=$(date +%s.%N); export DEBIAN_FRONTEND=noninteractive
        {{ apt-get update; apt-get install --yes --no-install-recommends {shlex.join(new)}; }} >/dev/null 2>&1
        python3 -m venv /root/bare; cat > /root/lock
        /root/bare/bin/pip install --quiet --require-hashes --requirement /root/lock >/dev/null
        echo "$(date +%s.%N) - $began" """,
        stdin=lock.read_text(),
    )
    end, start = map(float, re.findall(r"[\d.]+", bare))
    ratio = (ended - began) / (end - start)
    print(
        f"site.yml on a blank machine: {ended - began:.0f} s; what it installs alone: {end - start:.0f} s; {ratio:.2f}"
    )
    assert ratio <= DEAREST_FIRST_RUN

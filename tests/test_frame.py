"""The frame: what `make` offers, which Python it takes, and locks that hold anywhere."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def find_python(path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run .ci/find-python on a machine that has only what lies in `path`."""
    return subprocess.run(
        ["/bin/sh", ROOT / ".ci/find-python"],
        env={"PATH": str(path), "HOME": str(path), **environment},
        cwd=path,
        check=False,
        capture_output=True,
        text=True,
    )


def program(path: Path, text: str) -> Path:
    """An executable shell script at `path`."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_python_that_refuses_to_run_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    program(tmp_path / "python3", f'exec "{sys.executable}" "$@"')
    found = find_python(tmp_path)
    assert (found.returncode, found.stderr) == (0, "")
    assert Path(found.stdout.strip()).resolve() == Path(sys.executable).resolve()


def test_pyenv_is_found_without_being_on_the_path(tmp_path: Path) -> None:
    bin_directory = tmp_path / ".pyenv/versions/3.13.7/bin"
    bin_directory.mkdir(parents=True)
    program(bin_directory / "python3", f'exec "{sys.executable}" "$@"')
    assert find_python(tmp_path).returncode == 0


def test_a_python_asked_for_by_name_wins_and_is_spoken_of_when_it_does_not_suit(tmp_path: Path) -> None:
    old = program(tmp_path / "old", "exit 1")
    good = program(tmp_path / "good", f'exec "{sys.executable}" "$@"')
    assert find_python(tmp_path, PYTHON=str(good)).returncode == 0
    refused = find_python(tmp_path, PYTHON=str(old))
    assert refused.stderr.startswith(f"PYTHON={old} is not a Python 3.13 or later")


def test_without_any_python_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    nothing = find_python(tmp_path)
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert nothing.stderr.startswith("membox needs Python 3.13 or later")
    assert nothing.stderr.count("\n") == 1


@pytest.mark.skipif(not shutil.which("make"), reason="no make")
def test_make_alone_lists_every_task_with_a_sentence() -> None:
    listed = subprocess.run(["make", "-C", ROOT, "--no-print-directory"], check=True, capture_output=True, text=True)
    tasks = re.findall(r"^\.PHONY: (\w+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"^  make (\w+) +\w.+$", listed.stdout, re.MULTILINE) == [t for t in tasks if t != "tools"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_holds_by_hash_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    pins = re.split(r"\n(?=\S)", text.partition("\n#    make lock\n")[2].strip())
    assert len(pins) > 5
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
    assert re.findall(r"https?://|--index|--find-links", text) == []


def test_everything_asked_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    assert names(project["project"]["dependencies"]) <= pinned("requirements.lock")
    assert names(groups["build"]) <= pinned("requirements-build.lock")
    assert names([*groups["dev"][1:], *project["project"]["dependencies"]]) <= pinned("requirements-dev.lock")


def test_both_environments_run_the_same_versions() -> None:
    runtime, checked = (
        set((ROOT / name).read_text().split()) for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert {word for word in runtime if "==" in word} <= checked


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=~;\[ ]", requirement)[0] for requirement in requirements}


def pinned(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / lock).read_text(), re.MULTILINE))

"""Installing releases beside each other, with real wheels and the real pip, from a directory instead of an index."""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # makes many virtual environments

SCRIPT = Path(__file__).parents[2] / "roles/membox/files/install_release.py"
LOCK = "appliance/provision/bundled/requirements.lock"
MakeWheel = Callable[..., Path]
Install = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make_wheel(tmp_path: Path) -> MakeWheel:
    """`make_wheel("1.2", lock="", says="…")`: a wheel of membox whose command prints `says`."""

    def made(version: str, lock: str = "", says: str = "membox") -> Path:
        directory = tmp_path / "index"
        directory.mkdir(exist_ok=True)
        wheel = directory / f"membox-{version}-py3-none-any.whl"
        info = f"membox-{version}.dist-info"
        files = {
            "fake_membox.py": f"def main():\n    print({says!r})\n",
            LOCK: lock,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: membox\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": "[console_scripts]\nmembox = fake_membox:main\n",
        }
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
            archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
        return wheel

    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "opt"


@pytest.fixture
def install(root: Path, tmp_path: Path) -> Install:
    def run(source: Path | str, *words: str) -> "subprocess.CompletedProcess[str]":
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "index"), "PIP_CONFIG_FILE": os.devnull}
        command = [sys.executable, str(SCRIPT), str(source), "--root", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | offline)

    return run


def answer(done: "subprocess.CompletedProcess[str]") -> tuple[str, bool]:
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return told["release"], told["changed"]


def refusal(done: "subprocess.CompletedProcess[str]") -> str:
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def said_by(root: Path, release: str) -> str:
    done = subprocess.run([root / "releases" / release / "bin/membox"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_wheel_becomes_a_release_once(install: Install, make_wheel: MakeWheel, root: Path) -> None:
    wheel = make_wheel("1.2", says="one")
    assert answer(install(wheel)) == ("1.2", True)
    assert said_by(root, "1.2") == "one"
    record = json.loads((root / "releases/1.2/.complete").read_text())
    assert record == {"source": str(wheel), "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    assert answer(install(wheel)) == ("1.2", False)


def test_another_wheel_of_the_same_version_is_put_beside(install: Install, make_wheel: MakeWheel, root: Path) -> None:
    install(make_wheel("1.2", says="one"))
    other = make_wheel("1.2", says="two")
    beside = f"1.2+{hashlib.sha256(other.read_bytes()).hexdigest()[:8]}"
    assert answer(install(other)) == (beside, True)
    assert (said_by(root, "1.2"), said_by(root, beside)) == ("one", "two")
    assert answer(install(other)) == (beside, False)


def test_of_the_wheels_that_were_brought_only_the_last_stays(
    install: Install, make_wheel: MakeWheel, root: Path
) -> None:
    wheels = root / "wheels"
    wheels.mkdir(parents=True)
    first = make_wheel("1.2").rename(wheels / "membox-1.2-py3-none-any.whl")
    install(first)
    assert list(wheels.iterdir()) == [first]
    second = make_wheel("1.3").rename(wheels / "membox-1.3-py3-none-any.whl")
    install(second)
    assert list(wheels.iterdir()) == [second]


def test_what_was_broken_off_is_made_anew(install: Install, make_wheel: MakeWheel, root: Path) -> None:
    left = root / "releases/1.2/bin/membox"
    left.parent.mkdir(parents=True)
    left.write_text("half")
    assert answer(install(make_wheel("1.2", says="whole"))) == ("1.2", True)
    assert said_by(root, "1.2") == "whole"


def test_an_installation_that_still_goes_on_is_waited_for(install: Install, make_wheel: MakeWheel, root: Path) -> None:
    wheel = make_wheel("1.2")
    root.mkdir()
    with ThreadPoolExecutor() as beside, (root / ".install.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        running = beside.submit(install, wheel)
        assert wait([running], timeout=2).not_done
        flock(lock, LOCK_UN)
        assert answer(running.result()) == ("1.2", True)


def test_a_spec_is_asked_again_only_for_the_newest(install: Install, make_wheel: MakeWheel, root: Path) -> None:
    make_wheel("1.2")
    assert answer(install("membox")) == ("1.2", True)
    (root / "current").symlink_to("releases/1.2")
    make_wheel("1.3")
    assert answer(install("membox")) == ("1.2", False)
    assert answer(install("membox", "--newest")) == ("1.3", True)


def test_a_check_tells_what_would_be_done_and_does_nothing(install: Install, make_wheel: MakeWheel, root: Path) -> None:
    wheel = make_wheel("1.2")
    assert answer(install(wheel, "--check")) == ("1.2", True)
    assert not (root / "releases").exists()
    install(wheel)
    assert answer(install(wheel, "--check")) == ("1.2", False)


def test_a_wheel_that_is_another_than_promised_is_refused(install: Install, make_wheel: MakeWheel, root: Path) -> None:
    assert "has the SHA-256" in refusal(install(make_wheel("1.2"), f"--sha256={'0' * 64}"))
    assert not (root / "releases").exists()


def test_a_dependency_that_is_another_than_locked_is_refused(
    install: Install, make_wheel: MakeWheel, root: Path
) -> None:
    make_wheel("0.9").rename(make_wheel("0.9").with_name("other-1.0-py3-none-any.whl"))
    wheel = make_wheel("1.2", lock=f"other==1.0 --hash=sha256:{'0' * 64}\n")
    assert "could not be installed (ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" in refusal(install(wheel))
    assert not (root / "releases/1.2/.complete").exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("membox-1.2-py3-none-any.whl", b"no archive", "is damaged or incomplete"),
        ("notes.txt", b"", "is no wheel of membox"),
        ("other-1.2-py3-none-any.whl", b"", "is no wheel of membox"),
    ],
)
def test_what_is_no_wheel_is_refused_in_a_sentence(
    install: Install, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert sentence in refusal(install(tmp_path / name))


def test_a_wheel_that_is_not_there_is_refused_in_a_sentence(install: Install) -> None:
    assert "cannot be read (No such file or directory)" in refusal(install("/nowhere/membox-1.2-py3-none-any.whl"))
    assert "membox==9 could not be installed" in refusal(install("membox==9"))


def test_the_script_runs_on_what_debian_has() -> None:
    """Nothing but the standard library: it comes before everything else."""
    spec = importlib.util.spec_from_file_location("install_release", SCRIPT)
    assert spec is not None
    bare = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "--help"], capture_output=True, text=True, check=False
    )
    assert bare.returncode == 0, bare.stderr

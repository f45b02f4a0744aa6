"""The cloud-init file: byte for byte what is pasted, small enough, ending well or in a sentence."""

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ConflictError, InvalidError, TooLargeError
from appliance.provision import bundled
from appliance.provision.cloud_init import LIMIT_BYTES, PLACEHOLDER, render, write

PASTED = Path(__file__).parents[2] / "cloud-init" / "hetzner.yaml"
VENV_WHOSE_PIP_FAILS = r"""
case "$*" in *venv*)
    mkdir -p "$3/bin"
    printf '#!/bin/sh\nexit 1\n' >"$3/bin/pip"
    chmod +x "$3/bin/pip"
esac"""


def answers_of(text: str) -> dict[str, Any]:
    answers, _ = yaml.safe_load(text)["write_files"]
    return dict(yaml.safe_load(answers["content"]))


def test_the_pasted_file_is_what_render_writes() -> None:
    assert PASTED.read_text() == render(), "write it again: render() into cloud-init/hetzner.yaml"


def test_its_first_line_is_what_cloud_init_looks_for_to_the_byte() -> None:
    assert PASTED.read_bytes().startswith(b"#cloud-config\n")


def test_it_is_smaller_than_providers_allow() -> None:
    assert len(PASTED.read_bytes()) <= LIMIT_BYTES


def test_one_line_is_marked_to_be_filled_in() -> None:
    lines = PASTED.read_text().splitlines()
    marked = [number for number, line in enumerate(lines) if "FILL IN THE NEXT LINE" in line]
    assert len(marked) == 1
    assert [number for number, line in enumerate(lines) if PLACEHOLDER in line] == [marked[0] + 1]


def test_it_carries_the_script_unchanged() -> None:
    _, script = yaml.safe_load(PASTED.read_text())["write_files"]
    assert script["content"] == bundled("cloud-init/first-boot.sh").read_text()
    assert script["path"] == yaml.safe_load(PASTED.read_text())["runcmd"][0][0]


def test_its_answers_are_readable_by_root_only() -> None:
    answers, _ = yaml.safe_load(PASTED.read_text())["write_files"]
    assert answers["permissions"] == "0600"


@given(st.text(max_size=200))
def test_any_answer_arrives_as_it_was_given(text: str) -> None:
    assert answers_of(render({"membox_wheel": text}))["membox_wheel"] == text


@pytest.mark.parametrize("key", ["two words", "tskey\nmembox_wheel: evil", "ключ"])
def test_what_cannot_be_a_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidError, match="copy it again"):
        render(auth_key=key)


def test_what_providers_would_cut_off_is_refused() -> None:
    with pytest.raises(TooLargeError, match=str(LIMIT_BYTES)):
        render({"membox_tailscale_owners": ["someone@example.com"] * 3000})


def test_the_file_is_private_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "box.yaml"
    write(path, "#cloud-config\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConflictError, match="--force"):
        write(path, "other")
    write(path, "other", force=True)
    assert path.read_text() == "other"


def first_boot(tmp_path: Path, answers: str, *words: str, **commands: str) -> subprocess.CompletedProcess[str]:
    """Run the script with its paths moved under `tmp_path`, and `commands` standing in for the machine's."""
    script = bundled("cloud-init/first-boot.sh").read_text()
    for path in ("/etc/membox", "/opt/membox", "/var/log", "/dev/console"):
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        script = script.replace(path, f"{tmp_path}{path}")
    for directory in ("etc/membox", "var/log", "bin"):
        (tmp_path / directory).mkdir(parents=True, exist_ok=True)
    (tmp_path / "etc/membox/site.yml").write_text(answers)
    for name, body in {"id": "echo 0", "apt-get": "exit 0", "sleep": "exit 0", **commands}.items():
        command = tmp_path / "bin" / name
        command.write_text(f"#!/bin/sh\n{body}\n")
        command.chmod(0o755)
    return subprocess.run(
        ["sh", "-s", *words],
        input=script,
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("answers", "commands", "sentence"),
    [
        (f'membox_tailscale_auth_key: "{PLACEHOLDER}"', {}, "still holds its placeholder"),
        ("", {"id": "echo 1000"}, "run it again with sudo"),
        ("", {"python3": "exit 1"}, "needs Python 3.13"),
        ("", {"python3": "exit 0", "apt-get": "exit 100"}, "Debian's packages cannot be fetched"),
        (
            'membox_wheel: "no-such-thing==9"',
            {"python3": VENV_WHOSE_PIP_FAILS},
            "membox cannot be installed from no-such-thing==9: check membox_wheel",
        ),
    ],
    ids=["placeholder", "not root", "old Python", "no network", "bad wheel"],
)
def test_a_first_boot_that_fails_ends_in_one_sentence_in_the_log_and_on_the_console(
    tmp_path: Path, answers: str, commands: dict[str, str], sentence: str
) -> None:
    (tmp_path / "dev").mkdir()
    done = first_boot(tmp_path, answers, **commands)
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("membox: ")
    assert sentence in last
    assert last in (tmp_path / "dev/console").read_text()
    assert last == (tmp_path / "var/log/membox-first-boot.log").read_text().strip().splitlines()[-1]


def test_an_operators_own_answers_win(tmp_path: Path) -> None:
    (tmp_path / "etc/membox/site.d").mkdir(parents=True)
    (tmp_path / "etc/membox/site.d/10-mine.yml").write_text("membox_wheel: https://example.com/a.whl # mine\n")
    done = first_boot(tmp_path, 'membox_wheel: "membox"', python3=VENV_WHOSE_PIP_FAILS)
    assert "cannot be installed from https://example.com/a.whl:" in done.stdout


def test_a_wheel_named_by_hand_wins(tmp_path: Path) -> None:
    wheel = tmp_path / "membox-9-py3-none-any.whl"
    wheel.touch()
    done = first_boot(tmp_path, 'membox_wheel: "membox"', str(wheel), python3=VENV_WHOSE_PIP_FAILS)
    assert f"cannot be installed from {wheel}:" in done.stdout

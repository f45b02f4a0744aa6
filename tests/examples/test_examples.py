"""The examples do what they say, each as a script against a real daemon."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.bench.running_box import RunningBox

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    with RunningBox(tmp_path_factory.mktemp("box") / "home") as running_box:
        yield running_box


def printed(box: RunningBox, example: str, *words: str) -> str:
    environ = os.environ | {"MEMBOX_URL": f"http://{box.address}", "MEMBOX_API_KEY": box.key}
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *words], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_two_agents_share_a_memory_over_rest_and_forget_it_again(box: RunningBox) -> None:
    for _ in range(2):  # it can be run twice
        lines = printed(box, "shared_memory.py").splitlines()
        assert "must not be dug before the frost is over" in lines[0]
        assert any("ground frost on the beds by the well" in line for line in lines)
        assert "The first was remembered by planner (user_claim)." in lines
        assert lines[-1] == "Forgot 3 items again."


def test_an_agents_context_is_compacted_and_quoted(box: RunningBox) -> None:
    output = printed(box, "compacted_context.py", "change", "the", "till", "of", "the", "shop")
    assert output.startswith("Task: change the till of the shop\n")
    quoted = [line for line in output.splitlines() if line.startswith("  │ ")]
    assert any("must not be changed on a Saturday" in line for line in quoted)
    assert "mem_" in output
    assert "tokens of memories became" in output


def test_every_example_is_run_here() -> None:
    tested = Path(__file__).read_text("utf-8")
    assert [path.name for path in EXAMPLES.glob("*.py") if path.name not in tested] == []

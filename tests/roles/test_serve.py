"""What the box has Tailscale serve: the script that membox_tailscale writes, before a stand-in for both commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# `tailscale serve` as far as the script asks: what is served, by path, is kept in a file.
TAILSCALE = """#!{python}
import json, pathlib, sys
kept, words = pathlib.Path({state!r}), sys.argv[1:]
state = json.loads(kept.read_text())
options = dict(word.removeprefix("--").partition("=")[::2] for word in words if word.startswith("--"))
name = "box.example.ts.net:443"
if words[0] == "status":
    print(json.dumps({{"Self": {{"DNSName": "box.example.ts.net."}}}}))
elif words[1] == "status":
    handlers = {{path: {{"Proxy": target}} for path, target in state["served"].items()}}
    print(json.dumps({{"Web": {{name: {{"Handlers": handlers}}}}, "AllowFunnel": {{name: state["funnel"]}}}}))
elif words[-1] == "off":
    state = {{"served": {{}}, "funnel": False}}
else:
    state["served"][options["set-path"]] = words[-1]
kept.write_text(json.dumps(state))
"""
MEMBOX = """#!{python}
import sys
if sys.argv[1:3] == ["config", "show"]:
    print('{{"tailnet": {{"hostname": "box.example.ts.net", "owners": [], "serve": true}}}}')
"""
BOTH = {"/": "unix:/var/lib/membox/run/serve.sock", "/mcp": "http://127.0.0.1:8090/mcp"}


@pytest.fixture
def play(tmp_path: Path, render: Callable[..., str]) -> Callable[..., tuple[str, dict[str, Any]]]:
    """Run the script where this is served already; what it said, and what is served then."""
    state = tmp_path / "state.json"
    for name, text in (("tailscale", TAILSCALE), ("membox", MEMBOX)):
        (tmp_path / name).write_text(text.format(python=sys.executable, state=str(state)))
        (tmp_path / name).chmod(0o755)
    script = tmp_path / "serve"
    text = render("membox_tailscale", "serve.j2", membox_tailscale_serve=True, membox_tailscale_owners=[])
    script.write_text(text.replace("/usr/local/bin/membox", str(tmp_path / "membox")))
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def run(served: dict[str, str], funnel: bool = False) -> tuple[str, dict[str, Any]]:
        state.write_text(json.dumps({"served": served, "funnel": funnel}))
        done = subprocess.run([sys.executable, script], env=environ, check=True, capture_output=True, text=True)
        return done.stdout.strip(), json.loads(state.read_text())

    return run


def test_pages_and_agents_are_served_once(play: Callable[..., tuple[str, dict[str, Any]]]) -> None:
    assert play({}) == ("changed", {"served": BOTH, "funnel": False})
    assert play(BOTH) == ("same", {"served": BOTH, "funnel": False})


def test_a_box_that_served_its_pages_only_serves_agents_too(play: Callable[..., tuple[str, dict[str, Any]]]) -> None:
    assert play({"/": BOTH["/"]}) == ("changed", {"served": BOTH, "funnel": False})


def test_a_funnel_to_the_internet_is_closed(play: Callable[..., tuple[str, dict[str, Any]]]) -> None:
    assert play(BOTH, funnel=True) == ("changed", {"served": BOTH, "funnel": False})

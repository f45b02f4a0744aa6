import json
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from appliance.config import load_config
from appliance.config_file import set_value
from appliance.providers import Providers
from appliance.providers.child import answer
from appliance.providers.process import Children
from appliance.secrets import Secrets
from appliance.storage import open_database
from tests.llm_server import LlmServer

KEY = "sk-ant-of-the-test-1234567890"


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Here:
    """Stands in for the child process: loading the SDK anew takes two seconds each time (test_process.py has it)."""

    def lines(self, message: dict[str, Any], _seconds: float) -> Generator[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        answer(json.loads(json.dumps(message)), said.append)
        yield from said

    def stop(self) -> None:
        pass


class Setup:
    """Providers of a home, its settings and secrets."""

    def __init__(self, home: Path, database_file: Path) -> None:
        self.home, self.clock = home, Clock()
        self.secrets = Secrets(home)
        self.database = open_database(database_file)
        self.providers = Providers(lambda: load_config(home), self.secrets, self.database, self.clock)
        self.providers._children = Here()  # type: ignore[assignment]  # it has what is used
        self.set("core.timezone", "Europe/Berlin")

    def in_a_process(self) -> "Setup":
        """The same with the child process that a box has."""
        self.providers._children = Children()
        return self

    def set(self, key: str, value: Any) -> None:
        set_value(self.home, key, value if isinstance(value, str) else json.dumps(value))


@pytest.fixture
def setup(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    """A home without any provider."""
    monkeypatch.setattr("appliance.providers.child._FIRST_WAIT_SECONDS", 0.01)
    shutil.copy(empty_database, tmp_path / "membox.db")
    made = Setup(tmp_path, tmp_path / "membox.db")
    yield made
    made.providers.stop()
    made.database.close()


@pytest.fixture(params=["anthropic", "openai"])
def asked(request: pytest.FixtureRequest, setup: Setup, llm: LlmServer) -> Setup:
    """One with a provider, of each kind, that the server `llm` answers for."""
    return REACHED[request.param](setup, llm)


def by_anthropic(setup: Setup, llm: LlmServer) -> Setup:
    setup.secrets.set("anthropic-api-key", KEY)
    setup.set("llm.providers", "anthropic")
    setup.set("llm.anthropic_base_url", llm.url)
    return setup


def by_openai(setup: Setup, llm: LlmServer) -> Setup:
    setup.set("llm.providers", "openai")
    setup.set("llm.openai_base_url", f"{llm.url}/v1")
    setup.set("llm.openai_model", "small")
    return setup


REACHED: dict[str, Callable[[Setup, LlmServer], Setup]] = {"anthropic": by_anthropic, "openai": by_openai}


@pytest.fixture
def real_claude() -> str:
    """The real command, as in .ci/tools; skips where there is none."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = shutil.which("claude") or shutil.which("claude", path=cache / "membox/claude/bin")
    if not program:
        pytest.skip("no Claude Code: npm install --global @anthropic-ai/claude-code")
    return program

"""The `claude` command with its own sign-in, as a plain language model: no tools, no hooks, no memory, no transcript.

`--safe-mode` leaves out hooks, CLAUDE.md, plugins and MCP servers; `--no-session-persistence` writes no transcript that
a harvest could take in.
"""

import json
import os
import shutil
import subprocess
import tempfile
from math import ceil
from pathlib import Path
from typing import Any

from appliance.providers.models import Access, Capability, Failure, OnText, Reply, Request

_OPTIONS = ("-p", "--safe-mode", "--output-format", "json", "--no-session-persistence", "--tools", "")
_ALONE = ("--strict-mcp-config", "--disable-slash-commands")


class ClaudeCommand:
    """A `Provider`."""

    name = "claude"
    capabilities = frozenset({Capability.SCHEMA, Capability.SYSTEM})

    def __init__(self, access: Access) -> None:
        self._access = access

    def complete(self, request: Request) -> Reply:
        """The whole answer at once."""
        program = shutil.which(self._access.command)
        if program is None:
            raise Failure(f"There is no command {self._access.command}.")
        with tempfile.TemporaryDirectory(prefix="membox-claude-") as directory:
            instructions = Path(directory, "instructions.txt")
            instructions.write_text(request.system or "Answer what is asked, and nothing else.", "utf-8")
            command = [program, *_OPTIONS, *_ALONE, "--system-prompt-file", str(instructions), *self._chosen(request)]
            return _reply(*_run(command, request, directory, self._access.timeout_seconds))

    def stream(self, request: Request, on_text: OnText) -> Reply:
        """The same; its text comes in one piece."""
        reply = self.complete(request)
        on_text(reply.text)
        return reply

    def list_models(self) -> list[str]:
        """Nobody can ask the command which models there are."""
        raise Failure("The claude command does not list its models.")

    def _chosen(self, request: Request) -> list[str]:
        model = request.model or self._access.model
        chosen = ["--model", model] if model else []
        return chosen if request.schema is None else [*chosen, "--json-schema", json.dumps(request.schema)]


def _run(command: list[str], request: Request, directory: str, seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code, output and errors. The prompt goes over standard input: others can read a command line."""
    environment = {
        **os.environ,
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(request.max_tokens),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    try:
        done = subprocess.run(  # noqa: S603 - found on PATH, its arguments are ours
            command,
            input=request.prompt.encode(),
            capture_output=True,
            timeout=seconds,
            cwd=directory,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired as fault:
        raise Failure("It did not answer in time.") from fault
    except OSError as fault:
        raise Failure(f"The command could not be started ({fault.strerror}).") from fault
    return done.returncode, done.stdout, done.stderr


def _reply(code: int, output: bytes, errors: bytes) -> Reply:
    try:
        told = json.loads(output)
        usage, spent = told["usage"], float(told.get("total_cost_usd") or 0)
        reply = Reply(
            text=_text(told),
            provider=ClaudeCommand.name,
            model=_model(told),
            input_tokens=_taken(usage),
            output_tokens=int(usage.get("output_tokens") or 0),
            cost_micros=ceil(spent * 1e6),
            truncated=told.get("stop_reason") == "max_tokens",
        )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        said = " ".join(errors.decode("utf-8", "replace").split())[:200]
        raise Failure(f"The command ended with {code}" + (f": {said}" if said else ".")) from fault
    if told.get("is_error") or code:
        raise Failure(
            " ".join(reply.text.split())[:200] or f"The command ended with {code}.",
            model=reply.model,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
        )
    return reply


def _text(told: dict[str, Any]) -> str:
    structured = told.get("structured_output")
    return str(told.get("result") or "") if structured is None else json.dumps(structured, ensure_ascii=False)


def _model(told: dict[str, Any]) -> str:
    """The model that wrote most: small chores may have gone to another one."""
    models = told.get("modelUsage") or {}
    return max(models, key=lambda name: models[name].get("outputTokens") or 0, default="claude")


def _taken(usage: dict[str, Any]) -> int:
    kinds = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(int(usage.get(kind) or 0) for kind in kinds)

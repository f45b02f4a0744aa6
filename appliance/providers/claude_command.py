"""The `claude` command with its own sign-in, as a plain language model: no tools, no hooks, no memory, no transcript.

`--safe-mode` leaves out hooks, CLAUDE.md, plugins and MCP servers; `--no-session-persistence` writes no transcript that
a harvest could take in.
"""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any

from appliance import errand
from appliance.errors import UnavailableError
from appliance.providers.models import Access, Capability, Failure, OnText, Reply, Request

_OPTIONS = (
    *("-p", "--output-format", "json", "--no-session-persistence"),
    *("--safe-mode", "--strict-mcp-config", "--disable-slash-commands", "--tools", ""),
)


class ClaudeCommand:
    """A `Provider`. On a box the agent's own unit runs it, with the agent's sign-in (`appliance/errand.py`)."""

    name = "claude"
    capabilities = frozenset({Capability.SCHEMA, Capability.SYSTEM})

    def __init__(self, access: Access) -> None:
        self._access = access

    def complete(self, request: Request) -> Reply:
        """The whole answer at once."""
        fields, seconds = asdict(request) | {"model": request.model or self._access.model}, self._access.timeout_seconds
        here = not errand.is_there()
        told = complete_here(fields, seconds, self._access.command) if here else _errand(fields, seconds)
        if "error" in told:
            raise Failure(**told["error"])
        return Reply(**told["reply"])

    def stream(self, request: Request, on_text: OnText) -> Reply:
        """The same; its text comes in one piece."""
        reply = self.complete(request)
        on_text(reply.text)
        return reply

    def list_models(self) -> list[str]:
        """Nobody can ask the command which models there are."""
        raise Failure("The claude command has no list.")


def complete_here(request: dict[str, Any], seconds: float, command: str = "claude") -> dict[str, Any]:
    """Run the command as this process's user; {"reply": fields of `Reply`} or {"error": arguments of `Failure`}.

    `request`: the fields of `Request`.
    """
    try:
        return {"reply": asdict(_completed(Request(**request), seconds, command))}
    except Failure as failed:
        counts = {"input_tokens": failed.input_tokens, "output_tokens": failed.output_tokens}
        return {"error": {"sentence": failed.sentence, "model": failed.model, **counts}}


def _errand(fields: dict[str, Any], seconds: float) -> dict[str, Any]:
    try:
        return errand.ask("complete", {"request": fields, "seconds": seconds}, seconds)
    except UnavailableError as fault:
        raise Failure(fault.sentence) from fault


def _completed(request: Request, seconds: float, command: str) -> Reply:
    program = shutil.which(command)
    if program is None:
        raise Failure(f"There is no command {command}.")
    with tempfile.TemporaryDirectory(prefix="membox-claude-") as directory:
        instructions = Path(directory, "instructions.txt")
        instructions.write_text(request.system or "Answer what is asked, and nothing else.", "utf-8")
        words = [program, *_OPTIONS, "--system-prompt-file", str(instructions)]
        if request.model:
            words += ["--model", request.model]
        if request.schema is not None:
            words += ["--json-schema", json.dumps(request.schema)]
        return _reply(*_run(words, request, seconds))


def _run(command: list[str], request: Request, seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code, output and errors. The prompt goes over standard input: others can read a command line."""
    environment = {
        **os.environ,
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(request.max_tokens),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "MEMBOX_HOOKS": "off",
    }
    try:
        done = subprocess.run(
            command,
            input=request.prompt.encode(),
            capture_output=True,
            timeout=seconds,
            cwd=errand.own_sessions(),
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

"""The child process that talks to one provider: `python -m appliance.providers.child`.

One JSON object comes over standard input, JSON lines go out: `{"text": …}` for every piece of an answer, then one of
`{"reply": …}`, `{"models": […]}`, `{"error": …}`. A key is seen neither in a command line nor in an environment.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from appliance.providers.models import Access, Capability, Failure, OnText, Provider, Reply, Request

Say = Callable[[dict[str, Any]], object]
COMPLETE, MODELS = "complete", "models"
_ATTEMPTS = 3
_FIRST_WAIT_SECONDS = 0.5
_GRACE_SECONDS = 5
_LONGEST_ANSWER = 8_000_000  # characters
_IN_WORDS = "\n\nAnswer with one JSON object that keeps to this JSON Schema, and with nothing around it:\n"


def provider_of(name: str, access: Access) -> Provider:
    """The adapter called `name`; Failure when its library is not installed."""
    match name:
        case "anthropic":
            try:
                from appliance.providers.anthropic import Anthropic
            except ImportError as fault:
                raise Failure("The library anthropic is not installed; install membox[llm].") from fault
            return Anthropic(access)
        case "claude":
            from appliance.providers.claude_command import ClaudeCommand

            return ClaudeCommand(access)
        case "openai":
            from appliance.providers.openai import OpenAi

            return OpenAi(access)
    raise Failure(f"There is no provider {name}.")


def answer(message: dict[str, Any], say: Say) -> None:
    """Do what `message` asks and say how it went; nothing is raised.

    `message`: {"do", "provider", "access": fields of `Access`, "request": fields of `Request`, "stream"}.
    """
    try:
        access = Access(**message["access"])
        provider = provider_of(message["provider"], access)
        if message["do"] == MODELS:
            say({"models": provider.list_models()})
            return
        on_text = (lambda text: say({"text": text})) if message.get("stream") else None
        say({"reply": asdict(_answered(provider, Request(**message["request"]), on_text, access.timeout_seconds))})
    except Failure as failure:
        told = {name: getattr(failure, name) for name in ("sentence", "model", "input_tokens", "output_tokens")}
        say({"error": told})
    except Exception as fault:  # noqa: BLE001 - whatever a provider's answer did to us, the next one is to be asked
        say({"error": {"sentence": f"It failed in a way that was not foreseen ({type(fault).__name__})."}})


class _Heard:
    """Hands on what comes, and counts it: once an answer has begun, it is not asked for again."""

    def __init__(self, on_text: OnText | None) -> None:
        self.on_text = on_text
        self.characters = 0

    def __call__(self, text: str) -> None:
        self.characters += len(text)
        if self.characters > _LONGEST_ANSWER:
            raise Failure("The answer is longer than any could be.")
        if self.on_text is not None:
            self.on_text(text)


def _answered(provider: Provider, request: Request, on_text: OnText | None, seconds: float) -> Reply:
    """The answer, tried for again while that may help and nothing of it has come yet."""
    deadline, heard = time.monotonic() + seconds, _Heard(on_text)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _asked(provider, _fitting(provider, request), heard)
        except Failure as failure:
            if not failure.may_pass or heard.characters or attempt == _ATTEMPTS:
                raise
            wait = _wait(failure, attempt)
            if time.monotonic() + wait > deadline:
                failure.sentence += f" It asks to wait {wait:.0f} s, which is longer than llm.timeout_seconds allows."
                raise
            time.sleep(wait)
    raise AssertionError("unreachable")


def _fitting(provider: Provider, request: Request) -> Request:
    """`request` with its schema in words, where the provider knows none."""
    if request.schema is None or Capability.SCHEMA in provider.capabilities:
        return request
    return replace(request, system=f"{request.system}{_IN_WORDS}{json.dumps(request.schema)}", schema=None)


def _asked(provider: Provider, request: Request, heard: _Heard) -> Reply:
    if heard.on_text is not None and Capability.STREAM in provider.capabilities:
        return provider.stream(request, heard)
    reply = provider.complete(request)
    heard(reply.text)
    return reply


def _wait(failure: Failure, attempt: int) -> float:
    """Seconds until the next attempt: what the provider asks for, else twice as long each time, and never in step."""
    if failure.retry_after is not None:
        return failure.retry_after
    return _FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


def main() -> None:
    """Answer what comes over standard input; end with the whole group if that takes longer than was allowed."""
    message = json.loads(sys.stdin.buffer.read())
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))  # whoever started us may be gone
    signal.alarm(int(message["access"]["timeout_seconds"]) + _GRACE_SECONDS)

    def say(line: dict[str, Any]) -> None:
        sys.stdout.buffer.write(json.dumps(line).encode() + b"\n")
        sys.stdout.buffer.flush()

    answer(message, say)


if __name__ == "__main__":
    main()

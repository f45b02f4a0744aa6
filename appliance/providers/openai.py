"""Any server that speaks OpenAI's chat completions: Ollama, llama.cpp, vLLM, OpenRouter, OpenAI itself."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import IO, Any

from appliance.providers.models import Access, Capability, Failure, OnText, Reply, Request
from appliance.providers.prices import Price, cost_micros

_LIMIT = 16 * 1024 * 1024  # bytes of an answer
_CHARACTERS_A_TOKEN = 4  # where the server does not count them
_PASSING = frozenset({408, 409, 425, 429})


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    """A redirection would carry the key to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class OpenAi:
    """A `Provider`."""

    name = "openai"
    capabilities = frozenset({Capability.STREAM, Capability.SCHEMA, Capability.MODELS, Capability.SYSTEM})

    def __init__(self, access: Access) -> None:
        self._access = access
        self._opener = urllib.request.build_opener(_NoRedirection)

    def complete(self, request: Request) -> Reply:
        """The whole answer at once."""
        with self._post(request, stream=False) as response:
            answer = _object(response.read(_LIMIT))
            with _well_formed():
                choice = answer["choices"][0]
                return self._reply(request, answer, str(choice["message"]["content"]), choice["finish_reason"])

    def stream(self, request: Request, on_text: OnText) -> Reply:
        """The whole answer, its text handed over as it comes."""
        pieces: list[str] = []
        last: dict[str, Any] = {}
        reason = None
        with self._post(request, stream=True) as response:
            for chunk in _chunks(response):
                with _well_formed():
                    last |= {name: value for name, value in chunk.items() if value}
                    for choice in chunk.get("choices") or ():
                        reason = choice.get("finish_reason") or reason
                        if piece := (choice.get("delta") or {}).get("content"):
                            pieces.append(str(piece))
                            on_text(pieces[-1])
        return self._reply(request, last, "".join(pieces), reason)

    def list_models(self) -> list[str]:
        """The models of the server."""
        with self._open("/models", None) as response:
            answer = _object(response.read(_LIMIT))
        with _well_formed():
            return [str(model["id"]) for model in answer["data"]]

    def _post(self, request: Request, stream: bool) -> Any:
        return self._open("/chat/completions", json.dumps(self._asked(request, stream)).encode())

    def _asked(self, request: Request, stream: bool) -> dict[str, Any]:
        # OpenAI's own server knows the limit by its new name only, most others by the old one only.
        limit = "max_completion_tokens" if "//api.openai.com" in self._access.base_url else "max_tokens"
        told = [{"role": "system", "content": request.system}] if request.system else []
        asked: dict[str, Any] = {
            "model": self._access.model,
            "messages": [*told, {"role": "user", "content": request.prompt}],
            limit: request.max_tokens,
            "stream": stream,
        }
        if stream:
            asked["stream_options"] = {"include_usage": True}
        if request.schema is not None:
            form = {"name": "answer", "schema": request.schema, "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": form}
        return asked

    @contextmanager
    def _open(self, path: str, body: bytes | None) -> Iterator[IO[bytes]]:
        headers = {"Content-Type": "application/json", "User-Agent": "membox"}
        if self._access.key:
            headers["Authorization"] = f"Bearer {self._access.key}"
        address = self._access.base_url.rstrip("/") + path
        asked = urllib.request.Request(address, body, headers)  # noqa: S310 - http or https: appliance/settings.py
        try:
            with self._opener.open(asked, timeout=self._access.timeout_seconds) as response:
                yield response
        except urllib.error.HTTPError as fault:
            raise _failure(fault, self._access.model) from fault
        except TimeoutError as fault:
            raise Failure("It did not answer in time.", may_pass=True) from fault
        except (OSError, HTTPException) as fault:
            reason = getattr(fault, "reason", None)
            kind = type(reason if isinstance(reason, OSError) else fault).__name__
            raise Failure(f"The connection failed ({kind}).", may_pass=True) from fault

    def _reply(self, request: Request, answer: dict[str, Any], text: str, reason: Any) -> Reply:
        usage = answer.get("usage") or {}
        with _well_formed():
            taken = int(usage.get("prompt_tokens") or (len(request.system + request.prompt) // _CHARACTERS_A_TOKEN))
            given = int(usage.get("completion_tokens") or len(text) // _CHARACTERS_A_TOKEN)
        if reason is None:
            raise Failure("The answer broke off.", True, input_tokens=taken, output_tokens=given)
        if reason == "content_filter":
            raise Failure("The model declined to answer.", input_tokens=taken, output_tokens=given)
        price = Price(self._access.input_usd, self._access.output_usd)
        model = str(answer.get("model") or self._access.model)
        cost = cost_micros(model, taken, given, price)
        return Reply(text, self.name, model, taken, given, cost, truncated=reason == "length")


def _chunks(response: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of a stream of server-sent events."""
    read = 0
    while line := response.readline(_LIMIT):
        read += len(line)
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:"):
            if line.strip() and not line.startswith((b":", b"event:", b"id:", b"retry:")):
                raise _not_this_api()
            continue
        if data == b"[DONE]":
            return
        if read > _LIMIT:
            raise Failure("The answer is longer than any could be.")
        yield _object(data)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _not_this_api()
    return found


@contextmanager
def _well_formed() -> Iterator[None]:
    """Whatever has not the form that it should is told as that."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as fault:
        raise _not_this_api() from fault


def _not_this_api() -> Failure:
    return Failure("What answered does not speak OpenAI's chat completions; is llm.openai_base_url right?")


def _failure(fault: urllib.error.HTTPError, model: str) -> Failure:
    if fault.code == 401:
        return Failure("The key is not valid: set the secret openai-api-key anew.")
    try:
        error = json.loads(fault.read(64 * 1024))["error"]
        said = " ".join(str(error["message"] if isinstance(error, dict) else error).split())[:200]
    except (ValueError, KeyError, TypeError, OSError, HTTPException):
        said = f"is there a model {model}, and is llm.openai_base_url right?" if fault.code == 404 else ""
    try:
        retry_after = max(0.0, float(fault.headers.get("Retry-After", "")))
    except ValueError:
        retry_after = None
    sentence = f"It answered {fault.code}" + (f": {said}" if said else ".")
    return Failure(sentence, fault.code in _PASSING or fault.code >= 500, retry_after)
